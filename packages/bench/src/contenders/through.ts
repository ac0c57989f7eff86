/**
 * Work that is written against Effect's own `ChildProcessSpawner`: the same program for whoever provides it.
 */
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { producer } from "./flows.ts"
import { countsOf, Event, file } from "./records.ts"
import { program } from "./rounds.ts"

const command = ChildProcess.make(program, [], { stdin: "ignore", stdout: "ignore", stderr: "ignore" })

export const one = Effect.scoped(Effect.flatMap(command, (handle) => Effect.map(handle.exitCode, (code) => code === 0)))

const produce = (bytes: number, block: number) =>
  ChildProcess.make(producer, [String(bytes), String(block)], { stdin: "ignore", stderr: "inherit" })

/** How many bytes came. */
export const read = (bytes: number, block: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const handle = yield* produce(bytes, block)
      const got = yield* Stream.runFold(
        handle.stdout,
        () => 0,
        (sum, chunk) => sum + chunk.length
      )
      const code = yield* handle.exitCode
      return code === 0 ? got : -1
    })
  )

/** `produce | cat | wc -c`: how many bytes `wc` has counted. */
export const pipeline = (bytes: number, block: number) =>
  Effect.gen(function* () {
    const spawner = yield* ChildProcessSpawner
    const text = yield* spawner.string(
      produce(bytes, block).pipe(
        ChildProcess.pipeTo(ChildProcess.make("cat", [], { stderr: "inherit" })),
        ChildProcess.pipeTo(ChildProcess.make("wc", ["-c"], { stderr: "inherit" }))
      )
    )
    return Number(text)
  })

/** `cat file`, decoded and encoded on the way to `wc -lc`: lines and bytes that `wc` has counted. */
export const records = Effect.gen(function* () {
  const spawner = yield* ChildProcessSpawner
  const cat = yield* ChildProcess.make("cat", [file], { stdin: "ignore", stderr: "inherit" })
  const encoded = cat.stdout.pipe(
    Stream.pipeThroughChannelOrFail(Ndjson.decodeSchema(Event)()),
    Stream.pipeThroughChannelOrFail(Ndjson.encodeSchema(Event)()),
    Stream.orDie
  )
  const text = yield* spawner.string(ChildProcess.make("wc", ["-lc"], { stdin: encoded, stderr: "inherit" }))
  const code = yield* cat.exitCode
  return code === 0 ? countsOf(text) : []
}).pipe(Effect.scoped)
