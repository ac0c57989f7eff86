/**
 * Waiting for what a program says, and answering it: expect(1) for Streams of bytes.
 *
 * {@link make} reads a Stream, of a terminal (`Fd.pty`), a pipe or anything else, and waits until a text or a pattern comes. With
 * {@link dialogue} there is somebody to answer as well.
 *
 * **Gotchas**
 *
 * - The Stream is consumed here, from the moment on that it is made and until its scope closes: `buffer` of it ahead of who waits.
 * - A pattern is searched for in what has come so far. One that can go on, such as `/\d+/` or `/.*$/`, is found as soon as a part of it has
 *   come: say what comes after it, too.
 * - A terminal ends its lines with `"\r\n"`, shows what is typed, and has escape sequences for colours in it.
 */
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { ExpectError } from "./ExpectError.ts"
import { Reader } from "./internal/expect/reader.ts"
import * as text from "./internal/expect/text.ts"
import { Writer } from "./internal/expect/writer.ts"

/**
 * What can be waited for: a text as it is, a regular expression, or {@link end}.
 *
 * @category models
 */
export type Pattern = string | RegExp | typeof end

/**
 * The end of the output, as one of several patterns. What came before it is in `before`.
 *
 * @category models
 */
export const end: typeof text.end = text.end

/**
 * What was found.
 *
 * @category models
 */
export interface Match {
  /** What the pattern has matched. */
  readonly text: string
  /** What came before it, since the last match. */
  readonly before: string
  /** The parts in parentheses of a regular expression, the first one at 0. */
  readonly captures: ReadonlyArray<string | undefined>
  /** Those that have names. */
  readonly groups: { readonly [name: string]: string | undefined }
}

/**
 * What was found of several patterns, and by which name.
 *
 * @category models
 */
export type MatchOf<Name> = Name extends string ? Match & { readonly pattern: Name } : never

/**
 * How to wait.
 *
 * @category models
 */
export interface UntilOptions {
  /** How long to wait; by default as {@link make} was told. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * How to read.
 *
 * @category models
 */
export interface Options {
  /** How long each wait may take; 30 seconds by default. `"Infinity"` waits as long as it takes. */
  readonly timeout?: Duration.Input | undefined
  /** How much output is kept that nobody has taken, about; 1 MiB by default. Who writes more waits. */
  readonly buffer?: ByteSize.Input | undefined
}

/**
 * Output that can be waited for.
 *
 * @category models
 */
export interface Expect<out E> {
  /**
   * Waits until one of the patterns comes, and takes the output up to its end; what follows is left for the next one to wait. Where
   * several are found, the one that comes first in the output counts, and of two at the same place the one that is named first.
   *
   * Several that wait at the same time do so one after the other.
   */
  readonly until: {
    (pattern: Pattern, options?: UntilOptions): Effect.Effect<Match, ExpectError | E>
    <const Patterns extends { readonly [name: string]: Pattern }>(
      patterns: Patterns,
      options?: UntilOptions
    ): Effect.Effect<MatchOf<keyof Patterns>, ExpectError | E>
  }
  /** Takes what has come by now, and does not wait. */
  readonly pending: Effect.Effect<string>
  /** All that comes until the end. */
  readonly rest: (options?: UntilOptions) => Effect.Effect<string, ExpectError | E>
}

/**
 * Output that can be waited for, and input to answer with.
 *
 * @category models
 */
export interface Dialogue<out E, out E2> extends Expect<E> {
  /** Writes, as if it was typed; waits where more is written than is read. Fails as the input does. */
  readonly send: (text: string | Redacted.Redacted<string> | Uint8Array) => Effect.Effect<void, E2>
  /** Ends the input, when all of it has been written: a pipe closes, a terminal does not care. */
  readonly endInput: Effect.Effect<void, E2>
}

const defaultTimeout = Duration.seconds(30)
const defaultBuffer = 1024 * 1024

const isPattern = (u: Pattern | object): u is Pattern => typeof u !== "object" || u instanceof RegExp

const expectOf = <E>(reader: Reader<E>): Expect<E> => ({
  // Which of the two it is follows from the argument, as the overloads say.
  until: ((patterns: Pattern | { readonly [name: string]: Pattern }, options?: UntilOptions) =>
    isPattern(patterns)
      ? reader.until([patterns], options?.timeout)
      : reader.named(patterns, options?.timeout)) as Expect<E>["until"],
  pending: reader.pending,
  rest: (options) => Effect.map(reader.until([end], options?.timeout), ({ before }) => before)
})

const read = <E, R>(
  output: Stream.Stream<Uint8Array, E, R>,
  { buffer, timeout }: Options
): Effect.Effect<Expect<E>, never, R | Scope.Scope> =>
  Effect.suspend(() => {
    const size = buffer === undefined ? defaultBuffer : Number(ByteSize.fromInputUnsafe(buffer))
    const reader = new Reader<E>(size, Duration.fromInputUnsafe(timeout ?? defaultTimeout))
    return Effect.as(reader.run(output), expectOf(reader))
  })

/**
 * Reads output to wait for what comes in it.
 *
 * **Example** (Waiting until a server says its port)
 *
 * ```ts
 * import { Command, Expect, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const script = "echo starting; echo listening on port 8080; sleep 1000"
 *   const server = yield* Process.spawn(Command.make("sh", ["-c", script], { stdout: "pipe" }))
 *   const output = yield* Expect.make(server.stdout)
 *   const { groups } = yield* output.until(/port (?<port>\d+)\n/, { timeout: "10 seconds" })
 *   return groups["port"]
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "8080")
 * ```
 *
 * @category constructors
 */
export const make = <E, R>(
  output: Stream.Stream<Uint8Array, E, R>,
  options: Options = {}
): Effect.Effect<Expect<E>, never, R | Scope.Scope> => read(output, options)

/**
 * Reads output and writes input: a terminal (`Fd.pty`) as it is, or the pipes of a process.
 *
 * **Details**
 *
 * The input is one use of the Sink, from now on until the scope closes.
 *
 * **Example** (Logging in)
 *
 * ```ts
 * import { Command, Expect, Fd, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 * import assert from "node:assert/strict"
 *
 * const login = `
 *   printf "login: "; read user
 *   stty -echo; printf "password: "; read password; stty echo; echo
 *   [ "$password" = secret ] && echo "welcome, $user" || echo "login incorrect"
 * `
 *
 * const program = Effect.gen(function* () {
 *   const pty = yield* Fd.pty()
 *   yield* Process.spawn(Command.make("sh", ["-c", login], { stdin: pty, stdout: pty, stderr: pty }))
 *   const shell = yield* Expect.dialogue(pty)
 *   yield* shell.until("login: ")
 *   yield* shell.send("ada\r")
 *   yield* shell.until("password: ")
 *   yield* shell.send(Redacted.make("secret\r"))
 *   const answer = yield* shell.until({ welcome: /welcome, (\w+)/, refused: "login incorrect" })
 *   return answer.pattern === "welcome" ? answer.captures[0] : "nobody"
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "ada")
 * ```
 *
 * @category constructors
 */
export const dialogue = <E, R, E2, R2>(
  {
    input,
    output
  }: {
    readonly output: Stream.Stream<Uint8Array, E, R>
    readonly input: Sink.Sink<unknown, Uint8Array, unknown, E2, R2>
  },
  options: Options = {}
): Effect.Effect<Dialogue<E, E2>, never, R | R2 | Scope.Scope> =>
  Effect.gen(function* () {
    const expect = yield* read(output, options)
    const writer = yield* Writer.make(input)
    return { ...expect, send: (text) => writer.send(bytesOf(text)), endInput: writer.end }
  })

const bytesOf = (text: string | Redacted.Redacted<string> | Uint8Array): Uint8Array =>
  text instanceof Uint8Array ? text : new TextEncoder().encode(Redacted.isRedacted(text) ? Redacted.value(text) : text)
