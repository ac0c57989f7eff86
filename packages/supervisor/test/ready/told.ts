/** The server of `programs/server.ts`, which does what it is told. */
import { join } from "node:path"
import { Command, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { type Child, observe } from "./setup.ts"

const program = join(import.meta.dirname, "programs/server.ts")

export interface Told extends Child {
  /** Gives an order, and waits until it has been carried out. */
  readonly tell: (order: string) => Effect.Effect<void>
  /** Waits until it has said a line that begins so; each line counts once. */
  readonly says: (beginning: string) => Effect.Effect<string>
}

export const told = Effect.fnUntraced(function* (at: number | string) {
  const orders = yield* Queue.unbounded<string>()
  const said = yield* Queue.unbounded<string>()
  const server = yield* Process.spawn(
    Command.make(process.execPath, [program, String(at)], {
      stdin: Stream.encodeText(Stream.fromQueue(orders)),
      stdout: "pipe",
      stop: { signal: "SIGKILL" }
    })
  )
  yield* server.stdout.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(said, line)),
    Effect.forkScoped
  )
  const says = (beginning: string): Effect.Effect<string> =>
    Effect.flatMap(Queue.take(said), (line) => (line.startsWith(beginning) ? Effect.succeed(line) : says(beginning)))
  const result: Told = {
    ...observe(server),
    says,
    tell: (order) => Effect.andThen(Queue.offer(orders, `${order}\n`), Effect.asVoid(says("done")))
  }
  return result
})
