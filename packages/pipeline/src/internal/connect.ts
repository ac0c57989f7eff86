/**
 * Starts what a plan says: processes on pipes of the kernel, and the Streams of this program between them.
 *
 * @internal
 */
import {
  Command,
  type ExitError,
  Fd,
  type KeeperLost,
  type Nursery,
  Process,
  ResourcesExhausted,
  SpawnError,
  type StreamError
} from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { InvalidPipeline } from "../PipelineError.ts"
import * as File from "./file.ts"
import { type Part, type Plan, plan } from "./plan.ts"
import { Run } from "./run.ts"
import type { Destination, Elements, ProcessSpec, Source, Spec, TypedSpec } from "./spec.ts"
import type { Flow, Stage } from "./stage.ts"
import { isBrokenPipe } from "./verdict.ts"

/** Bytes or records in this program. What fails is told to the run, and the stream then has no end. */
type Safe = Stream.Stream<unknown>

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
    const planned = plan(spec, destination)
    if (Result.isFailure(planned)) return yield* Effect.fail(planned.failure)
    const run = new Run(spec, yield* Effect.context<never>(), yield* Clock.Clock)
    yield* Effect.addFinalizer(() => run.shutdown)
    if (spec.timeLimit !== undefined) yield* run.limit(Duration.fromInputUnsafe(spec.timeLimit))
    const output = yield* Effect.raceFirst(
      connect(run, planned.success),
      Effect.as(Deferred.await(run.failed), Stream.never)
    )
    return { run, output }
  })

const connect = (
  run: Run,
  { destination, parts, source }: Plan
): Effect.Effect<Safe | undefined, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    let current: Safe | undefined = sourceStream(run, source, parts[0])
    let before: Stage | undefined
    for (const part of parts) {
      if (part._tag === "Typed") current = yield* typed(run, part.stages, current ?? Stream.empty, before)
      else current = yield* processes(run, part, current, before)
      before = run.stage(part.stages.at(-1)?.name ?? "")
    }
    if (current === undefined) return undefined
    const output = counted(current, before?.out)
    if (destination._tag === "Program") return output
    yield* run.task(
      destination._tag === "AsIs"
        ? Stream.runDrain(output)
        : Effect.catchCause(Stream.run(asBytes(output), sinkOf(destination)), (cause) => run.failOther(cause))
    )
    return undefined
  })

type Bytes = Stream.Stream<Uint8Array>

/** What this program reads itself: not what the first process is given. */
const sourceStream = (run: Run, source: Source, first: Part | undefined): Safe | undefined => {
  const isGiven = first?._tag === "Processes"
  switch (source._tag) {
    case "Stream":
      return safe(run, source.stream, (cause) => run.failOther(cause))
    case "File":
      return isGiven ? undefined : safe(run, File.read(source.file), (cause) => run.failOther(cause))
    case "Fd":
      return isGiven ? undefined : safe(run, readable(source.fd), (cause) => run.failOther(cause))
    case "Command":
      return undefined
  }
}

// Sockets that listen and sockets of datagrams are not in the types of the public functions.
const readable = (fd: Fd.Fd<"readable" | "duplex">): Elements => Fd.readable(fd as Parameters<typeof Fd.readable>[0])
const writable = (fd: Fd.Fd<"writable" | "duplex">) => Fd.writable(fd as Parameters<typeof Fd.writable>[0])

const sinkOf = (
  to: Extract<Destination, { readonly _tag: "File" | "Fd" }>
): Sink.Sink<void, Uint8Array, never, unknown> => (to._tag === "File" ? File.write(to.file) : writable(to.fd))

// What a pipeline of bytes carries, by its types.
const asBytes = (stream: Safe): Bytes => stream as Bytes

/** With the services of the caller. What has failed is told to the run, and stays as it is: nothing that it reads is closed. */
const safe = (run: Run, stream: Elements, onFailure: (cause: Cause.Cause<unknown>) => Effect.Effect<never>): Safe =>
  held(Stream.provideContext(stream as Stream.Stream<unknown, unknown>, run.context), onFailure)

const held = <A, E>(
  stream: Stream.Stream<A, E>,
  onFailure: (cause: Cause.Cause<E>) => Effect.Effect<never>
): Stream.Stream<A> =>
  Stream.transformPull(stream, (pull) =>
    Effect.succeed(
      Effect.catchCause(pull, (cause) => {
        const done = Pull.doneExitFromCause(cause)
        return Exit.isSuccess(done) ? Cause.done(done.value) : onFailure(done.cause)
      })
    )
  )

const counted = <A>(stream: Stream.Stream<A>, ...flows: ReadonlyArray<Flow | undefined>): Stream.Stream<A> => {
  const all = flows.filter((flow) => flow !== undefined)
  if (all.length === 0) return stream
  return Stream.mapArray(stream, (chunk) => {
    for (const flow of all) flow.add(chunk)
    return chunk
  })
}

const typed = (
  run: Run,
  specs: ReadonlyArray<TypedSpec>,
  input: Safe,
  before: Stage | undefined
): Effect.Effect<Safe> =>
  Effect.sync(() => {
    let current = input
    let last = before
    for (const spec of specs) {
      const stage = run.stage(spec.name)
      const output = spec.transform(counted(current, last?.out, stage.in))
      current = Stream.ensuring(
        safe(run, output, (cause) => run.failStage(stage, cause)),
        Effect.sync(() => run.ended(stage, "good"))
      )
      run.started(stage)
      last = stage
    }
    return current
  })

type Processes = Extract<Part, { readonly _tag: "Processes" }>

/** What the next process reads. */
type Link =
  | { readonly _tag: "Command" }
  | { readonly _tag: "Given"; readonly stdin: Command.Command["stdin"] }
  | { readonly _tag: "Program"; readonly stream: Safe }

const processes = (
  run: Run,
  part: Processes,
  input: Safe | undefined,
  before: Stage | undefined
): Effect.Effect<Safe | undefined, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    // What reads is closed first: the last that was added to a scope is.
    const scope = yield* Scope.fork(run.processes)
    const stages = part.stages.map(({ name }) => run.stage(name))
    const gone: Array<Deferred.Deferred<void>> = []
    let link = linkOf(part, input)
    let previous = before
    for (const [index, spec] of part.stages.entries()) {
      const stage = run.stage(spec.name)
      const isLast = index === part.stages.length - 1
      const joint = isLast ? undefined : yield* jointFor(run, stage, spec, scope)
      const command = connected(spec.command, link, joint, isLast ? part.output : program)
      const process = yield* spawn(run, stage, command, scope)
      const ended = Deferred.makeUnsafe<void>()
      gone.push(ended)
      yield* run.task(watch(run, stage, spec, process, ended))
      if (link._tag === "Program") yield* run.task(pump(run, stage, link.stream, process, previous))
      if (command.stderr === "pipe") yield* run.background(drain(process))
      const { stdout } = endOf(process)
      if (isLast) return command.stdout === "pipe" ? complete(run, part, stages, gone, stdout) : undefined
      link = joint === undefined ? { _tag: "Program", stream: failing(run, stage, stdout) } : given(joint.read)
      previous = stage
    }
    return undefined
  })

const program: Destination = { _tag: "Program" }

const given = (stdin: Command.Command["stdin"]): Link => ({ _tag: "Given", stdin })

const linkOf = ({ input }: Processes, stream: Safe | undefined): Link => {
  switch (input._tag) {
    case "Command":
      return input
    case "File":
      return given(input.file)
    case "Fd":
      return given(input.fd)
    case "Program":
      return { _tag: "Program", stream: stream ?? Stream.empty }
  }
}

/** What the process before it writes to, and this one reads. */
interface Joint {
  readonly read: Fd.Fd<"readable">
  readonly write: Fd.Fd<"writable">
}

/** A pipe of the kernel; `undefined` where the nursery holds none, and this program stands between the two. */
const jointFor = (
  run: Run,
  stage: Stage,
  { command }: ProcessSpec,
  scope: Scope.Scope
): Effect.Effect<Joint | undefined, never, Nursery.Nursery> =>
  Fd.pipe().pipe(
    Effect.map(({ read, write }): Joint => ({ read: Fd.give(read), write: Fd.give(write) })),
    Scope.provide(scope),
    Effect.catch((error) => {
      if (error._tag === "KeeperLost") return run.failStage(stage, Cause.fail(error))
      if (error.reason._tag === "Unsupported") return Effect.undefined
      const { errno = "EMFILE" } = error
      const reason = new ResourcesExhausted({ errno })
      const failed = new SpawnError({ reason, command: Command.display(command), step: "descriptor", errno })
      return run.failStage(stage, Cause.fail(failed))
    })
  )

const connected = (
  command: Command.Command,
  link: Link,
  joint: Joint | undefined,
  output: Destination
): Command.Command => {
  const reading =
    link._tag === "Command" ? command : Command.stdin(command, link._tag === "Given" ? link.stdin : "pipe")
  if (joint !== undefined) return Command.stdout(reading, joint.write)
  switch (output._tag) {
    case "AsIs":
      return reading
    case "Program":
      return Command.stdout(reading, "pipe")
    case "File":
      return Command.stdout(reading, output.file)
    case "Fd":
      return Command.stdout(reading, output.fd)
  }
}

const spawn = (
  run: Run,
  stage: Stage,
  command: Command.Command,
  scope: Scope.Scope
): Effect.Effect<Process.ProcessBase<unknown>, never, Nursery.Nursery> =>
  withServices(Process.spawn(command)).pipe(
    Effect.tap((process) =>
      Effect.sync(() => {
        stage.pid = process.pid
        run.started(stage)
      })
    ),
    Scope.provide(scope),
    Effect.catchCause((cause) => run.failStage(stage, cause))
  )

// What the Sinks of a command require is in the type of the pipeline, and so in the context of whoever runs it.
const withServices = <A, E>(effect: Effect.Effect<A, E, unknown>) =>
  effect as Effect.Effect<A, E, Nursery.Nursery | Scope.Scope>

/** Waits for the end of a process, and sees to it that nothing of it holds the others up. */
const watch = (
  run: Run,
  stage: Stage,
  { descendants }: ProcessSpec,
  process: Process.ProcessBase<unknown>,
  gone: Deferred.Deferred<void>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const result = yield* Effect.result(withError(process.success))
    if (Result.isSuccess(result)) {
      stage.exit = result.success
      run.ended(stage, "good")
    } else {
      const error = result.failure
      stage.error = error
      if (error._tag === "ExitError") stage.exit = { status: error.status, usage: error.usage }
      run.ended(stage, error._tag === "ExitError" && isBrokenPipe(error.status) ? "brokenPipe" : "failed")
    }
    yield* descendants === "wait" ? process.ended : Effect.ignore(process.stop())
    yield* Deferred.succeed(gone, undefined)
  })

// No Stream is an input of the commands of a pipeline, whose failure would be one of `success`.
const withError = <A, E>(effect: Effect.Effect<A, E | unknown>) => effect as Effect.Effect<A, ExitError | KeeperLost>

/** Writes a Stream to a process. One that reads no further is no failure: what feeds it ends. */
const pump = (
  run: Run,
  stage: Stage,
  stream: Safe,
  process: Process.ProcessBase<unknown>,
  before: Stage | undefined
): Effect.Effect<void> =>
  Effect.catchCause(Stream.run(asBytes(counted(stream, before?.out, stage.in)), endOf(process).stdin), (cause) =>
    isUnread(cause) ? Effect.void : run.failStage(stage, cause)
  )

const isUnread = (cause: Cause.Cause<StreamError>): boolean =>
  cause.reasons.some(
    (reason) => reason._tag === "Fail" && (reason.error.errno === "EPIPE" || reason.error.errno === "ECONNRESET")
  )

interface Ends {
  readonly stdin: Sink.Sink<void, Uint8Array, never, StreamError>
  readonly stdout: Stream.Stream<Uint8Array, StreamError>
  readonly stderr: Stream.Stream<Uint8Array, StreamError>
}

// Which of them are there follows from the command, which was connected above.
const endOf = (process: Process.ProcessBase<unknown>): Ends => {
  const ends: unknown = process
  return ends as Ends
}

/** What nobody reads is not to stand in the way of the process; the end of it is in its `ExitError`. */
const drain = (process: Process.ProcessBase<unknown>): Effect.Effect<void> =>
  Effect.ignore(Stream.runDrain(Process.lend(endOf(process).stderr)))

const failing = (run: Run, stage: Stage, stream: Stream.Stream<Uint8Array, StreamError>): Bytes =>
  held(stream, (cause) => run.failStage(stage, cause))

/** What the last process of a part writes. Its end comes when it is known that this is all that there should be. */
const complete = (
  run: Run,
  { isBorrowed }: Processes,
  stages: ReadonlyArray<Stage>,
  gone: ReadonlyArray<Deferred.Deferred<void>>,
  stdout: Stream.Stream<Uint8Array, StreamError>
): Bytes => {
  const last = stages.at(-1)
  const bytes = isBorrowed ? Process.lend(stdout) : stdout
  const check = Effect.andThen(
    Effect.forEach(gone, (each) => Deferred.await(each), { discard: true }),
    run.checkPart(stages)
  )
  return Stream.concat(last === undefined ? Stream.empty : failing(run, last, bytes), Stream.fromEffectDrain(check))
}
