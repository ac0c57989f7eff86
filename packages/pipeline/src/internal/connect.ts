/**
 * Starts what a plan says, part by part: processes, and the Streams of this program between them.
 *
 * @internal
 */
import { Fd, type Nursery } from "@nursery/process"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { InvalidPipeline } from "../PipelineError.ts"
import * as File from "./file.ts"
import { check, type InProgram, type Part, plan } from "./plan.ts"
import { processes } from "./processes.ts"
import { Run } from "./run.ts"
import { asBytes, counted, type Safe, safe } from "./safe.ts"
import { traced } from "./sight.ts"
import type { Destination, Elements, ProgramSpec, Source, Spec, TeeSpec } from "./spec.ts"
import * as Split from "./split.ts"
import type { Stage } from "./stage.ts"

export interface Opened {
  readonly run: Run
  /** What comes out at the end, where that is this program. */
  readonly output: Safe | undefined
}

/** Starts a pipeline in the scope of the caller, whose close ends all of it. */
export const open = (
  spec: Spec,
  destination: Destination
): Effect.Effect<Opened, InvalidPipeline, Nursery.Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const problem = check(spec)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const run = new Run(spec, yield* Effect.context<never>(), yield* Clock.Clock)
    yield* Effect.addFinalizer(() => run.shutdown)
    if (spec.timeLimit !== undefined) yield* run.limit(Duration.fromInputUnsafe(spec.timeLimit))
    const output = yield* Effect.raceFirst(
      connect(run, spec, destination, run.processes),
      Effect.as(Deferred.await(run.failed), Stream.never)
    )
    return { run, output }
  })

/** Starts a pipeline, which may be a part of another one: `reader` is what reads it there, and `branch` what it reads. */
const connect = (
  run: Run,
  spec: Spec,
  destination: Destination,
  parent: Scope.Scope,
  reader?: Stage,
  branch?: Safe
): Effect.Effect<Safe | undefined, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    const { parts, source } = plan(spec, destination)
    connectReaders(run, spec, destination, reader)
    let current: Safe | undefined = branch ?? (yield* sourceStream(run, source, parts[0], parent, spec, reader))
    let before: Stage | undefined
    for (const part of parts) {
      if (part._tag === "InProgram") current = yield* inProgram(run, part, current ?? Stream.empty, before, parent)
      else current = yield* processes(run, part, current, before, parent, connect)
      before = run.stage(part.stages.at(-1)?.name ?? "")
    }
    if (current === undefined) return undefined
    const output = counted(current, before?.out)
    if (destination._tag === "Program") return output
    yield* run.task(destination._tag === "AsIs" ? Stream.runDrain(output) : into(run, output, sinkOf(destination)))
    return undefined
  })

/** Each stage is read by the next one, and the last one by whoever has this pipeline as a part. */
const connectReaders = (run: Run, { stages }: Spec, destination: Destination, reader: Stage | undefined): void => {
  for (const [index, { _tag, name }] of stages.entries()) {
    const stage = run.stage(name)
    const next = stages[index + 1]
    stage.reader = next === undefined ? reader?.name : next.name
    // Of what the kernel joins nobody knows whether the reader has ended before.
    const isJoined = next === undefined ? reader !== undefined && destination._tag === "Fd" : next._tag === "Process"
    stage.isCut = _tag === "Process" && isJoined
  }
}

const into = (run: Run, stream: Safe, sink: Sink.Sink<unknown, Uint8Array, unknown, unknown>): Effect.Effect<void> =>
  Effect.asVoid(Effect.catchCause(Stream.run(asBytes(stream), sink), (cause) => run.failOther(cause)))

/** What this program reads itself: not what the first process is given. */
const sourceStream = (
  run: Run,
  source: Source,
  first: Part | undefined,
  parent: Scope.Scope,
  spec: Spec,
  reader: Stage | undefined
): Effect.Effect<Safe | undefined, never, Nursery.Nursery> => {
  const isGiven = first?._tag === "Processes"
  const read = (stream: Elements) => safe(run, stream, (cause) => run.failOther(cause))
  switch (source._tag) {
    case "Stream":
      return Effect.sync(() => read(source.stream))
    case "File":
      return isGiven ? Effect.undefined : Effect.sync(() => read(File.read(source.file)))
    case "Fd":
      return isGiven ? Effect.undefined : Effect.sync(() => read(readable(source.fd)))
    case "Merge": {
      const next = spec.stages[0]
      const after = next === undefined ? reader : run.stage(next.name)
      const inputs = Effect.forEach(source.inputs, (input) => connect(run, input, program, parent, after))
      return Effect.map(inputs, (streams) =>
        Split.merge(
          streams.map((stream) => stream ?? Stream.empty),
          source.order
        )
      )
    }
    case "Branch":
    case "Command":
      return Effect.undefined
  }
}

const program: Destination = { _tag: "Program" }

// Sockets that listen and sockets of datagrams are not in the types of the public functions.
const readable = (fd: Fd.Fd<"readable" | "duplex">): Elements => Fd.readable(fd as Parameters<typeof Fd.readable>[0])
const writable = (fd: Fd.Fd<"writable" | "duplex">) => Fd.writable(fd as Parameters<typeof Fd.writable>[0])

const sinkOf = (
  to: Extract<Destination, { readonly _tag: "File" | "Fd" }>
): Sink.Sink<void, Uint8Array, never, unknown> => (to._tag === "File" ? File.write(to.file) : writable(to.fd))

const inProgram = (
  run: Run,
  part: InProgram,
  input: Safe,
  before: Stage | undefined,
  parent: Scope.Scope
): Effect.Effect<Safe, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    let current = input
    let last = before
    for (const spec of part.stages) {
      const stage = run.stage(spec.name)
      run.started(stage)
      const output = yield* traced(stage, stageStream(run, stage, spec, counted(current, last?.out, stage.in), parent))
      current = Stream.ensuring(
        safe(run, output, (cause) => run.failStage(stage, cause)),
        Effect.sync(() => run.ended(stage, "good"))
      )
      last = stage
    }
    return current
  })

const stageStream = (
  run: Run,
  stage: Stage,
  spec: ProgramSpec,
  input: Safe,
  parent: Scope.Scope
): Effect.Effect<Elements, never, Nursery.Nursery> => {
  switch (spec._tag) {
    case "Typed":
      return Effect.sync(() => spec.transform(input))
    case "Tee":
      return Effect.flatMap(Split.tee(run, input), ([main, copy]) =>
        Effect.as(copyTo(run, stage, spec, copy, parent), main)
      )
    case "FanOut":
      return Effect.gen(function* () {
        const shares = yield* Split.fanOut(run, stage, input, spec.branches.length, spec.by)
        const outputs = yield* Effect.forEach(spec.branches, (branch, index) =>
          connect(run, branch, program, parent, stage, shares[index] ?? Stream.empty)
        )
        return Split.merge(
          outputs.map((output) => output ?? Stream.empty),
          "arrival"
        )
      })
  }
}

/** A copy that nobody reads any further ends by itself. */
const copyTo = (
  run: Run,
  stage: Stage,
  { to }: TeeSpec,
  copy: Safe,
  parent: Scope.Scope
): Effect.Effect<void, never, Nursery.Nursery> => {
  if (to._tag === "Branch") return Effect.asVoid(connect(run, to.spec, { _tag: "AsIs" }, parent, undefined, copy))
  const sink = to._tag === "Sink" ? to.sink : sinkOf(to)
  const write = Stream.run(asBytes(copy), withServices(sink)).pipe(Effect.provideContext(run.context))
  return run.task(Effect.asVoid(Effect.catchCause(write, (cause) => run.failStage(stage, cause))))
}

// What the Sink takes is what passes, and what it requires is in the type of the pipeline.
const withServices = (sink: Sink.Sink<unknown, never, unknown, unknown, unknown>) =>
  sink as Sink.Sink<unknown, Uint8Array, unknown, unknown>
