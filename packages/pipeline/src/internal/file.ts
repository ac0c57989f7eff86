/**
 * Files that this program reads or writes itself, because a stage of it is at the beginning or the end of a pipeline.
 *
 * @internal
 */
import * as Fs from "node:fs"
import type { Stdio } from "@nursery/process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { FileError } from "../PipelineError.ts"

const chunkSize = 256 * 1024

const errorOf = (path: string, operation: FileError["operation"], cause: NodeJS.ErrnoException): FileError =>
  new FileError({ path, operation, errno: cause.code ?? cause.message })

const open = (path: string, flags: string): Effect.Effect<number, FileError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, FileError>((resume) => {
      Fs.open(path, flags, 0o666, (cause, fd) =>
        resume(cause === null ? Effect.succeed(fd) : Effect.fail(errorOf(path, "open", cause)))
      )
    }),
    (fd) =>
      Effect.callback<void>((resume) => {
        Fs.close(fd, () => resume(Effect.void))
      })
  )

const readSome = (fd: number, path: string): Effect.Effect<Uint8Array, FileError> =>
  Effect.callback<Uint8Array, FileError>((resume) => {
    const buffer = Buffer.allocUnsafeSlow(chunkSize)
    Fs.read(fd, buffer, 0, chunkSize, null, (cause, count) =>
      resume(cause === null ? Effect.succeed(buffer.subarray(0, count)) : Effect.fail(errorOf(path, "read", cause)))
    )
  })

export const read = ({ path }: Stdio.Read): Stream.Stream<Uint8Array, FileError> =>
  Stream.unwrap(
    Effect.map(open(path, "r"), (fd) =>
      Stream.unfold(fd, () =>
        Effect.map(readSome(fd, path), (chunk) => (chunk.length === 0 ? undefined : ([chunk, fd] as const)))
      )
    )
  )

const writeAll = (fd: number, path: string, chunk: Uint8Array): Effect.Effect<void, FileError> =>
  Effect.callback<void, FileError>((resume) => {
    const next = (at: number): void => {
      Fs.write(fd, chunk, at, chunk.length - at, null, (cause, count) => {
        if (cause !== null) resume(Effect.fail(errorOf(path, "write", cause)))
        else if (at + count === chunk.length) resume(Effect.void)
        else next(at + count)
      })
    }
    next(0)
  })

export const write = (file: Stdio.OutputFile): Sink.Sink<void, Uint8Array, never, FileError> =>
  Sink.unwrap(
    Effect.map(open(file.path, file._tag === "Append" ? "a" : "w"), (fd) => {
      const write = (chunk: Uint8Array) => writeAll(fd, file.path, chunk)
      return Sink.forEach(write)
    })
  )
