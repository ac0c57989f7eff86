/**
 * One life of a worker: a process that is given requests until it fails, or is not needed any more.
 *
 * @internal
 */
import {
  Command,
  ExitError,
  Fd,
  type FdError,
  type KeeperLost,
  type Nursery,
  Process,
  type SpawnError,
  type StreamError
} from "@nursery/process"
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { DecodeError } from "../../CodecError.ts"
import type { WorkerCommand } from "../../WorkerPool.ts"
import {
  BadResponse,
  InputClosed,
  PoolClosed,
  RequestTimedOut,
  WorkerExited,
  WorkerFailure
} from "../../WorkerPoolError.ts"
import { type Encoder, nothing, type Spec, Unwritable } from "../codec/model.ts"
import * as run from "../codec/run.ts"
import { type Dispatcher, type Entry, type Message, Slot } from "./dispatcher.ts"

export interface WorkerPlan {
  readonly command: WorkerCommand
  readonly transport: "stdio" | "socketpair"
  readonly talk: (slot: Slot) => Talk
  /** A process runs and takes requests. */
  readonly opened: (slot: Slot) => void
  /** What becomes of requests that a worker had which has failed. */
  readonly lost: (entries: ReadonlyArray<Entry>, failure: WorkerFailure | PoolClosed) => void
}

/** What the pool and a worker say to each other. */
export interface Talk {
  /** What is written next, as soon as there is something. */
  readonly next: Effect.Effect<Bytes>
  /** Reads until the worker writes no more; fails where what it writes is no answer. */
  readonly read: (answers: Line["answers"]) => Effect.Effect<void, BadResponse>
  /** Fails when the worker takes too long. */
  readonly watch: Effect.Effect<never, RequestTimedOut> | undefined
}

/** Requests and answers that are records, one for each, in their order. */
export interface RecordsPlan {
  readonly encoder: Encoder
  readonly responses: Spec
  readonly limit: number
  readonly isBatched: boolean
  readonly timeout: Duration.Duration | undefined
  /** What becomes of a request that the format has no form for. */
  readonly unwritable: (message: Message, cause: Unwritable) => void
}

/** What a life ends with. */
export type LifeFailure = WorkerFailure | SpawnError | FdError | KeeperLost | StreamError

export type Bytes = Arr.NonEmptyReadonlyArray<Uint8Array>

/** A worker that runs, and what it answers. Its requests are being written. */
interface Line {
  readonly process: Process.ProcessBase<unknown>
  readonly answers: Stream.Stream<Uint8Array, unknown>
  /** Done when nothing can be written any more. */
  readonly unwritable: Effect.Effect<void>
}

type Writer = Sink.Sink<void, Uint8Array, unknown, FdError | KeeperLost | StreamError>

/** The stderr of a process whose command has a pipe there: the last of it is kept for the error of its exit. */
const drain = (process: object): Effect.Effect<void, never, Scope.Scope> => {
  const { stderr }: { readonly stderr?: Stream.Stream<Uint8Array, unknown> } = process
  return stderr === undefined
    ? Effect.void
    : Effect.asVoid(Effect.forkScoped(Effect.ignore(Stream.runDrain(Process.lend(stderr)))))
}

/** Writes in the background whatever there is to write, and returns when it can be written. */
const writing = (
  next: Effect.Effect<Bytes>,
  requests: Writer
): Effect.Effect<Line["unwritable"], FdError | KeeperLost | StreamError, Scope.Scope> =>
  Effect.gen(function* () {
    const opened = Deferred.makeUnsafe<void, FdError | KeeperLost | StreamError>()
    // It is asked for the first time when what it writes to is open.
    const source = Stream.fromPull(Effect.succeed(Effect.andThen(Deferred.succeed(opened, undefined), next)))
    const fiber = yield* Stream.run(source, requests).pipe(
      Effect.catch((error) => Deferred.fail(opened, error)),
      Effect.forkScoped({ startImmediately: true })
    )
    yield* Deferred.await(opened)
    return Effect.asVoid(Fiber.await(fiber))
  })

const spawn = (
  plan: WorkerPlan,
  next: Effect.Effect<Bytes>
): Effect.Effect<Line, LifeFailure, Nursery.Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const { command } = plan
    if (plan.transport === "stdio") {
      const process = yield* Process.spawn(Command.stdout(Command.stdin(command, "pipe"), "pipe"))
      return { process, answers: process.stdout, unwritable: yield* writing(next, process.stdin) }
    }
    const [ours, theirs] = yield* Fd.socketpair()
    // This end is opened before the process gets the other one: later it could not be.
    const unwritable = yield* writing(next, Fd.writable(ours))
    const process = yield* Process.spawn(Command.fds(command, { ...command.fds, 3: Fd.give(theirs) }))
    return { process, answers: Fd.readable(ours), unwritable }
  })

const singleOf = (message: Message): unknown => message[0]?.encoded

/** The values of a list: JSON would have `null` there for those that it has no form for. */
const listOf = (message: Message, index: number): ReadonlyArray<unknown> =>
  message.map(({ encoded }) => {
    if (encoded !== undefined && typeof encoded !== "function" && typeof encoded !== "symbol") return encoded
    throw new Unwritable(index, `${typeof encoded} has no form in JSON`)
  })

/** The bytes of messages, and those of them that have a form. */
const write = (staged: ReadonlyArray<Message>, plan: RecordsPlan): readonly [Uint8Array, ReadonlyArray<Message>] => {
  let messages = staged
  while (messages.length > 0) {
    try {
      return [plan.encoder.write(messages.map(plan.isBatched ? listOf : singleOf)), messages]
    } catch (cause) {
      if (!(cause instanceof Unwritable)) throw cause
      const { index } = cause
      const bad = messages[index] ?? []
      const good = bad.length === 1 ? [] : bad.filter((entry) => isWritable([entry], plan))
      if (bad.length === 1) plan.unwritable(bad, cause)
      messages = messages.flatMap((message, each) => (each !== index ? [message] : good.length > 0 ? [good] : []))
    }
  }
  return [nothing, messages]
}

/** Whether a request of a list has a form. */
const isWritable = (message: Message, plan: RecordsPlan): boolean => write([message], plan)[1].length > 0

/** What the writer sends next, as soon as `take` gives something: it is asked again whenever the worker is given something to say. */
export const nextBytes = (slot: Slot, take: () => Bytes | undefined): Effect.Effect<Bytes> =>
  Effect.callback((resume) => {
    const check = (): void => {
      slot.wake = check
      const bytes = take()
      if (bytes === undefined) return
      slot.wake = undefined
      resume(Effect.succeed(bytes))
    }
    check()
    return Effect.sync(() => {
      slot.wake = undefined
    })
  })

/** Waits until the worker has a request. */
export const untilBusy = (slot: Slot): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (slot.sent.size > 0) resume(Effect.void)
    else slot.onBusy = () => resume(Effect.void)
  })

/** The staged requests as bytes, if any of them has a form. */
const takeStaged = (dispatcher: Dispatcher, slot: Slot, plan: RecordsPlan): Bytes | undefined => {
  if (slot.staged.length === 0) return undefined
  const [bytes, messages] = write(dispatcher.unstage(slot), plan)
  dispatcher.sent(slot, messages)
  return messages.length === 0 ? undefined : [bytes]
}

const ended = Symbol("ended")

const bad = (problem: string, error?: DecodeError): BadResponse =>
  new BadResponse({
    problem: `${problem}: an answer is one record for each request, in their order, and nothing else`,
    ...(error === undefined ? {} : { error })
  })

/** Reads answers until the worker writes no more; fails where one is none. */
const read = (
  dispatcher: Dispatcher,
  slot: Slot,
  plan: RecordsPlan,
  answers: Line["answers"]
): Effect.Effect<void, BadResponse> =>
  // What is kept of a chunk is copied.
  Process.lend(answers).pipe(
    // The end of what can be read is the end of the worker, whatever it is. The beginning of an answer is none, though it may look
    // like one: it has to be complete, and not only at its end.
    Stream.catchCause(() => Stream.empty),
    Stream.concat(Stream.fail(ended)),
    Stream.pipeThroughChannel(run.decode(plan.responses, { limit: plan.limit, deadLetters: undefined })),
    Stream.runForEachArray((values) => {
      const problem = dispatcher.answered(slot, values)
      return problem === undefined ? Effect.void : Effect.fail(bad(problem))
    }),
    Effect.catch((error) => {
      if (error === ended) return Effect.void
      if (error instanceof BadResponse) return Effect.fail(error)
      if (error instanceof DecodeError) return Effect.fail(bad(error.message, error))
      return Effect.fail(bad(error instanceof Error ? error.message : String(error)))
    }),
    withServices
  )

// What the Schema of the answers needs is in the type of `WorkerPool.make`, whose context workers run in.
const withServices = <A, E>(effect: Effect.Effect<A, E, unknown>): Effect.Effect<A, E> => effect as Effect.Effect<A, E>

/** Fails when a request has been the worker's next for too long. */
const watch = (slot: Slot, limit: Duration.Duration): Effect.Effect<never, RequestTimedOut> =>
  Effect.gen(function* () {
    while (true) {
      yield* untilBusy(slot)
      const left = slot.since + Duration.toMillis(limit) - (yield* Clock.currentTimeMillis)
      if (left > 0) yield* Effect.sleep(left)
      else if (slot.sent.size > 0) return yield* new RequestTimedOut({ limit })
    }
  })

export const records =
  (dispatcher: Dispatcher, plan: RecordsPlan): WorkerPlan["talk"] =>
  (slot) => ({
    next: nextBytes(slot, () => takeStaged(dispatcher, slot, plan)),
    read: (answers) => read(dispatcher, slot, plan, answers),
    watch: plan.timeout === undefined ? undefined : watch(slot, plan.timeout)
  })

// Who closes its input at its end is gone in this time, and then that is what is told.
const deafTime = Duration.seconds(1)

/** Fails when the worker has closed its input and lives on: what it is asked would wait for ever. */
const listen = (slot: Slot, { process, unwritable }: Line): Effect.Effect<never, InputClosed> =>
  Effect.gen(function* () {
    yield* unwritable
    // It gets nothing more.
    slot.isRetiring = true
    const gone = Effect.andThen(Effect.ignore(process.exit), Effect.never)
    yield* Effect.raceFirst(Effect.sleep(deafTime), gone)
    return yield* new InputClosed()
  })

/** How a process has ended that writes no more, or that is not to go on. */
const end = (
  process: Process.ProcessBase<unknown>,
  failure: BadResponse | InputClosed | RequestTimedOut | undefined
): Effect.Effect<never, WorkerFailure> =>
  Effect.gen(function* () {
    const { status } = yield* process.stop(failure === undefined ? undefined : { signal: "SIGKILL" })
    if (failure !== undefined) return yield* failure
    const stderr = yield* process.success.pipe(
      Effect.as(""),
      Effect.catch((error) => Effect.succeed(error instanceof ExitError ? error.stderr : ""))
    )
    return yield* new WorkerExited({ status, stderr })
  })

const isWorkerFailure = Schema.is(WorkerFailure)

/** What became of the requests of a life that did not end by itself. */
const failureOf = (cause: Cause.Cause<LifeFailure>): WorkerFailure | PoolClosed => {
  const [reason] = cause.reasons
  if (reason?._tag === "Fail" && isWorkerFailure(reason.error)) return reason.error
  if (reason?._tag === "Die")
    return new BadResponse({ problem: `reading the answers failed: ${String(reason.defect)}` })
  return new PoolClosed({ problem: "the pool of workers has been closed" })
}

/** Never succeeds: a worker that is not needed any more is interrupted. */
export const life = (
  dispatcher: Dispatcher,
  key: string,
  plan: WorkerPlan
): Effect.Effect<never, LifeFailure, Nursery.Nursery | Scope.Scope> =>
  Effect.suspend(() => {
    const slot = new Slot(key)
    return Effect.onExit(serve(dispatcher, slot, plan), (exit) =>
      Effect.sync(() => {
        const entries = dispatcher.closed(slot)
        if (entries.length > 0 && Exit.isFailure(exit)) plan.lost(entries, failureOf(exit.cause))
      })
    )
  })

const serve = (
  dispatcher: Dispatcher,
  slot: Slot,
  plan: WorkerPlan
): Effect.Effect<never, LifeFailure, Nursery.Nursery | Scope.Scope> =>
  Effect.gen(function* () {
    const talk = plan.talk(slot)
    const line = yield* spawn(plan, talk.next)
    const { answers, process } = line
    if (plan.command.stderr === "pipe") yield* drain(process)
    // Those that it leaves behind could hold its output open.
    yield* process.exit.pipe(Effect.andThen(process.stop()), Effect.ignore, Effect.forkScoped)
    dispatcher.opened(slot)
    plan.opened(slot)
    const listening = listen(slot, line)
    const watching = talk.watch === undefined ? listening : Effect.raceFirst(listening, talk.watch)
    return yield* Effect.matchEffect(Effect.raceFirst(talk.read(answers), watching), {
      onSuccess: () => end(process, undefined),
      onFailure: (failure) => end(process, failure)
    })
  })
