/** A worker on Effect, that serves {@link Numbers}. */
import { appendFileSync } from "node:fs"
import * as Worker from "@nursery/pipeline/Worker"
import * as Effect from "effect/Effect"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Stream from "effect/Stream"
import { Numbers, TooLarge } from "./group.ts"

const note = (path: string, text: string) => Effect.sync(() => appendFileSync(path, text))

const handlers = Numbers.toLayer({
  Square: ({ n }) => (n > 1000 ? Effect.fail(new TooLarge({ n })) : Effect.succeed(n * n)),
  Pid: () => Effect.succeed(process.pid),
  Later: ({ at, days }) => Effect.succeed(new Date(at.getTime() + days * 86_400_000)),
  Defect: ({ message }) => Effect.die(new Error(message)),
  Exit: ({ code }) => Effect.sync(() => process.exit(code)),
  Count: ({ failing, to }) =>
    Stream.range(1, to).pipe(
      Stream.rechunk(10),
      Stream.concat(failing ? Stream.fail(new TooLarge({ n: to })) : Stream.empty)
    ),
  Hold: ({ path }) =>
    Effect.andThen(note(path, "begun "), Effect.never).pipe(Effect.onInterrupt(() => note(path, "interrupted"))),
  Endless: ({ path }) =>
    Stream.iterate(1, (n) => n + 1).pipe(
      Stream.rechunk(1),
      Stream.tap(() => note(path, "."))
    )
})

const serializations = new Map([
  ["binary", RpcSerialization.layerSchemaBinary()],
  ["json-rpc", RpcSerialization.layerNdJsonRpc()]
])
const serialization =
  serializations.get(process.argv[2] ?? "") ?? RpcSerialization.layerNdjsonWith({ maxBufferSize: 2 ** 20 })

await Effect.runPromise(Worker.rpc(Numbers).pipe(Effect.provide([handlers, serialization])))
