/** The worker sides for Node, Python and POSIX shells, each as a pool uses it. */

import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect } from "@effect/vitest"
import { Codec, Pipeline, Worker, WorkerPool } from "@nursery/pipeline"
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { onKeeper } from "../support/setup.ts"

const numbers = { request: Schema.Finite, response: Schema.Finite } as const
const squares = [1, 4, 9, 16, 25, 36, 49, 64, 81, 100]
const program = fileURLToPath(new URL("programs/square.ts", import.meta.url))
/** Of one to four bytes, and those that mean something to JSON, to a shell or to those who read lines. */
const strings = ["", " ", "a\nb\r\n", "\t\"'\\$(id)`%s", "ä€😀", "\u2028\u0085\u0000", "\ufeffx", "-n", "\\n"]
const hasPython = spawnSync("python3", ["-c", ""]).status === 0

const python = (script: string) =>
  Command.make("python3", ["-c", `from nursery_worker import serve\n${script}`], {
    env: { PYTHONPATH: Worker.pythonPath, PYTHONDONTWRITEBYTECODE: "1" },
    stderr: "pipe"
  })

/** What a worker writes that is asked by whoever goes away then. */
const answersTo = (requests: string, worker: Command.Command<"null", "inherit", "pipe" | "null", {}>) =>
  Pipeline.fromStream(Stream.encodeText(Stream.make(requests))).pipe(
    Pipeline.process("worker", worker),
    Pipeline.string
  )

onKeeper("a worker on Effect", (it) => {
  const finite = Codec.lengthPrefixed(Schema.Finite)
  const binary = Codec.binary(Schema.Finite)

  it.effect.each([
    ["stdio", {}],
    ["socketpair", { transport: "socketpair" }],
    ["lists", { batch: 4 }],
    ["lengthPrefixed", { request: finite, response: finite }],
    ["binary", { request: binary, response: binary }]
  ] as const)("answers, whatever it prints: %s", ([form, options]) =>
    Effect.gen(function* () {
      const worker = Command.make(process.execPath, [program, form], { stdout: "null", stderr: "pipe" })
      const pool = yield* WorkerPool.make(worker, { ...numbers, size: 1, ...options })
      expect(yield* Stream.range(1, 10).pipe(pool.through(), Stream.runCollect)).toEqual(squares)
    })
  )

  it.effect("answers no request whose end has not come", () =>
    Effect.gen(function* () {
      const worker = Command.make(process.execPath, [program, "stdio"], { stderr: "null" })
      expect(yield* answersTo("3\n12", worker)).toBe("9\n")
    })
  )
})

onKeeper("a worker in a POSIX shell", (it) => {
  const shell = (script: string) =>
    Command.make("sh", ["-c", `. "$NURSERY_WORKER"\n${script}`], {
      env: { NURSERY_WORKER: Worker.shellLibrary },
      stderr: "pipe"
    })
  const lines = { request: Codec.lines(), response: Codec.lines(), size: 1 } as const

  it.effect("answers by a function, whatever is in a line", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(
        shell(`upper() { printf '%s\\n' "$1" | tr a-z A-Z; }\nnursery_serve upper`),
        lines
      )
      const answers = yield* Stream.make("a", ' "b" $c * \\n', "  d").pipe(pool.through(), Stream.runCollect)
      expect(answers).toEqual(["A", ' "B" $C * \\N', "  D"])
    })
  )

  it.effect("has each character that is in a record", () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(shell(`same() { printf '%s\\n' "$1"; }\nnursery_serve same`), {
        request: Schema.String,
        response: Schema.String,
        size: 1
      })
      expect(yield* Stream.fromArray(strings).pipe(pool.through(), Stream.runCollect)).toEqual(strings)
    })
  )

  it.effect("ends with a function that fails, or that does not answer by a line", () =>
    Effect.gen(function* () {
      for (const body of ["return 7", "echo a; echo b", ":"]) {
        const pool = yield* WorkerPool.make(shell(`f() { ${body}; }\nnursery_serve f`), {
          ...lines,
          delivery: "at-most-once"
        })
        expect((yield* Effect.flip(pool.request("x"))).reason._tag).toBe("WorkerExited")
      }
    })
  )
})

onKeeper("a worker in Python", (it) => {
  const named = hasPython ? it.effect : it.effect.skip
  const suffix = hasPython ? "" : " (needs python3)"

  named(`answers over stdio, whatever it prints${suffix}`, () =>
    Effect.gen(function* () {
      const worker = python("def square(n):\n  print('computing')\n  return n * n\nserve(square)")
      const pool = yield* WorkerPool.make(worker, { ...numbers, size: 2 })
      expect(yield* Stream.range(1, 10).pipe(pool.through(), Stream.runCollect)).toEqual(squares)
    })
  )

  named(`has each character that is in a record${suffix}`, () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(python("serve(lambda text: text)"), {
        request: Schema.String,
        response: Schema.String,
        size: 1
      })
      expect(yield* Stream.fromArray(strings).pipe(pool.through(), Stream.runCollect)).toEqual(strings)
    })
  )

  named(`answers no request whose end has not come${suffix}`, () =>
    Effect.gen(function* () {
      expect(yield* answersTo("3\n12", python("serve(lambda n: n * n)"))).toBe("9\n")
    })
  )

  named(`answers lists over a pair of sockets${suffix}`, () =>
    Effect.gen(function* () {
      const worker = python("serve(lambda list: [n * n for n in list], descriptor=3, batch=True)")
      const pool = yield* WorkerPool.make(worker, { ...numbers, size: 1, batch: 4, transport: "socketpair" })
      expect(yield* Stream.range(1, 10).pipe(pool.through(), Stream.runCollect)).toEqual(squares)
    })
  )

  named(`ends with an exception, which the error shows${suffix}`, () =>
    Effect.gen(function* () {
      const pool = yield* WorkerPool.make(python("serve(lambda n: 1 / n)"), {
        ...numbers,
        size: 1,
        delivery: "at-most-once"
      })
      expect((yield* Effect.flip(pool.request(0))).message).toContain("ZeroDivisionError")
    })
  )
})
