/**
 * Pipelines that are looked at while they run, as `Pipeline` gives them to users.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Pipeline } from "../Pipeline.ts"
import type { Report } from "../Report.ts"
import type { Progress } from "./progress.ts"
import * as looking from "./progress.ts"
import type { Refusal } from "./running.ts"
import * as terminal from "./terminal.ts"
import { specOf } from "./value.ts"

/**
 * A pipeline that runs.
 *
 * @category models
 */
export interface Running<out E, out Stages> {
  /** Waits for its end, and says what became of it. */
  readonly await: Effect.Effect<Report<Stages>, E>
  /** How far it has come, every so often, and once more at its end. */
  readonly progress: Stream.Stream<Progress<Stages>>
}

/**
 * Starts a pipeline as {@link run} does, for those who look on. It ends with the scope.
 *
 * **Gotchas**
 *
 * A pipeline that fails ends nothing else: who does not ask `await` is not told.
 *
 * **Example** (The last that was to be seen)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const zeros = Command.make("head", ["-c", "1000000", "/dev/zero"], { stdout: "pipe" })
 *   const { progress } = yield* Pipeline.start(Pipeline.from("zeros", zeros), { every: "100 millis" })
 *   const last = yield* Stream.runCollect(Stream.takeRight(progress, 1))
 *   assert.equal(last[0]?.stages.zeros.bytesOut, 1_000_000)
 * }).pipe(Effect.scoped)
 *
 * await Effect.runPromise(Effect.provide(program, Nursery.layer))
 * ```
 *
 * @category running
 */
export const start = <A, E, R, Stages>(
  self: Pipeline<A, E, R, Stages>,
  options?: {
    /** How often it is looked at; every second by default. */
    readonly every?: Duration.Input | undefined
  }
): Effect.Effect<Running<E, Stages>, Refusal<Stages>, R | Scope.Scope> => {
  const started: Effect.Effect<Running<unknown, unknown>, unknown, unknown> = Effect.map(
    terminal.start(specOf(self)),
    ({ result, run }) => ({ await: result, progress: looking.progress(run, options?.every ?? "1 second") })
  )
  // What it fails with and needs is known by its type only.
  return started as Effect.Effect<Running<E, Stages>, Refusal<Stages>, R | Scope.Scope>
}

const shown = (value: number | undefined, unit: "B" | "records"): string => {
  if (value === undefined) return ""
  if (unit === "records") return `${Math.round(value)} records`
  return ByteSize.format(ByteSize.bytes(Math.round(value)))
}

const lineOf = (stage: looking.StageProgress, width: number, isSlowest: boolean): string => {
  const out = [shown(stage.bytesOut, "B"), shown(stage.recordsOut, "records")].filter((text) => text !== "").join(", ")
  const rate = [shown(stage.bytesPerSecond, "B"), shown(stage.recordsPerSecond, "records")].find((text) => text !== "")
  const speed = rate === undefined || stage.state !== "running" ? "" : `${rate}/s`
  const processor =
    stage.processor === undefined || stage.state !== "running" ? "" : `${Math.round(stage.processor * 100)} %`
  const cells = [
    stage.name.padEnd(width),
    stage.state.padEnd(7),
    out.padStart(22),
    speed.padStart(18),
    processor.padStart(6)
  ]
  return `${cells.join("  ")}${isSlowest ? "  <- the others wait for this" : ""}`.trimEnd()
}

/**
 * Progress as text: a line for each stage, with what came out of it, how fast, and what it uses of a processor.
 *
 * @category showing
 */
export const formatProgress = (progress: Progress): string => {
  const stages = Object.values(progress.stages)
  const width = Math.max(...stages.map(({ name }) => name.length))
  const lines = stages.map((stage) => lineOf(stage, width, stage.name === progress.bottleneck))
  return [...lines, Duration.format(progress.elapsed)].join("\n")
}

/** Where progress is shown: a terminal, or what takes text. */
interface Screen {
  readonly isTTY?: boolean | undefined
  readonly write: (text: string) => unknown
}

/**
 * Shows the progress of a pipeline on the terminal until it ends: each look takes the place of the last one. What is no terminal gets the
 * last look only.
 *
 * @category showing
 */
export const showProgress = <E, Stages>(
  running: Running<E, Stages>,
  screen: Screen = globalThis.process.stderr
): Effect.Effect<void> =>
  Effect.suspend(() => {
    let lines = 0
    return Stream.runForEach(running.progress, (progress) =>
      Effect.sync(() => {
        if (screen.isTTY !== true && !progress.isOver) return
        const text = formatProgress(anyStages(progress))
        // Up to the first line of the last look, and all after it away.
        screen.write(`${lines === 0 ? "" : `\u001b[${lines}A\u001b[J`}${text}\n`)
        lines = text.split("\n").length
      })
    )
  })

const anyStages = <Stages>(progress: Progress<Stages>): Progress => {
  const untyped: unknown = progress
  return untyped as Progress
}
