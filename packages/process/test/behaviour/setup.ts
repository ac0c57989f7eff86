/**
 * What the behavioural tests share: each is written once and runs on every way to start processes.
 *
 * What a way cannot promise is named in `lacks`, and only there; `guarantees.test.ts` compares the list with what
 * `Nursery.guarantees` says of it.
 */
import { layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import type { KeeperUnavailable } from "../../src/ProcessError.ts"
import * as Proc from "../support/proc.ts"
import type { Stage } from "../support/stage.ts"
import { until } from "../support/within.ts"

/** A promise that not every way can keep, by the name that the tests call it. */
export type Promised =
  | "escapees"
  | "ownerDeath"
  | "graceOutsideEventLoop"
  | "cheapSpawn"
  | "noStrayPid"
  | "notifications"
  | "setup"
  | "usage"
  | "realTimeSignals"
  | "realPipes"
  | "scriptsNeedShebang"
  | "umask"
  | "sessionGroup"
  | "collectsOrphans"
  | "orphansInDescendants"

export interface Way {
  readonly name: "keeper" | "portable"
  readonly layer: Layer.Layer<Nursery.Nursery, KeeperUnavailable>
  readonly lacks: ReadonlySet<Promised>
}

export const ways: ReadonlyArray<Way> = [
  { name: "keeper", layer: Nursery.layer, lacks: new Set() },
  {
    name: "portable",
    layer: Nursery.layerPortable,
    lacks: new Set<Promised>([
      "escapees",
      "ownerDeath",
      "graceOutsideEventLoop",
      "cheapSpawn",
      "noStrayPid",
      "notifications",
      "setup",
      "usage",
      "realTimeSignals",
      "realPipes",
      "scriptsNeedShebang",
      "umask",
      "sessionGroup",
      "collectsOrphans",
      "orphansInDescendants"
    ])
  }
]

type It = Vitest.MethodsNonLive<Nursery.Nursery>

/** Runs a group of tests on every way, with real time, in one nursery each. */
export const onEveryWay = (title: string, tests: (it: It, way: Way) => void): void => {
  for (const way of ways) {
    layer(way.layer, { excludeTestServices: true })(`${title} (${way.name})`, (it) => tests(it, way))
  }
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** All text of a stream. */
export const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Effect.Effect<string, E, R> =>
  Stream.mkString(Stream.decodeText(stream))

/** The size of a stream. */
export const size = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Effect.Effect<number, E, R> =>
  Stream.runFold(
    stream,
    () => 0,
    (sum, chunk) => sum + chunk.length
  )

/** A command that a POSIX shell runs. */
export const sh = (script: string) => Command.make("/bin/sh", ["-c", script])

/** Nobody has anything to do any more when a scope closes; what was there has left it of itself, which may take some turns. */
export const becomesEmpty = (scope: Scope.Scope): Effect.Effect<void> =>
  Effect.promise(() => until("see the scope empty", () => scope.state._tag === "Empty"))

/** What is left on a stage at this moment. */
export const leftOn = (stage: Stage, way: Way): ReadonlyArray<string> =>
  stage.left().filter((entry) => !way.lacks.has("collectsOrphans") || !entry.includes("state Z"))

/**
 * The descriptors of this program that `effect` leaves behind, described. What the program itself opens once and keeps (its event
 * loop, its pools) is not counted: `effect` runs once before.
 */
export const leftOpen = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<ReadonlyArray<string>, E, R> =>
  Effect.gen(function* () {
    yield* effect
    const before = Proc.descriptors()
    yield* effect
    return Array.from(Proc.descriptors())
      .filter(([fd, what]) => before.get(fd) !== what)
      .map(([fd, what]) => `${fd}: ${what}`)
  })
