/**
 * The order in which a supervisor works: an input leads to actions, which are done before the next input is looked at; what they
 * cause meanwhile waits in line.
 *
 * @internal
 */
import type { Action, Input } from "../core/model.ts"

/** Starting or stopping a process takes Node some tenths of a millisecond: with more of them others get their turns in between. */
const actionsInTurn = 100

export class Work {
  readonly #decide: (input: Input) => ReadonlyArray<Action>
  readonly #perform: (action: Action) => void
  readonly #inputs: Array<Input> = []
  #actions: ReadonlyArray<Action> = []
  /** How many of them have been done. */
  #done = 0
  #busy = false

  constructor(decide: (input: Input) => ReadonlyArray<Action>, perform: (action: Action) => void) {
    this.#decide = decide
    this.#perform = perform
  }

  /** Does all that this leads to before it returns, unless it is much. */
  add(input: Input): void {
    this.#inputs.push(input)
    if (!this.#busy) this.#go()
  }

  readonly #go = (): void => {
    this.#busy = true
    for (let count = 0; count < actionsInTurn; count++) {
      const action = this.#next()
      if (action === undefined) {
        this.#busy = false
        return
      }
      this.#safely(action)
    }
    setImmediate(this.#go)
  }

  /** What throws is a defect, and is told as one; the rest of the tree still has to be ended. */
  #safely(action: Action): void {
    try {
      this.#perform(action)
    } catch (defect) {
      queueMicrotask(() => {
        throw defect
      })
    }
  }

  #next(): Action | undefined {
    while (this.#done === this.#actions.length) {
      const input = this.#inputs.shift()
      if (input === undefined) return undefined
      this.#actions = this.#decide(input)
      this.#done = 0
    }
    return this.#actions[this.#done++]
  }
}
