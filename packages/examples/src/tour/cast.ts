/**
 * The processes of the tour, which do what makes others leak: each starts something, and none wants to end.
 */

import { join } from "node:path"
import { Command, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** The variable by which everything that the tour starts can be found again in /proc, wherever it went. */
export const variable = "NURSERY_TOUR"

const options = {
  cwd: join(import.meta.dirname, "programs"),
  stdout: "pipe",
  // Short, so that nobody has to wait for the one that ignores SIGTERM. The default is 2 seconds.
  stop: { grace: "500 millis" }
} as const

const worker = Command.make("sh", ["worker.sh"], options)
const daemon = Command.make("sh", ["daemon.sh"], options)
const stubborn = Command.make("sh", ["stubborn.sh"], options)

export interface Member {
  readonly process: Process.ProcessBase
  readonly line: string
  /** What it said about itself, once it was at work. */
  readonly words: string
}

/** Starts them all, and returns when each has said that it is at work. */
export const start = (env: Command.Env) =>
  Effect.forEach(
    [worker, daemon, stubborn],
    Effect.fnUntraced(function* (command) {
      const process = yield* Process.spawn(Command.env(command, env))
      const words = yield* process.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.runHead)
      const member: Member = {
        process,
        line: Command.display(command),
        words: Option.getOrElse(words, () => "(nothing)")
      }
      return member
    }),
    { concurrency: "unbounded" }
  )
