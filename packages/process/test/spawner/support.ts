/** What the tests of the drop-in spawner share: the layers under test, and ways to see without asking twice. */
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as Pull from "effect/Pull"
import type { ChildProcessHandle, ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Nursery from "../../src/Nursery.ts"

type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>

/** The spawner and the nursery that it starts everything in. */
export type Spawner = Layer.Layer<ChildProcessSpawner | Nursery.Nursery>

export const keeper: Spawner = Nursery.layerChildProcessSpawner.pipe(Layer.provideMerge(Nursery.layer), Layer.orDie)

export const portable: Spawner = Nursery.layerChildProcessSpawner.pipe(Layer.provideMerge(Nursery.layerPortable))

/** What both promise is tested on both. */
export const both: ReadonlyArray<readonly [name: string, layer: Spawner]> = [
  ["keeper", keeper],
  ["portable", portable]
]

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** All of it, as text. */
export const text = (stream: Bytes): Effect.Effect<string, PlatformError.PlatformError> =>
  stream.pipe(Stream.decodeText, Stream.mkString)

/** Takes its lines one after the other, while the process runs. */
export const linesOf = (
  stream: Bytes
): Effect.Effect<Effect.Effect<string, PlatformError.PlatformError>, never, Scope.Scope> =>
  Effect.map(Stream.toPull(stream.pipe(Stream.decodeText, Stream.splitLines, Stream.rechunk(1))), (pull) =>
    pull.pipe(
      Effect.map(([line]) => line),
      Pull.catchDone(() => Effect.die(new Error("the stream ended before the line came")))
    )
  )

/** Waits until nobody holds the write end of a descriptor of the child: every process that it left is dead. */
export const released = (handle: ChildProcessHandle, fd: number): Effect.Effect<void, PlatformError.PlatformError> =>
  Stream.runDrain(handle.getOutputFd(fd))

/** A descriptor that is written by nobody: its end of file proves that all who inherited it are dead. */
export const canary = { fd9: { type: "output" } } as const

export const isAlive = (pid: number): boolean => {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== "Z" && state !== "X"
}

/** The fields of `/proc/<pid>/stat` from the state on: parent, group and session follow (`proc_pid_stat(5)`). */
export const statOf = (pid: number | "self"): ReadonlyArray<string> | undefined => {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "latin1")
    return line.slice(line.lastIndexOf(")") + 2).split(" ")
  } catch {
    return undefined
  }
}

/** What a descriptor of a process is, such as `pipe:[1234]`. */
export const descriptor = (pid: number, fd: number): string => readlinkSync(`/proc/${pid}/fd/${fd}`)

export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-spawner-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)
