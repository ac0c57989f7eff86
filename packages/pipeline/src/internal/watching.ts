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

const size = (bytes: number): string => ByteSize.format(ByteSize.bytes(Math.round(bytes)))
const records = (count: number): string => `${Math.round(count)} records`

const shown = (value: number | undefined, format: (value: number) => string): string =>
  value === undefined ? "" : format(value)

/** What came out of a stage; of what nobody counts about how much, as a sign before it says. */
const outputOf = ({ bytesOut, recordsOut, transferred }: looking.StageProgress): string => {
  const counted = [shown(bytesOut, size), shown(recordsOut, records)].filter((text) => text !== "").join(", ")
  return counted === "" && transferred !== undefined ? `~${size(transferred.written)}` : counted
}

const speedOf = ({ bytesPerSecond, recordsPerSecond, transferred }: looking.StageProgress): string => {
  const counted = shown(bytesPerSecond, size) || shown(recordsPerSecond, records)
  if (counted !== "") return `${counted}/s`
  return transferred === undefined ? "" : `~${size(transferred.writtenPerSecond)}/s`
}

/** A short time to the tenth of a second, a longer one to the second. */
const timeOf = (duration: Duration.Duration): string => {
  const seconds = Duration.toSeconds(duration)
  return seconds < 60 ? `${seconds.toFixed(1)} s` : Duration.format(Duration.seconds(Math.round(seconds)))
}

const lineOf = (stage: looking.StageProgress, width: number, isSlowest: boolean): string => {
  const isRunning = stage.state === "running"
  const processor = isRunning
    ? shown(stage.processor, (part) => `${Math.round(part * 100)} %`)
    : stage.processorTime === undefined
      ? ""
      : timeOf(stage.processorTime)
  const cells = [
    stage.name.padEnd(width),
    (stage.outcome ?? stage.state).padEnd(9),
    outputOf(stage).padStart(16),
    (isRunning ? speedOf(stage) : "").padStart(15),
    processor.padStart(6)
  ]
  return `${cells.join("  ")}${isSlowest ? "  <- slowest" : ""}`.trimEnd()
}

/**
 * Progress as text: a line for each stage, with what came out of it, how fast, and what it uses of a processor, or has used when it has ended;
 * then the time. A `~` is before what nobody counts: what the process has written, to anything. The stage that the others wait for is marked.
 *
 * **Example** (Two processes that the kernel joins)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const program = Effect.gen(function* () {
 *   const pack = Pipeline.from("zeros", Command.make("head", ["-c", "20000000", "/dev/zero"])).pipe(
 *     Pipeline.process("gzip", Command.make("gzip", [], { stdout: "null" }))
 *   )
 *   const { progress } = yield* Pipeline.start(pack, { every: "100 millis" })
 *   yield* Stream.runForEach(progress, (look) => Effect.log(`\n${Pipeline.formatProgress(look)}`))
 * }).pipe(Effect.scoped)
 *
 * await Effect.runPromise(Effect.provide(program, Nursery.layer))
 * ```
 *
 * @category showing
 */
export const formatProgress = (progress: Progress): string => {
  const stages = Object.values(progress.stages)
  const width = Math.max(0, ...stages.map(({ name }) => name.length))
  const lines = stages.map((stage) => lineOf(stage, width, stage.name === progress.bottleneck))
  return [...lines, timeOf(progress.elapsed)].join("\n")
}

/** Where progress is shown: a terminal, or what takes text. */
interface Screen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly write: (text: string) => unknown
}

/** As much of it as fits: a line that the terminal breaks in two, or one above its first, could not be written over. */
const fitting = (text: string, screen: Screen): ReadonlyArray<string> => {
  // A terminal that nobody has given a size says 0.
  const columns = screen.columns || 80
  const rows = screen.rows || 24
  const lines = text.split("\n")
  const isTooHigh = lines.length > rows - 1
  const kept = isTooHigh ? [...lines.slice(0, Math.max(0, rows - 3)), "...", lines.at(-1) ?? ""] : lines
  return kept.map((line) => line.slice(0, Math.max(0, columns - 1)))
}

/**
 * Shows the progress of a pipeline on the terminal until it ends: each look takes the place of the last one. What is no terminal gets the
 * last look only, and as it is.
 *
 * **Gotchas**
 *
 * What the processes of the pipeline write to the same terminal is written in between, and over.
 *
 * **Example** (On the terminal while it runs)
 *
 * ```ts
 * import { Pipeline } from "@nursery/pipeline"
 * import { Command, Nursery } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const zeros = Command.make("head", ["-c", "1000000", "/dev/zero"], { stdout: "null" })
 *   const running = yield* Pipeline.start(Pipeline.from("zeros", zeros))
 *   yield* Pipeline.showProgress(running) // done when the pipeline is
 *   yield* running.await // what became of it
 * }).pipe(Effect.scoped)
 *
 * await Effect.runPromise(Effect.provide(program, Nursery.layer))
 * ```
 *
 * @category showing
 */
export const showProgress = <E, Stages>(
  running: Running<E, Stages>,
  screen: Screen = globalThis.process.stderr
): Effect.Effect<void> =>
  Effect.suspend(() => {
    let height = 0
    return Stream.runForEach(running.progress, (progress) =>
      Effect.sync(() => {
        const text = formatProgress(anyStages(progress))
        if (screen.isTTY !== true) {
          if (progress.isOver) screen.write(`${text}\n`)
          return
        }
        const lines = fitting(text, screen)
        // Up to the first line of the last look, and all after it away.
        screen.write(`${height === 0 ? "" : `\u001b[${height}A\u001b[J`}${lines.join("\n")}\n`)
        height = lines.length
      })
    )
  })

const anyStages = <Stages>(progress: Progress<Stages>): Progress => {
  const untyped: unknown = progress
  return untyped as Progress
}
