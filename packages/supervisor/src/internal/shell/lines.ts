/**
 * The lines that a child writes, for the check that waits for one of them.
 *
 * Nothing waits in line for a check: it looks at each line as that comes, so none is lost to it, however fast the child writes. What
 * was written before a check looks is kept for it, up to a bound.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { Listeners } from "./listeners.ts"

export type Output = "stdout" | "stderr"

interface Line {
  readonly of: Output
  readonly text: string
}

/** In UTF-16 units, of two bytes at most: 256 KiB. */
const kept = 128 * 1024

/** Units that a line costs beside its text: empty ones are not for nothing either. */
const costOfLine = 32

const costOf = ({ text }: Line): number => text.length + costOfLine

export class Lines {
  #recent: Array<Line> = []
  #cost = 0
  #isKept = true
  readonly #listeners = new Listeners<Line>()

  say(of: Output, text: string): void {
    const line: Line = { of, text }
    if (this.#isKept) this.#keep(line)
    this.#listeners.tell(line)
  }

  /** Nobody will ask any more for what has been. */
  forget(): void {
    this.#isKept = false
    this.#recent = []
  }

  /** What `find` makes of the first line of which it makes something. */
  first<A>(of: Output | "both", find: (line: string) => A | undefined): Effect.Effect<A> {
    return Effect.callback((resume) => {
      const look = (line: Line): boolean => {
        const found = of === "both" || of === line.of ? find(line.text) : undefined
        if (found === undefined) return false
        this.#listeners.remove(look)
        resume(Effect.succeed(found))
        return true
      }
      if (this.#recent.some(look)) return undefined
      this.#listeners.add(look)
      return Effect.sync(() => this.#listeners.remove(look))
    })
  }

  #keep(line: Line): void {
    this.#recent.push(line)
    this.#cost += costOf(line)
    while (this.#cost > kept) {
      const oldest = this.#recent.shift()
      if (oldest === undefined) return
      this.#cost -= costOf(oldest)
    }
  }
}
