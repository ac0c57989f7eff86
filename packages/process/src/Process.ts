/**
 * Running processes: children of this program, each tied to a scope.
 *
 * The scope of a process cannot close before the process, and everything that it started, has ended and been waited for. Closing
 * it is the way to end a process; waiting for its exit is the way to let it end by itself.
 *
 * {@link spawn} gives a handle on a process in a scope. The one-shots ({@link run}, {@link string}, {@link lines},
 * {@link exitStatus}, {@link through}) own their scope and are done when the process has exited.
 *
 * **Gotchas**
 *
 * - A pipe that nobody reads holds about 64 KiB; a process that writes more waits for a reader. Read it, or let the process write
 *   to `"null"`, `"inherit"` or a file. The one-shots read what they do not give back.
 * - The streams of a process end when the last holder of the pipe closes it, which may be a descendant of the process and long
 *   after its exit. They end with the scope at the latest.
 * - While a process runs, it keeps this program running.
 */
import * as ByteSize from "effect/ByteSize"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Command from "./Command.ts"
import type { ExitStatus, ProcessExit, ResourceUsage } from "./ExitStatus.ts"
import { Handle } from "./internal/process/handle.ts"
import * as oneshot from "./internal/process/oneshot.ts"
import type { Run } from "./internal/process/run.ts"
import * as service from "./internal/process/service.ts"
import * as internal from "./internal/process/spawn.ts"
import type { Nursery } from "./Nursery.ts"
import type { ExitError, KeeperLost, OutputTooLarge, SpawnError, StreamError, Unkillable } from "./ProcessError.ts"
import type * as Signal from "./Signal.ts"
import type * as Stdio from "./Stdio.ts"

export { StreamInUse } from "./internal/streams/source.ts"

/**
 * A process that a running one has started, directly or through others.
 */
export interface Descendant {
  readonly pid: number
  /** The name of its program, which the kernel cuts to 15 characters. */
  readonly name: string
  readonly parent: number
  readonly age: Duration.Duration
}

/**
 * What every process has, whatever its descriptors are connected to. `E` is the failure of the Streams that are its input.
 */
export interface ProcessBase<out E = never> {
  readonly pid: number
  readonly command: Command.Command
  /**
   * Waits for the exit. However late it is asked, the answer is the same.
   *
   * Fails with `KeeperLost` where a helper was killed and the status went with it; the process is ended then.
   */
  readonly exit: Effect.Effect<ProcessExit, KeeperLost>
  /**
   * Waits for an exit with one of the command's `successCodes`; any other is an `ExitError`. A failure of a Stream given as input
   * comes at once, before the exit.
   */
  readonly success: Effect.Effect<ProcessExit, ExitError | KeeperLost | E>
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Waits until nothing is left of the process and of all that it started.
   */
  readonly ended: Effect.Effect<void>
  /**
   * What the process has used: until now, or in all once it has ended.
   */
  readonly usage: Effect.Effect<ResourceUsage, KeeperLost>
  /**
   * Everything alive that descends from the process, parents before their children. Empty on systems without `/proc`.
   */
  readonly descendants: Effect.Effect<ReadonlyArray<Descendant>>
  /**
   * Sends a signal, to the process alone unless `to` says more, and does not wait for what comes of it. Whether there was
   * somebody to get it.
   */
  readonly signal: (
    name: Signal.Signal,
    options?: { readonly to?: Command.Reach | undefined }
  ) => Effect.Effect<boolean>
  /**
   * Ends the process by its stop policy, changed by `policy`, and waits until nothing is left of it and of all that it started.
   *
   * Fails with `Unkillable` if SIGKILL did not help within 5 seconds.
   */
  readonly stop: (policy?: Command.StopOptions) => Effect.Effect<ProcessExit, KeeperLost | Unkillable>
}

/**
 * A running process. `stdin`, `stdout`, `stderr` and `fd` are there only where the command connects them to this program.
 */
export type Process<In = unknown, Out = unknown, Err = unknown, Fds = unknown> = ProcessBase<
  Stdio.InputError<In, Fds>
> &
  Stdio.StdinProperty<In> &
  Stdio.StdoutProperty<Out> &
  Stdio.StderrProperty<Err> &
  Stdio.DescriptorProperty<Fds>

/**
 * Starts a process, tied to the scope: when that closes, the process is ended by its stop policy together with everything that it
 * started.
 *
 * **Details**
 *
 * - Returns when the program runs: the executable was found and could be executed.
 * - Fails with `SpawnError`, whose `reason` says what was wrong, and with `KeeperLost` where a helper was killed meanwhile.
 * - Interruption is possible at any point, and leaves nothing.
 * - `stdin`, `stdout`, `stderr` and `fd` are there where the command has pipes to this program. A Stream has one consumer: a second
 *   one dies of a `StreamInUse`; share it with `Stream.broadcast`. `stdin` is closed when its Sink is done.
 * - The Streams and Sinks of the command run in the background. Where the scope closes after a success, its Sinks get the time to
 *   take what was written.
 *
 * **Example** (Talking to a process)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function*() {
 *   const sort = yield* Process.spawn(Command.make("sort", [], { stdin: "pipe", stdout: "pipe" }))
 *   yield* Stream.make("pear\n", "apple\n").pipe(Stream.encodeText, Stream.run(sort.stdin))
 *   const sorted = yield* sort.stdout.pipe(Stream.decodeText, Stream.mkString)
 *   assert.equal(sorted, "apple\npear\n")
 *   yield* sort.success
 * }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
 *
 * await Effect.runPromise(program)
 * ```
 */
export const spawn = <
  In extends Stdio.Input,
  Out extends Stdio.Output,
  Err extends Stdio.Output,
  Fds extends Stdio.Descriptors
>(
  command: Command.Command<In, Out, Err, Fds>
): Effect.Effect<
  Process<In, Out, Err, Fds>,
  SpawnError | KeeperLost,
  Nursery | Scope.Scope | Stdio.Requirements<In, Out, Err, Fds>
> => Effect.map(internal.spawn(command, "none"), handleOf<In, Out, Err, Fds>)

// The properties of a handle follow from the command at run time as they do in its type: the compiler cannot see it.
const handleOf = <In, Out, Err, Fds>(run: Run): Process<In, Out, Err, Fds> => {
  const handle: unknown = new Handle(run)
  return handle as Process<In, Out, Err, Fds>
}

// The errors of the Streams that a command carries are known by its type only.
const failsWith =
  <E>() =>
  <A, R>(effect: Effect.Effect<A, unknown, R>): Effect.Effect<A, E, R> =>
    effect as Effect.Effect<A, E, R>
const streamFailsWith =
  <E>() =>
  <A, R>(stream: Stream.Stream<A, unknown, R>): Stream.Stream<A, E, R> =>
    stream as Stream.Stream<A, E, R>

/**
 * What a command may connect a stream to that a one-shot captures: it is a pipe there, whatever it says.
 */
export type Capturable = "null" | "inherit" | "pipe"

/**
 * Options of the one-shots that keep output in memory.
 */
export interface OutputOptions {
  /**
   * How much one stream may hold: 16 MiB where nothing is said. What writes more is ended, and the call fails with
   * `OutputTooLarge`.
   */
  readonly maxOutput?: ByteSize.Input | undefined
}

/**
 * What a process did and wrote. The output is read as UTF-8.
 */
export interface Output extends ProcessExit {
  readonly stdout: string
  readonly stderr: string
}

const defaultLimit = ByteSize.mebibytes(16)

const withLimit = <A, E, R>(
  options: OutputOptions | undefined,
  f: (limit: ByteSize.ByteSize) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const limit = options?.maxOutput
  return limit === undefined ? f(defaultLimit) : Effect.suspend(() => f(ByteSize.fromInputUnsafe(limit)))
}

/**
 * Runs a command to its exit, and gives back what it wrote to stdout and stderr.
 *
 * **Details**
 *
 * Fails with `ExitError` where the status is not one of the command's `successCodes`, and with `OutputTooLarge` where one of the
 * outputs is. It is done when the process has exited, also where a descendant still holds its output; what was written by then is
 * read, and the descendant is ended.
 *
 * **Example** (Both outputs of a command)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const command = Command.make("sh", ["-c", "echo result; echo warning >&2"])
 * const { stdout, stderr } = await Effect.runPromise(Effect.provide(Process.run(command), Nursery.layer))
 * assert.deepEqual([stdout, stderr], ["result\n", "warning\n"])
 * ```
 */
export const run = <In extends Stdio.Input, Fds extends Stdio.Descriptors>(
  command: Command.Command<In, Capturable, Capturable, Fds>,
  options?: OutputOptions
): Effect.Effect<
  Output,
  SpawnError | ExitError | OutputTooLarge | KeeperLost | Stdio.InputError<In, Fds>,
  Nursery | Stdio.Requirements<In, never, never, Fds>
> =>
  failsWith<SpawnError | ExitError | OutputTooLarge | KeeperLost | Stdio.InputError<In, Fds>>()(
    withLimit(options, (limit) =>
      Effect.map(oneshot.runChecked(command, "both", limit), ({ exit, stdout, stderr }) => ({
        ...exit,
        stdout,
        stderr
      }))
    )
  )

/**
 * Runs a command to its exit, and gives back what it wrote to stdout.
 *
 * **Details**
 *
 * As {@link run}, with stderr as the command says: inherited where nothing is said. Where that is `"pipe"`, it is read, and its
 * last 8 KiB are in the `ExitError`.
 *
 * **Example** (The output of a command, or a default where the program is not there)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const version = Process.string(Command.make`no-such-program --version`).pipe(
 *   Effect.catchReason("SpawnError", "ProgramNotFound", () => Effect.succeed("not installed"))
 * )
 * assert.equal(await Effect.runPromise(Effect.provide(version, Nursery.layer)), "not installed")
 * ```
 */
export const string = <In extends Stdio.Input, Err extends Stdio.Output, Fds extends Stdio.Descriptors>(
  command: Command.Command<In, Capturable, Err, Fds>,
  options?: OutputOptions
): Effect.Effect<
  string,
  SpawnError | ExitError | OutputTooLarge | KeeperLost | Stdio.InputError<In, Fds>,
  Nursery | Stdio.Requirements<In, never, Err, Fds>
> =>
  failsWith<SpawnError | ExitError | OutputTooLarge | KeeperLost | Stdio.InputError<In, Fds>>()(
    withLimit(options, (limit) => Effect.map(oneshot.runChecked(command, "stdout", limit), ({ stdout }) => stdout))
  )

/**
 * Runs a command to its exit, and gives back how it ended, whatever that is.
 *
 * **Example** (A status is data)
 *
 * ```ts
 * import { Command, ExitStatus, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const status = Process.exitStatus(Command.make("sh", ["-c", "kill -KILL $$"]))
 * const killed = ExitStatus.signaled("SIGKILL")
 * assert.deepEqual(await Effect.runPromise(Effect.provide(status, Nursery.layer)), killed)
 * ```
 */
export const exitStatus = <
  In extends Stdio.Input,
  Out extends Stdio.Output,
  Err extends Stdio.Output,
  Fds extends Stdio.Descriptors
>(
  command: Command.Command<In, Out, Err, Fds>
): Effect.Effect<
  ExitStatus,
  SpawnError | KeeperLost | Stdio.InputError<In, Fds>,
  Nursery | Stdio.Requirements<In, Out, Err, Fds>
> =>
  failsWith<SpawnError | KeeperLost | Stdio.InputError<In, Fds>>()(
    Effect.map(oneshot.run(command, "none", defaultLimit), ({ exit }) => exit.status)
  )

/**
 * The lines that a command writes to its stdout, as it writes them; after the last one the `ExitError` of an exit that is not a
 * success. The command runs while the stream is read: it waits for a reader that is slower, and is ended with it.
 *
 * **Example** (The first lines of an endless command)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const lines = Process.lines(Command.make("yes", ["again"])).pipe(Stream.take(2), Stream.runCollect)
 * assert.deepEqual(await Effect.runPromise(Effect.provide(lines, Nursery.layer)), ["again", "again"])
 * ```
 */
export const lines = <In extends Stdio.Input, Err extends Stdio.Output, Fds extends Stdio.Descriptors>(
  command: Command.Command<In, Capturable, Err, Fds>
): Stream.Stream<
  string,
  SpawnError | ExitError | StreamError | KeeperLost | Stdio.InputError<In, Fds>,
  Nursery | Stdio.Requirements<In, never, Err, Fds>
> =>
  streamFailsWith<SpawnError | ExitError | StreamError | KeeperLost | Stdio.InputError<In, Fds>>()(
    oneshot.bytes(command)
  ).pipe(Stream.decodeText, Stream.splitLines)

/**
 * Sends a stream of bytes through a command: to its stdin, and on from its stdout.
 *
 * Each side waits for the other. A failure of the stream comes out at once; an exit that is not a success comes out as `ExitError`
 * after what was written before it. A command that does not read all of its input is no failure.
 *
 * **Example** (Compressing a stream)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const there = Stream.make("some text").pipe(Stream.encodeText, Process.through(Command.make`gzip`))
 * const back = there.pipe(Process.through(Command.make`gzip -d`), Stream.decodeText, Stream.mkString)
 * assert.equal(await Effect.runPromise(Effect.provide(back, Nursery.layer)), "some text")
 * ```
 */
export const through =
  <Err extends Stdio.Output, Fds extends Stdio.Descriptors>(
    command: Command.Command<Stdio.Input, Capturable, Err, Fds>
  ) =>
  <E, R>(
    self: Stream.Stream<Uint8Array, E, R>
  ): Stream.Stream<
    Uint8Array,
    E | SpawnError | ExitError | StreamError | KeeperLost | Stdio.InputError<never, Fds>,
    R | Nursery | Stdio.Requirements<never, never, Err, Fds>
  > =>
    streamFailsWith<E | SpawnError | ExitError | StreamError | KeeperLost | Stdio.InputError<never, Fds>>()(
      oneshot.bytes(Command.stdin(command, self))
    )

/**
 * What happens to the users of a service when its process ends first.
 *
 * - `"interrupt"`: the fiber that built the layer is interrupted, and with it all that runs with the service.
 * - `"ignore"`: nothing; a service that gives on `process.ended` or `process.exit` lets them see it.
 */
export type OnEnd = "interrupt" | "ignore"

/**
 * A service whose life is a process: started with the layer, ended with it.
 *
 * `make` turns the running process into the service; the layer is there once it is done. A process that ends before that fails the
 * layer with `ExitError`, whatever its status.
 *
 * **Gotchas**
 *
 * `"interrupt"`, the default, reaches the fiber that builds the layer. That is the one that uses it for `Effect.provide` and
 * `Layer.launch` of this layer and of those that it is provided to; `Layer.mergeAll` builds each layer in a fiber of its own, so
 * provide what uses the service with this layer, or take `"ignore"`. An interrupted fiber ends: what tries again after it runs in
 * another one.
 *
 * **Example** (A server that is there while it is used)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * class Database extends Context.Service<Database, { readonly port: number }>()("app/Database") {
 *   static readonly layer = Process.layer(
 *     Database,
 *     Command.make("sh", ["-c", "echo listening on 5432; sleep 1000"], { stdout: "pipe" }),
 *     (process) =>
 *       process.stdout.pipe(
 *         Stream.decodeText,
 *         Stream.splitLines,
 *         Stream.take(1),
 *         Stream.mkString,
 *         Effect.map((line) => ({ port: Number(line.split(" ").at(-1)) }))
 *       )
 *   ).pipe(Layer.provide(Nursery.layer))
 * }
 *
 * const port = Database.use(({ port }) => Effect.succeed(port))
 * assert.equal(await Effect.runPromise(Effect.provide(port, Database.layer)), 5432)
 * ```
 */
export const layer = <
  Self,
  Shape,
  In extends Stdio.Input,
  Out extends Stdio.Output,
  Err extends Stdio.Output,
  Fds extends Stdio.Descriptors,
  E,
  R
>(
  key: Context.Key<Self, Shape>,
  command: Command.Command<In, Out, Err, Fds>,
  make: (process: Process<In, Out, Err, Fds>) => Effect.Effect<NoInfer<Shape>, E, R>,
  options?: { readonly onEnd?: OnEnd | undefined }
): Layer.Layer<
  Self,
  E | SpawnError | ExitError | KeeperLost,
  Exclude<R | Nursery | Stdio.Requirements<In, Out, Err, Fds>, Scope.Scope>
> =>
  Layer.effect(
    key,
    Effect.flatMap(internal.spawn(command, "none"), (run) =>
      service.make(run, make(handleOf<In, Out, Err, Fds>(run)), options?.onEnd ?? "interrupt")
    )
  )
