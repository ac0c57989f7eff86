/**
 * What the descriptors of a child process are connected to: stdin, stdout, stderr and any further ones.
 *
 * The values are plain data, except for a Stream or a Sink, which live in this program. The types that follow from them, of
 * what a running process offers for each descriptor, are computed here too.
 */
import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type * as Fd from "./Fd.ts"
import type { StreamError } from "./ProcessError.ts"

const TypeId = "~@nursery/process/Stdio"

/**
 * A file that the child reads. Make it with {@link read}.
 */
export class Read extends Schema.TaggedClass<Read>("@nursery/process/Stdio/Read")("Read", { path: Schema.String }) {
  get [TypeId](): typeof TypeId {
    return TypeId
  }
}

/**
 * A file that the child writes, at its end: nothing that is there is lost. Make it with {@link append}.
 */
export class Append extends Schema.TaggedClass<Append>("@nursery/process/Stdio/Append")("Append", {
  path: Schema.String
}) {
  get [TypeId](): typeof TypeId {
    return TypeId
  }
}

/**
 * A file that the child writes from its beginning: what was there is lost. Make it with {@link truncate}.
 */
export class Truncate extends Schema.TaggedClass<Truncate>("@nursery/process/Stdio/Truncate")("Truncate", {
  path: Schema.String
}) {
  get [TypeId](): typeof TypeId {
    return TypeId
  }
}

/**
 * A file that the child writes.
 */
export type OutputFile = Append | Truncate

/**
 * A file that the child reads or writes.
 */
export type File = Read | Append | Truncate

/**
 * The Schema of {@link OutputFile}.
 */
export const OutputFile = Schema.Union([Append, Truncate])

/**
 * The Schema of {@link File}.
 */
export const File = Schema.Union([Read, Append, Truncate])

/**
 * The child reads the file at `path`, which has to exist.
 *
 * A relative path is resolved against the working directory of this program, not of the command.
 */
export const read = (path: string): Read => new Read({ path })

/**
 * The child writes to the end of the file at `path`, which is created where it does not exist.
 *
 * A relative path is resolved against the working directory of this program, not of the command.
 */
export const append = (path: string): Append => new Append({ path })

/**
 * The child writes to the file at `path`, which is emptied first, or created where it does not exist.
 *
 * A relative path is resolved against the working directory of this program, not of the command.
 */
export const truncate = (path: string): Truncate => new Truncate({ path })

/**
 * Whether a value is a file for a descriptor of a child.
 */
export const isFile = (u: unknown): u is File => Predicate.hasProperty(u, TypeId)

/**
 * What stdin can be, as far as it is plain data.
 */
export type PlainInput = "null" | "inherit" | "pipe" | Read

/**
 * What stdout and stderr can be, as far as it is plain data.
 */
export type PlainOutput = "null" | "inherit" | "pipe" | OutputFile

/**
 * What any further descriptor can be, as far as it is plain data.
 */
export type PlainDescriptor = PlainInput | PlainOutput | "pipe-in"

/**
 * What stdin can be.
 *
 * - `"null"`: `/dev/null`; the child reads end of file.
 * - `"inherit"`: the same as in this program.
 * - `"pipe"`: a pipe that this program writes, as `process.stdin`.
 * - a file to read, see {@link read}.
 * - a Stream of bytes, written to the child while it runs.
 * - an `Fd` that can be read.
 */
export type Input = PlainInput | Stream.Stream<Uint8Array, unknown, unknown> | Fd.Fd<"readable" | "duplex">

/**
 * What stdout and stderr can be.
 *
 * - `"null"`: `/dev/null`; what the child writes is lost.
 * - `"inherit"`: the same as in this program.
 * - `"pipe"`: a pipe that this program reads, as `process.stdout` or `process.stderr`.
 * - a file to write, see {@link append} and {@link truncate}.
 * - a Sink that takes the bytes while the child runs; its result is `process.stdout` or `process.stderr`.
 * - an `Fd` that can be written.
 */
export type Output =
  | PlainOutput
  | Sink.Sink<unknown, Uint8Array, unknown, unknown, unknown>
  | Fd.Fd<"writable" | "duplex">

/**
 * What a descriptor from 3 on can be: everything that {@link Input} and {@link Output} can.
 *
 * `"pipe"` is a pipe that the child writes and this program reads; `"pipe-in"` is one that the child reads and this program
 * writes. `"inherit"` gives the child the descriptor of the same number.
 */
export type Descriptor = Input | Output | "pipe-in"

/**
 * Descriptors of the child by number, from 3 on.
 */
export type Descriptors = { readonly [descriptor: number]: Descriptor }

/**
 * Descriptors of the child by number, as far as they are plain data.
 */
export type PlainDescriptors = { readonly [descriptor: number]: PlainDescriptor; readonly "~held"?: never }

/**
 * In the type of the descriptors of a command whose `activation`, `fdStore` or `namespaces` are given: such a command is not plain.
 * There is no such property when the program runs.
 */
export type Held = { readonly "~held"?: "activation, fdStore and namespaces live in this program" }

/**
 * The descriptors `Fds` of a command whose options of that kind have these types: {@link Held} unless they are `undefined`.
 */
// `PlainDescriptors` is what the compiler takes for `Fds` where a plain command is asked for and no descriptors are given.
export type WithHeld<Fds, Given> = [Given] extends [undefined]
  ? Fds
  : "~held" extends keyof Fds
    ? [Fds] extends [PlainDescriptors]
      ? Held
      : Fds
    : [keyof Fds] extends [never]
      ? Held
      : Fds & Held

/**
 * A type that nothing is assignable to, whose name says why in the compiler's message.
 */
export interface Invalid<Message extends string> {
  readonly "~invalid": Message
}

/**
 * Makes a key that is no descriptor number from 3 on an error of the compiler.
 */
export type CheckDescriptors<Fds> = {
  readonly [K in keyof Fds]: IsDescriptorNumber<K> extends true
    ? Fds[K]
    : Invalid<"a descriptor number is an integer from 3 on; 0, 1 and 2 are stdin, stdout and stderr">
}

type IsDescriptorNumber<K> = K extends number
  ? `${K}` extends "0" | "1" | "2" | `-${string}` | `${string}.${string}` | `${string}e${string}`
    ? false
    : true
  : false

/**
 * What this program can do with a descriptor that the child reads: `never` where there is nothing, or where it is not known
 * before the program runs.
 */
export type WriterOf<In> = [In] extends ["pipe"] ? Sink.Sink<void, Uint8Array, never, StreamError> : never

/**
 * What this program gets from a descriptor that the child writes: the bytes of a pipe, or the result of a Sink. `never` where
 * there is nothing, or where it is not known before the program runs.
 */
export type ReaderOf<Out> = [Out] extends ["pipe"]
  ? Stream.Stream<Uint8Array, StreamError>
  : [Out] extends [Sink.Sink<infer A, never, unknown, infer E, unknown>]
    ? Effect.Effect<A, E | StreamError>
    : never

/**
 * What this program has of a descriptor from 3 on, which goes one way or the other.
 */
export type DescriptorOf<Fd> = [Fd] extends ["pipe-in"] ? WriterOf<"pipe"> : ReaderOf<Fd>

/**
 * The descriptors of a child that this program has an end of, by number.
 */
export type OpenDescriptors<Fds> = {
  readonly [K in keyof Fds as [DescriptorOf<Fds[K]>] extends [never] ? never : K]: DescriptorOf<Fds[K]>
}

/**
 * `{ stdin }` of a running process, or nothing.
 */
export type StdinProperty<In> = [WriterOf<In>] extends [never] ? unknown : { readonly stdin: WriterOf<In> }

/**
 * `{ stdout }` of a running process, or nothing.
 */
export type StdoutProperty<Out> = [ReaderOf<Out>] extends [never] ? unknown : { readonly stdout: ReaderOf<Out> }

/**
 * `{ stderr }` of a running process, or nothing.
 */
export type StderrProperty<Err> = [ReaderOf<Err>] extends [never] ? unknown : { readonly stderr: ReaderOf<Err> }

/**
 * `{ fd }` of a running process, a function from the descriptor numbers that this program has an end of, or nothing.
 */
export type DescriptorProperty<Fds> = [keyof OpenDescriptors<Fds>] extends [never]
  ? unknown
  : { readonly fd: <N extends keyof OpenDescriptors<Fds>>(descriptor: N) => OpenDescriptors<Fds>[N] }

/**
 * The failure of the Streams among the descriptors of a child: what `success` and the one-shots fail with besides their own
 * errors.
 */
export type InputError<In, Fds = unknown> = StreamFailure<In> | StreamFailure<Fds[keyof Fds]>

type StreamFailure<T> = T extends Stream.Stream<unknown, infer E, unknown> ? E : never

/**
 * What the Streams and Sinks among the descriptors of a child require.
 */
export type Requirements<In, Out, Err, Fds = unknown> =
  | ServicesOf<In>
  | ServicesOf<Out>
  | ServicesOf<Err>
  | ServicesOf<Fds[keyof Fds]>

type ServicesOf<T> =
  T extends Stream.Stream<unknown, unknown, infer R>
    ? R
    : T extends Sink.Sink<unknown, never, unknown, unknown, infer R>
      ? R
      : never

/**
 * Descriptors `Fds` with `Added`, which replace those of the same number.
 */
export type MergeDescriptors<Fds, Added> = {
  readonly [K in keyof Fds | keyof Added]: K extends keyof Added ? Added[K] : K extends keyof Fds ? Fds[K] : never
}
