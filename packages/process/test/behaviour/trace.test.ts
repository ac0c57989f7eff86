/** Spans of processes, with the attributes that OpenTelemetry names. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import * as Command from "../../src/Command.ts"
import * as Process from "../../src/Process.ts"
import { onEveryWay, sh } from "./setup.ts"

/** Runs an effect under a tracer that remembers, and gives back its spans. */
const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    yield* Effect.ignore(Effect.withTracer(effect, tracer))
    return spans
  })

const attributes = (span: Tracer.Span | undefined) => Object.fromEntries(span?.attributes ?? [])

onEveryWay("a span of a process", (it) => {
  it.effect("tells what ran, and how it ended", () =>
    Effect.gen(function* () {
      let pid = 0
      const [outer, span, ...rest] = yield* traced(
        Effect.withSpan(
          Effect.scoped(
            Effect.gen(function* () {
              const process = yield* Process.spawn(Command.make("/bin/sh", ["-c", "exit 0"], { cwd: "/tmp" }))
              pid = process.pid
              yield* process.success
            })
          ),
          "outer"
        )
      )
      expect(rest).toEqual([])
      expect(span).toMatchObject({ name: "sh", kind: "client", parent: Option.some(outer) })
      expect(attributes(span)).toEqual({
        "process.executable.name": "sh",
        "process.command_args": ["/bin/sh", "-c", "exit 0"],
        "process.working_directory": "/tmp",
        "process.pid": pid,
        "process.exit.code": 0
      })
      expect(span?.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Success" } })
    })
  )

  const failures = [
    ["exit 3", 3, "3"],
    ["kill -KILL $$", 137, "SIGKILL"]
  ] as const
  for (const [script, code, type] of failures) {
    it.effect(`tells of ${script} as a failure`, () =>
      Effect.gen(function* () {
        const [span] = yield* traced(Process.exitStatus(sh(script)))
        expect(attributes(span)).toMatchObject({ "process.exit.code": code, "error.type": type })
        expect(span?.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Failure" } })
      })
    )
  }

  it.effect("tells of a program that could not be started", () =>
    Effect.gen(function* () {
      const [span] = yield* traced(Process.exitStatus(Command.make("/no/such/program")))
      expect(attributes(span)).toMatchObject({ "process.executable.name": "program" })
      expect(attributes(span)["process.pid"]).toBeUndefined()
      expect(span?.status).toMatchObject({ _tag: "Ended", exit: { _tag: "Failure" } })
    })
  )

  it.effect("never shows a secret", () =>
    Effect.gen(function* () {
      const secret = Redacted.make("hunter2")
      const [span] = yield* traced(
        Process.exitStatus(Command.make("/bin/sh", ["-c", "exit 1", secret], { env: { PASSWORD: secret } }))
      )
      expect(attributes(span)["process.command_args"]).toEqual(["/bin/sh", "-c", "exit 1", "<redacted>"])
      const shown = JSON.stringify([attributes(span), span?.status], (_, value: unknown) =>
        typeof value === "bigint" ? String(value) : value
      )
      expect(shown).not.toContain("hunter2")
    })
  )

  it.effect("is not made where nobody traces", () =>
    Effect.gen(function* () {
      const span = yield* Effect.withSpan(Effect.andThen(Process.exitStatus(sh("true")), Effect.currentSpan), "outer")
      expect(span.name).toBe("outer")
    })
  )
})
