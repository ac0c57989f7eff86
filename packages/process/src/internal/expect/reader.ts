/**
 * Reads a Stream ahead of those who wait for something in it.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Match, Pattern } from "../../Expect.ts"
import { ExpectEnd, ExpectError, ExpectOverflow, type ExpectReason, ExpectTimeout } from "../../ExpectError.ts"
import { describe, type Found, prepare, Text } from "./text.ts"

/** How much of the output an error shows. */
const SHOWN = 2048

type Matched = Match & { readonly pattern: string }

export class Reader<E> {
  readonly #text = new Text()
  readonly #limit: number
  readonly #timeout: Duration.Duration
  /** Open while more may be read. */
  readonly #room = Latch.makeUnsafe(true)
  readonly #turn = Semaphore.makeUnsafe(1)
  /** How the Stream has ended. */
  #exit: Exit.Exit<void, E> | undefined
  /** Looks again, for the one who waits. */
  #look: (() => void) | undefined

  constructor(limit: number, timeout: Duration.Duration) {
    this.#limit = limit
    this.#timeout = timeout
  }

  /** Reads until the scope closes. */
  run<R>(output: Stream.Stream<Uint8Array, E, R>): Effect.Effect<unknown, never, R | Scope.Scope> {
    return Stream.runForEach(output, (chunk) => {
      this.#text.append(chunk)
      if (this.#text.size >= this.#limit) this.#room.closeUnsafe()
      this.#look?.()
      return this.#room.await
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          this.#exit = exit
          this.#text.end(Exit.isSuccess(exit))
          this.#look?.()
        })
      ),
      Effect.forkScoped({ startImmediately: true })
    )
  }

  until(patterns: ReadonlyArray<Pattern>, timeout: Duration.Input | undefined): Effect.Effect<Match, ExpectError | E> {
    return Effect.map(this.#wait(patterns, timeout), ([, match]) => match)
  }

  named(
    patterns: { readonly [name: string]: Pattern },
    timeout: Duration.Input | undefined
  ): Effect.Effect<Matched, ExpectError | E> {
    const names = Object.keys(patterns)
    return Effect.map(this.#wait(Object.values(patterns), timeout), ([index, match]) => ({
      pattern: names[index] ?? "",
      ...match
    }))
  }

  readonly pending: Effect.Effect<string> = Effect.sync(() => this.#take(this.#text.length))

  #take(length: number): string {
    const taken = this.#text.take(length)
    if (this.#text.size < this.#limit) this.#room.openUnsafe()
    return taken
  }

  #wait(
    patterns: ReadonlyArray<Pattern>,
    timeout: Duration.Input | undefined
  ): Effect.Effect<readonly [index: number, match: Match], ExpectError | E> {
    const prepared = prepare(patterns)
    const duration = timeout === undefined ? this.#timeout : Duration.fromInputUnsafe(timeout)
    return Effect.callback<Found, ExpectError | E>((resume) => {
      const look = () => {
        const outcome = this.#outcome(prepared)
        if (outcome === undefined) return
        this.#look = undefined
        resume(outcome)
      }
      this.#look = look
      look()
      return Effect.sync(() => {
        this.#look = undefined
      })
    }).pipe(
      Effect.timeoutOrElse({
        duration,
        orElse: () => this.#fail(prepared, new ExpectTimeout({ duration }))
      }),
      // Not before: what is found by one whose time has run out, or who was interrupted, is there for the next.
      Effect.map((found) => [found.index, this.#matchOf(found)] as const),
      this.#turn.withPermit
    )
  }

  /** What there is for one who waits, `undefined` where there may be something later. */
  #outcome(patterns: ReadonlyArray<Pattern>): Effect.Effect<Found, ExpectError | E> | undefined {
    const found = this.#text.search(patterns)
    if (found !== undefined) return Effect.succeed(found)
    const exit = this.#exit
    if (exit !== undefined)
      return Exit.isFailure(exit) ? Effect.failCause(exit.cause) : this.#fail(patterns, new ExpectEnd({}))
    return this.#text.size < this.#limit ? undefined : this.#fail(patterns, new ExpectOverflow({ limit: this.#limit }))
  }

  #matchOf({ captures, from, groups, to }: Found): Match {
    const taken = this.#take(to)
    return { text: taken.slice(from), before: taken.slice(0, from), captures, groups }
  }

  #fail(patterns: ReadonlyArray<Pattern>, reason: ExpectReason): Effect.Effect<never, ExpectError> {
    return Effect.suspend(() =>
      Effect.fail(new ExpectError({ reason, expected: patterns.map(describe), output: this.#text.last(SHOWN) }))
    )
  }
}
