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
import { type Place, processes } from "./processes.ts"
import { Run } from "./run.ts"
import { asBytes, counted, nothing, type Outflow, outflow, type Safe, safe, withServices } from "./safe.ts"
import { traced } from "./sight.ts"
import {
  allStages,
  type Branch,
  type Destination,
  type Elements,
  type ProgramSpec,
  type Source,
  type Spec,
  type TeeSpec
} from "./spec.ts"
import * as Split from "./split.ts"
import type { Stage } from "./stage.ts"

export interface Opened {
  readonly run: Run
  /** What comes out at the end, where that is this program. */
  readonly output: Outflow | undefined
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
    const output = yield* Effect.raceFirst(
      connect(run, spec, destination, { parent: run.processes, reader: undefined, branches: new Map() }),
      Effect.as(Deferred.await(run.failed), outflow(Stream.never))
    )
    return { run, output }
  })

/** Starts a pipeline, which may be a part of another one. */
const connect = (
  run: Run,
  spec: Spec,
  destination: Destination,
  place: Place
): Effect.Effect<Outflow | undefined, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    const { parts, source } = plan(spec, destination)
    const limited = yield* limit(run, spec)
    connectReaders(run, spec, destination, place.reader)
    let current = yield* sourceOf(run, source, parts[0], spec, place)
    let before: Stage | undefined
    for (const part of parts) {
      if (part._tag === "InProgram") current = yield* inProgram(run, part, current ?? nothing, before, place)
      else current = yield* processes(run, part, current, before, place, connect)
      before = run.stage(part.stages.at(-1)?.name ?? "")
    }
    // What the last process writes goes elsewhere.
    if (current === undefined) return destination._tag === "Program" ? nothing : undefined
    const { giveUp } = current
    const stream = limited(counted(current.stream, before?.out))
    if (destination._tag === "Program") {
      return { stream, giveUp: Effect.suspend(() => (before?.out.isRead === true ? Effect.void : giveUp)) }
    }
    yield* run.task(destination._tag === "AsIs" ? Stream.runDrain(stream) : into(run, stream, sinkOf(destination)))
    return undefined
  })

/** Begins the time limit of a pipeline; what comes out of it is to be looked at, for whether all of that has come in time. */
const limit = (run: Run, spec: Spec): Effect.Effect<(stream: Safe) => Safe> => {
  if (spec.timeLimit === undefined) return Effect.succeed((stream) => stream)
  const stages = allStages(spec).map(({ name }) => run.stage(name))
  let isRead = stages.length > 0
  const isDone = () => spec !== run.spec && isRead && stages.every(({ ended }) => ended !== undefined)
  const read = Effect.sync(() => {
    isRead = true
  })
  return Effect.as(run.limit(Duration.fromInputUnsafe(spec.timeLimit), isDone), (stream) =>
    Stream.ensuring(stream, read)
  )
}

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
const sourceOf = (
  run: Run,
  source: Source,
  first: Part | undefined,
  spec: Spec,
  place: Place
): Effect.Effect<Outflow | undefined, never, Nursery.Nursery> => {
  const isGiven = first?._tag === "Processes"
  const read = (stream: Elements) => outflow(safe(run, stream, (cause) => run.failOther(cause)))
  switch (source._tag) {
    case "Stream":
      return Effect.sync(() => read(source.stream))
    case "File":
      return isGiven ? Effect.undefined : Effect.sync(() => read(File.read(source.file)))
    case "Fd":
      return isGiven ? Effect.undefined : Effect.sync(() => read(readable(source.fd)))
    case "Merge": {
      const next = spec.stages[0]
      const reader = next === undefined ? place.reader : run.stage(next.name)
      const inputs = Effect.forEach(source.inputs, (input) => connect(run, input, program, { ...place, reader }))
      return Effect.map(inputs, (outflows) => Split.merge(outflows, source.order))
    }
    case "Branch":
      return Effect.sync(() => place.branches.get(source))
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
  input: Outflow,
  before: Stage | undefined,
  place: Place
): Effect.Effect<Outflow, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    let current = input
    let last = before
    for (const spec of part.stages) {
      const stage = run.stage(spec.name)
      run.started(stage)
      const { giveUp, stream } = current
      const output = yield* traced(stage, stageOutflow(run, stage, spec, counted(stream, last?.out, stage.in), place))
      const end = Effect.suspend(() => {
        run.ended(stage, "good")
        return Effect.andThen(output.giveUp, stage.in.isRead ? Effect.void : giveUp)
      })
      const failing = safe(run, output.stream, (cause) => run.failStage(stage, cause))
      current = { stream: Stream.ensuring(failing, end), giveUp: end }
      last = stage
    }
    return current
  })

/** What a stage makes of its input, before it is known what it fails with. */
interface StageOutflow {
  readonly stream: Elements
  readonly giveUp: Effect.Effect<void>
}

const stageOutflow = (
  run: Run,
  stage: Stage,
  spec: ProgramSpec,
  input: Safe,
  place: Place
): Effect.Effect<StageOutflow, never, Nursery.Nursery> => {
  switch (spec._tag) {
    case "Typed":
      return Effect.sync(() => ({ stream: spec.transform(input), giveUp: Effect.void }))
    case "Tee":
      return Effect.flatMap(Split.tee(run, input), ([main, copy]) =>
        Effect.as(copyTo(run, stage, spec, copy, place), main)
      )
    case "FanOut":
      return Effect.gen(function* () {
        const { joined, shares } = yield* Split.fanOut(run, stage, input, spec.branches.length, spec.by)
        const outputs = yield* Effect.forEach(spec.branches, (branch, index) =>
          connect(run, branch.spec, program, { ...inside(place, branch, shares[index]), reader: stage })
        )
        return joined(Split.merge(outputs, "arrival"))
      })
  }
}

/** Where a branch of a stage is connected, and what it reads there. */
const inside = (place: Place, { input }: Branch, share: Outflow = nothing): Place => ({
  ...place,
  reader: undefined,
  branches: new Map(place.branches).set(input, share)
})

/** A copy that nobody reads any further ends by itself. */
const copyTo = (
  run: Run,
  stage: Stage,
  { to }: TeeSpec,
  copy: Outflow,
  place: Place
): Effect.Effect<void, never, Nursery.Nursery> => {
  if (to._tag === "Branch") return Effect.asVoid(connect(run, to.spec, { _tag: "AsIs" }, inside(place, to, copy)))
  const sink = to._tag === "Sink" ? to.sink : sinkOf(to)
  const write = Stream.run(copy.stream, withServices(sink)).pipe(
    Effect.provideContext(run.context),
    Effect.andThen(copy.giveUp)
  )
  return run.task(Effect.asVoid(Effect.catchCause(write, (cause) => run.failStage(stage, cause))))
}
