/**
 * The processes of a pipeline: started on pipes of the kernel, fed, watched and read.
 *
 * @internal
 */
import {
  Command,
  type ExitError,
  Fd,
  type KeeperLost,
  Nursery,
  Process,
  ResourcesExhausted,
  SpawnError,
  type StreamError
} from "@nursery/process"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Processes } from "./plan.ts"
import type { Run } from "./run.ts"
import { asBytes, type Bytes, counted, held, nothing, type Outflow, outflow, type Safe } from "./safe.ts"
import { traced } from "./sight.ts"
import type { BranchInput, Destination, ProcessSpec, Spec } from "./spec.ts"
import type { Stage } from "./stage.ts"
import { isBrokenPipe } from "./verdict.ts"

/** What the next process reads. */
type Link =
  | { readonly _tag: "Command" }
  | { readonly _tag: "Given"; readonly stdin: Command.Command["stdin"] }
  | { readonly _tag: "Program"; readonly outflow: Outflow }

/** Where a pipeline is started. */
export interface Place {
  readonly parent: Scope.Scope
  /** What reads it, where it is a part of another one. */
  readonly reader: Stage | undefined
  /** What the branches around it read. */
  readonly branches: ReadonlyMap<BranchInput, Outflow>
}

/** Connects another pipeline. */
export type Connect = (
  run: Run,
  spec: Spec,
  destination: Destination,
  place: Place
) => Effect.Effect<Outflow | undefined, never, Nursery.Nursery>

/** Starts the processes of a part; gives back what the last one writes, where that comes to this program. */
export const processes = (
  run: Run,
  part: Processes,
  input: Outflow | undefined,
  before: Stage | undefined,
  place: Place,
  connect: Connect
): Effect.Effect<Outflow | undefined, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    // Simulated processes have a time of their own.
    run.isReal = (yield* Nursery.backend).now === undefined
    // What reads is closed first: the last that was added to a scope is.
    const scope = yield* Scope.fork(place.parent)
    const stages = part.stages.map(({ name }) => run.stage(name))
    const gone: Array<Deferred.Deferred<void>> = []
    let link = linkOf(part, input)
    let previous = before
    for (const [index, spec] of part.stages.entries()) {
      const stage = run.stage(spec.name)
      const isLast = index === part.stages.length - 1
      const joint = isLast ? undefined : yield* jointFor(run, stage, spec, scope)
      const command = connected(spec.command, link, joint, isLast ? part.output : program)
      const inputs = yield* inputsOf(run, stage, spec, { ...place, parent: scope, reader: stage }, connect)
      const ended = Deferred.makeUnsafe<void>()
      gone.push(ended)
      const watched = (process: Process.ProcessBase<unknown>) => watch(run, stage, spec, process, ended)
      const process = yield* traced(stage, spawn(run, stage, withInputs(command, inputs), scope, watched))
      if (link._tag === "Program") yield* run.task(pump(run, stage, link.outflow, process, previous))
      for (const { descriptor, input } of inputs) {
        if (input === undefined) continue
        yield* run.task(Effect.andThen(feed(run, stage, input.stream, endOf(process).fd(descriptor)), input.giveUp))
      }
      if (command.stderr === "pipe") yield* run.background(drain(process))
      const { stdout } = endOf(process)
      if (isLast) return command.stdout === "pipe" ? complete(run, part, stages, gone, stdout) : undefined
      link = joint === undefined ? between(failing(run, stage, stdout)) : given(joint.read)
      previous = stage
    }
    return undefined
  })

const program: Destination = { _tag: "Program" }

const given = (stdin: Command.Command["stdin"]): Link => ({ _tag: "Given", stdin })

const between = (stream: Safe): Link => ({ _tag: "Program", outflow: outflow(stream) })

const linkOf = ({ input }: Processes, from: Outflow = nothing): Link => {
  switch (input._tag) {
    case "Command":
      return input
    case "File":
      return given(input.file)
    case "Fd":
      return given(input.fd)
    case "Program":
      return { _tag: "Program", outflow: from }
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
  scope: Scope.Scope,
  watched: (process: Process.ProcessBase<unknown>) => Effect.Effect<void>
): Effect.Effect<Process.ProcessBase<unknown>, never, Nursery.Nursery> =>
  withServices(Process.spawn(command)).pipe(
    Effect.tap((process) =>
      // What is said to have started is said to have ended too.
      Effect.uninterruptible(
        Effect.suspend(() => {
          stage.pid = process.pid
          stage.usage = process.usage
          run.started(stage)
          return run.task(watched(process))
        })
      )
    ),
    Scope.provide(scope),
    Effect.catchCause((cause) => run.failStage(stage, cause))
  )

// What the Sinks of a command require is in the type of the pipeline, and so in the context of whoever runs it.
const withServices = <A, E>(effect: Effect.Effect<A, E, unknown>) =>
  effect as Effect.Effect<A, E, Nursery.Nursery | Scope.Scope>

/** A pipeline that a process reads by one of its descriptors: from a pipe of the kernel, or from this program. */
interface Connected {
  readonly descriptor: number
  readonly option: Fd.Fd<"readable"> | "pipe-in"
  readonly input: Outflow | undefined
}

const inputsOf = (
  run: Run,
  stage: Stage,
  process: ProcessSpec,
  place: Place,
  connect: Connect
): Effect.Effect<ReadonlyArray<Connected>, never, Nursery.Nursery> =>
  Effect.forEach(process.inputs, ({ descriptor, spec }) =>
    Effect.gen(function* (): Effect.fn.Return<Connected, never, Nursery.Nursery> {
      const isProcess = spec.stages.at(-1)?._tag === "Process"
      const joint = isProcess ? yield* jointFor(run, stage, process, place.parent) : undefined
      if (joint !== undefined) {
        yield* connect(run, spec, { _tag: "Fd", fd: joint.write }, place)
        return { descriptor, option: joint.read, input: undefined }
      }
      return { descriptor, option: "pipe-in", input: (yield* connect(run, spec, program, place)) ?? nothing }
    })
  )

const withInputs = (command: Command.Command, inputs: ReadonlyArray<Connected>): Command.Command => {
  if (inputs.length === 0) return command
  const fds: Record<number, Connected["option"]> = {}
  for (const { descriptor, option } of inputs) fds[descriptor] = option
  return Command.fds(command, fds)
}

/** Waits for the end of a process, and sees to it that nothing of it holds the others up. */
const watch = (
  run: Run,
  stage: Stage,
  { descendants }: ProcessSpec,
  process: Process.ProcessBase<unknown>,
  gone: Deferred.Deferred<void>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isNoted = Deferred.makeUnsafe<void>()
    run.notes(process.isRunning, isNoted)
    const result = yield* Effect.result(withError(process.success))
    if (Result.isSuccess(result)) {
      stage.exit = result.success
      run.ended(stage, "good")
    } else {
      const error = result.failure
      stage.error ??= error
      if (error._tag === "ExitError") stage.exit = { status: error.status, usage: error.usage }
      run.ended(stage, error._tag === "ExitError" && isBrokenPipe(error.status) ? "brokenPipe" : "failed")
    }
    yield* Deferred.succeed(isNoted, undefined)
    run.checkEnd()
    yield* descendants === "wait" ? process.ended : Effect.ignore(process.stop())
    yield* Deferred.succeed(gone, undefined)
  })

// No Stream is an input of the commands of a pipeline, whose failure would be one of `success`.
const withError = <A, E>(effect: Effect.Effect<A, E | unknown>) => effect as Effect.Effect<A, ExitError | KeeperLost>

/** Writes a Stream to a process. One that reads no further is no failure: what feeds it ends. */
const pump = (
  run: Run,
  stage: Stage,
  { giveUp, stream }: Outflow,
  process: Process.ProcessBase<unknown>,
  before: Stage | undefined
): Effect.Effect<void> =>
  Effect.andThen(
    feed(run, stage, counted(stream, before?.out, stage.in), endOf(process).stdin),
    Effect.suspend(() => (stage.in.isRead ? Effect.void : giveUp))
  )

const feed = (
  run: Run,
  stage: Stage,
  stream: Safe,
  sink: Sink.Sink<void, Uint8Array, never, StreamError>
): Effect.Effect<void> =>
  Effect.catchCause(Stream.run(asBytes(stream), sink), (cause) =>
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
  readonly fd: (descriptor: number) => Sink.Sink<void, Uint8Array, never, StreamError>
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
): Outflow => {
  const last = stages.at(-1)
  if (last === undefined) return nothing
  let isWhole = false
  const check = Effect.forEach(gone, (each) => Deferred.await(each), { discard: true }).pipe(
    Effect.andThen(run.checkPart(stages)),
    // Only now: a stream that is closed while somebody reads it tells that one of an end too.
    Effect.andThen(
      Effect.sync(() => {
        isWhole = true
      })
    )
  )
  const stream = Stream.concat(
    failing(run, last, isBorrowed ? Process.lend(stdout) : stdout),
    Stream.fromEffectDrain(check)
  ).pipe(
    // Closed before its end: the process is killed when it writes more.
    Stream.ensuring(
      Effect.sync(() => {
        if (!isWhole) last.isCut = true
      })
    )
  )
  let isGivenUp = false
  const giveUp = Effect.suspend(() => {
    if (isGivenUp) return Effect.void
    isGivenUp = true
    last.isCut = true
    // A stream of a process that is closed closes its pipe.
    return Effect.scoped(Effect.asVoid(Stream.toPull(stdout)))
  })
  return { stream, giveUp }
}
