/**
 * A pipeline of real programs over real text: the most frequent words of the licence and the documentation.
 */

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import {
  Command,
  type ExitError,
  type KeeperLost,
  type Nursery,
  Process,
  type SpawnError,
  type StreamError
} from "@nursery/process"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const root = join(import.meta.dirname, "../../../..")

/** The licence and the documentation of this project. */
const files = (): ReadonlyArray<string> =>
  ["", "docs"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name === "LICENSE" || name.endsWith(".md"))
      .map((name) => join(root, folder, name))
  )

const stages = [
  Command.make("grep", ["-oE", "[A-Za-z]{4,}"]),
  Command.make("sort"),
  Command.make("uniq", ["-c"]),
  Command.make("sort", ["-rn"])
]

/** The pipeline as a shell would write it. */
export const line = stages.map((stage) => Command.display(stage)).join(" | ")

export interface Count {
  readonly word: string
  readonly count: number
}

const countOf = (line: string): Count => {
  const [count, word] = line.trim().split(" ")
  return { count: Number(count), word: word ?? "" }
}

type Bytes = Stream.Stream<Uint8Array, SpawnError | ExitError | StreamError | KeeperLost, Nursery.Nursery>

/**
 * All words and how often they occur, the most frequent one first.
 *
 * `beforeEnd` runs when all stages run and have been given the text; until it is done they wait for more.
 */
export const mostFrequent = (env: Command.Env, beforeEnd: Effect.Effect<unknown>) => {
  const text: Bytes = Stream.fromIterable(files()).pipe(
    Stream.map((file): Uint8Array => readFileSync(file)),
    Stream.concat(Stream.fromEffectDrain(beforeEnd))
  )
  return stages
    .map(Command.env({ ...env, LC_ALL: "C" }))
    .reduce((input, stage) => Process.through(stage)(input), text)
    .pipe(Stream.decodeText, Stream.splitLines, Stream.map(countOf), Stream.runCollect)
}
