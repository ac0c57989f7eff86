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
import type * as ByteSize from "effect/ByteSize"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Command from "./Command.ts"
import type { ProcessExit, ResourceUsage } from "./ExitStatus.ts"
import { Handle } from "./internal/process/handle.ts"
import type { Run } from "./internal/process/run.ts"
import * as service from "./internal/process/service.ts"
import * as internal from "./internal/process/spawn.ts"
import { lend as lendChunks } from "./internal/streams/source.ts"
import type { Nursery } from "./Nursery.ts"
import type { ExitError, KeeperLost, SpawnError, Unkillable, UsageHidden } from "./ProcessError.ts"
import type * as Signal from "./Signal.ts"
import type * as Stdio from "./Stdio.ts"

export type { Capturable, Output, OutputOptions } from "./internal/process/oneshots.ts"
export { exitStatus, lines, run, string, through } from "./internal/process/oneshots.ts"
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
 * What a process and everything that descends from it use at one moment.
 *
 * **Gotchas**
 *
 * Of what has ended meanwhile only those are counted whose parent, being counted itself, has waited for them. To know what a whole tree
 * has used in its life takes `containment: "cgroup"`.
 */
export interface TreeUsage {
  /**
   * By what it was found out: `"cgroup"`, with that containment: times and bytes from the beginning on, of what has ended too, the memory
   * of all counted once, as far as the kernel has the controllers for it; `"proc"`, the sum over the processes in `/proc`; `"exit"`, the process has exited and this is what it has
   * used; `"other"`, a backend that knows of the process alone, such as a simulation.
   */
  readonly source: "cgroup" | "proc" | "exit" | "other"
  /** How many are alive; 0 of a process that has exited, whatever is left of its tree. */
  readonly processes: number
  readonly threads: number
  /** Processor time spent in the programs themselves. */
  readonly userTime: Duration.Duration
  /** Processor time spent in the kernel for them. */
  readonly systemTime: Duration.Duration
  /** What is resident now. Memory that several of them share, programs and libraries too, counts for each. */
  readonly memory: ByteSize.ByteSize
  /** Bytes that had to be fetched from a disk. */
  readonly bytesRead: ByteSize.ByteSize
  /** Bytes that were to be written to a disk, when the cache has done so. */
  readonly bytesWritten: ByteSize.ByteSize
  /** Of how many processes the bytes are not known: `/proc/<pid>/io` is for those who may trace the process. */
  readonly hidden: number
}

/**
 * How long somebody had to wait for something: the part of the last 10 seconds, one and five minutes, in percent, and in all.
 */
export interface PressureTime {
  readonly avg10: number
  readonly avg60: number
  readonly avg300: number
  readonly total: Duration.Duration
}

/**
 * `some`: at least one of the processes had to wait; `full`: all that were not idle had to. Some kernels do not tell `full` of processors.
 */
export interface PressureStall {
  readonly some: PressureTime
  readonly full?: PressureTime | undefined
}

/**
 * What the processes of a cgroup have to wait for, or those of the machine (pressure stall information of the kernel). What it does not
 * tell is absent.
 */
export interface Pressure {
  readonly source: "cgroup" | "system"
  readonly cpu?: PressureStall | undefined
  readonly memory?: PressureStall | undefined
  readonly io?: PressureStall | undefined
}

/**
 * What somebody has told about a process by sd_notify(3), the protocol by which services of systemd say how they are.
 */
export interface Notification {
  /** Of the sender, or 0 where it is of another pid namespace. A privileged sender may name another one than its own. */
  readonly pid: number
  /**
   * Who it was, by what the kernel says of it:
   *
   * - `"member"`: the process, or a descendant of it.
   * - `"stranger"`: another process, which has learned the name of the socket. It proves nothing.
   * - `"gone"`: it had ended and been waited for before it could be looked at, as short-lived programs do that do not wait for an
   *   answer. Only the process and its descendants are told the name of the socket, and that is all that speaks for it.
   */
  readonly sender: "member" | "stranger" | "gone"
  /**
   * The variables by their names: `READY`, `STATUS`, `MAINPID`, `WATCHDOG` and so on, those included that are not known. Where one comes
   * twice, the first counts.
   */
  readonly fields: { readonly [name: string]: string }
  /** It was longer than 4096 bytes: what came after them, and the line in which they end, is lost. */
  readonly truncated: boolean
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
   * What the process has used, and the children that it has waited for: until now, or in all once it has ended.
   *
   * While it runs the figures are those of `/proc`: times in steps of 10 milliseconds, and the counts of blocks 0 for a process that
   * this program may not trace, such as one that has become another user. Fails with `UsageHidden` where `/proc` does not show it.
   */
  readonly usage: Effect.Effect<ResourceUsage, KeeperLost | UsageHidden>
  /**
   * What the process and everything that descends from it use now. It reads two small files of each process in `/proc`. Once the process
   * has exited it is what that has used, and no memory.
   */
  readonly treeUsage: Effect.Effect<TreeUsage, KeeperLost | UsageHidden>
  /**
   * What the process and everything that descends from it have to wait for, with `containment: "cgroup"` and while it is there; otherwise
   * that of the machine.
   */
  readonly pressure: Effect.Effect<Pressure>
  /**
   * Everything alive that descends from the process, parents before their children. Empty on systems without `/proc`.
   */
  readonly descendants: Effect.Effect<ReadonlyArray<Descendant>>
  /**
   * What the process and its descendants tell by sd_notify(3); it ends when nothing is left of them. Empty unless the command has the
   * option `notify`.
   *
   * What nobody has read yet is kept, from the start of the process on: up to 256 messages, of which strangers' go first, then those
   * of `STATUS` or `WATCHDOG=1` alone, then the oldest. There is one consumer at a time, a second one dies of a `StreamInUse`; where
   * one ends, the next goes on. What was sent before the exit is here before `exit` is known.
   */
  readonly notifications: Stream.Stream<Notification>
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
 * - Fails with `SpawnError`, whose `reason` says what was wrong, and with `KeeperLost` where a helper was killed that may have begun it.
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

/**
 * The stdout, stderr or further descriptor of a process as a stream that uses the memory of its chunks again: about three times as
 * fast for large amounts of data, because nothing is allocated and nothing has to be collected.
 *
 * **Details**
 *
 * A chunk is good until the stream is asked for the next one. That is enough to count, hash, search, decode or write it. Any
 * stream that is not one of a process is given back as it is.
 *
 * **Gotchas**
 *
 * What keeps chunks gets bytes that change under its hands: `Stream.runCollect`, `Stream.buffer`, `Stream.broadcast`, or
 * `Stream.mapEffect` with a `concurrency` above 1. Such uses need the ordinary stream, or a copy (`chunk.slice()`) first.
 *
 * **Example** (A checksum of a large output)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 * import { createHash } from "node:crypto"
 *
 * const digest = Effect.gen(function*() {
 *   const process = yield* Process.spawn(Command.make("head", ["-c", "10000000", "/dev/zero"], { stdout: "pipe" }))
 *   const hash = createHash("sha256")
 *   yield* Process.lend(process.stdout).pipe(Stream.runForEach((chunk) => Effect.sync(() => hash.update(chunk))))
 *   yield* process.success
 *   return hash.digest("hex")
 * }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
 *
 * assert.equal(await Effect.runPromise(digest), createHash("sha256").update(Buffer.alloc(10_000_000)).digest("hex"))
 * ```
 */
export const lend: <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E, R> = lendChunks

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
