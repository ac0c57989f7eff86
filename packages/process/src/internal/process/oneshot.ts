/**
 * Processes that live for one call: their scope is the call's own, what nobody gets is drained, and the exit ends it, even if a
 * descendant still holds a pipe open. What is in the pipes at that moment is read.
 *
 * @internal
 */
import type * as ByteSize from "effect/ByteSize"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Command } from "../../Command.ts"
import type { ProcessExit } from "../../ExitStatus.ts"
import type { Nursery } from "../../Nursery.ts"
import {
  type ExitError,
  type KeeperLost,
  OutputTooLarge,
  type SpawnError,
  type StreamError
} from "../../ProcessError.ts"
import type { Collector, Source } from "../streams/source.ts"
import { success } from "./handle.ts"
import type { Capture } from "./request.ts"
import type { Run } from "./run.ts"
import { spawn } from "./spawn.ts"

/** What a process did, and what it wrote to the streams that were captured. */
export interface Captured {
  readonly exit: ProcessExit
  readonly stdout: string
  readonly stderr: string
}

type Failure = SpawnError | KeeperLost | OutputTooLarge

/** Runs a command to its exit, whatever its status. */
export const run = (
  command: Command,
  capture: Capture,
  limit: ByteSize.ByteSize
): Effect.Effect<Captured, Failure | unknown, Nursery> =>
  Effect.scoped(Effect.flatMap(spawn(command, capture), (run) => collect(run, capture, limit)))

/** Runs a command to its exit, which has to be a success. */
export const runChecked = (
  command: Command,
  capture: Capture,
  limit: ByteSize.ByteSize
): Effect.Effect<Captured, Failure | ExitError | unknown, Nursery> =>
  Effect.scoped(
    Effect.flatMap(spawn(command, capture), (run) =>
      Effect.flatMap(collect(run, capture, limit), (captured) => Effect.as(run.check(captured.exit), captured))
    )
  )

/**
 * The bytes that a command writes to its stdout, and after them the failure of its exit, if it is one.
 */
export const bytes = (
  command: Command
): Stream.Stream<Uint8Array, SpawnError | KeeperLost | StreamError | ExitError | unknown, Nursery> =>
  Stream.unwrap(
    Effect.map(spawn(command, "stdout"), (run) => {
      const source = run.ends.sources.get(1)
      drain(run, (target) => target === 1)
      run.onExit(() => source?.endNow())
      const all = Stream.concat(source?.stream ?? Stream.empty, Stream.fromEffectDrain(success(run)))
      return run.ends.inputFailure === undefined
        ? all
        : Stream.interruptWhen(all, Deferred.await(run.ends.inputFailure))
    })
  )

const collect = (
  run: Run,
  capture: Capture,
  limit: ByteSize.ByteSize
): Effect.Effect<Captured, OutputTooLarge | KeeperLost | unknown> => {
  const isCaptured = (target: number) => (target === 1 && capture !== "none") || (target === 2 && capture === "both")
  const collected = Effect.callback<Captured, OutputTooLarge | KeeperLost>((resume) => {
    const bound = Number(limit)
    const tooLarge = (stream: string) => resume(Effect.fail(new OutputTooLarge({ command: run.line, stream, limit })))
    const stdout = new Buffered(run.ends.sources.get(1), isCaptured(1), bound, () => tooLarge("stdout"))
    const stderr = new Buffered(run.ends.sources.get(2), isCaptured(2), bound, () => tooLarge("stderr"))
    drain(run, isCaptured)
    run.onExit(() => {
      for (const source of run.ends.sources.values()) if (source.isCollected) source.readNow()
      resume(Effect.map(Deferred.await(run.exit), (exit) => ({ exit, stdout: stdout.text(), stderr: stderr.text() })))
    })
  })
  return run.ends.inputFailure === undefined
    ? collected
    : Effect.raceFirst(Deferred.await(run.ends.inputFailure), collected)
}

/** Gives all that nobody gets somewhere to go, and closes what nobody writes. */
const drain = (run: Run, isKept: (target: number) => boolean): void => {
  for (const [target, source] of run.ends.sources)
    if (!isKept(target) && !source.isClaimed) source.collect(discard, true)
  for (const { target, role } of run.plan.ends) if (role._tag === "Writer") run.ends.targets.get(target)?.close()
}

const discard: Collector = { keeps: false, bytes: () => true, end: () => {} }

/** All that comes from a source, up to a bound. */
class Buffered implements Collector {
  readonly keeps = true
  readonly #chunks: Array<Uint8Array> = []
  #size = 0
  readonly #source: Source<StreamError> | undefined
  readonly #limit: number
  readonly #onOverflow: () => void

  constructor(source: Source<StreamError> | undefined, isCaptured: boolean, limit: number, onOverflow: () => void) {
    this.#source = isCaptured ? source : undefined
    this.#limit = limit
    this.#onOverflow = onOverflow
    this.#source?.collect(this, true)
  }

  bytes(chunk: Uint8Array): boolean {
    this.#size += chunk.length
    if (this.#size > this.#limit) {
      this.#chunks.length = 0
      // The writer gets SIGPIPE instead of blocking until it is stopped.
      this.#source?.close()
      this.#onOverflow()
      return false
    }
    this.#chunks.push(chunk)
    return true
  }

  // An error of a pipe that is being read to its end leaves what was read.
  end(): void {}

  text(): string {
    const [first] = this.#chunks
    if (first === undefined) return ""
    const all =
      this.#chunks.length === 1
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#chunks)
    return all.toString("utf8")
  }
}
