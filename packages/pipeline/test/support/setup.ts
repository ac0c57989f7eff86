/** What the tests of pipelines share: each runs on every way to start processes. */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { layer, type Vitest } from "@effect/vitest"
import { Command, type KeeperUnavailable, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

export interface Way {
  readonly name: "keeper" | "portable"
  readonly layer: Layer.Layer<Nursery.Nursery, KeeperUnavailable>
}

const ways: ReadonlyArray<Way> = [
  { name: "keeper", layer: Nursery.layer },
  { name: "portable", layer: Nursery.layerPortable }
]

type It = Vitest.MethodsNonLive<Nursery.Nursery>

/** Runs a group of tests on every way, with real time, in one nursery each. */
export const onEveryWay = (title: string, tests: (it: It, way: Way) => void): void => {
  for (const way of ways) {
    layer(way.layer, { excludeTestServices: true })(`${title} (${way.name})`, (it) => tests(it, way))
  }
}

/** What only a keeper can do. */
export const onKeeper = (title: string, tests: (it: It) => void): void => {
  layer(Nursery.layer, { excludeTestServices: true })(title, tests)
}

/** A command that a POSIX shell runs. */
export const sh = (script: string) => Command.make("/bin/sh", ["-c", script])

/** A folder for as long as the scope lasts. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-pipeline-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)
