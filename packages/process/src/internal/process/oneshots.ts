/**
 * The processes that live for one call, as `Process` gives them to users: with their types.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import type { ExitStatus, ProcessExit } from "../../ExitStatus.ts"
import type { Nursery } from "../../Nursery.ts"
import type { ExitError, KeeperLost, OutputTooLarge, SpawnError, StreamError } from "../../ProcessError.ts"
import type * as Stdio from "../../Stdio.ts"
import * as oneshot from "./oneshot.ts"

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
