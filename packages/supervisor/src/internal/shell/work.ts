/**
 * The order in which a supervisor works: an input leads to actions, which are done before the next input is looked at; what they
 * cause meanwhile waits in line.
 *
 * @internal
 */
import type { Action, Input } from "../core/model.ts"
import type { Step } from "../core/step.ts"

/** Starting or stopping a process takes Node some tenths of a millisecond: with more of them others get their turns in between. */
const actionsInTurn = 100

/** The same of what is decided: a child is looked at in one or two microseconds. */
const visitsInTurn = 2_000

export class Work {
  readonly #begin: (input: Input) => Step
  readonly #finish: (step: Step) => ReadonlyArray<Action>
  readonly #perform: (action: Action) => void
  readonly #inputs: Array<Input> = []
  /** What is being decided. */
  #step: Step | undefined
  #actions: ReadonlyArray<Action> = []
  /** How many of them have been done. */
  #done = 0
  #busy = false

  /** `finish` gets a step that is done, and tells what is to be done now. */
  constructor(
    begin: (input: Input) => Step,
    finish: (step: Step) => ReadonlyArray<Action>,
    perform: (action: Action) => void
  ) {
    this.#begin = begin
    this.#finish = finish
    this.#perform = perform
  }

  /** Does all that this leads to before it returns, unless it is much. */
  add(input: Input): void {
    this.#inputs.push(input)
    if (!this.#busy) this.#go()
  }

  readonly #go = (): void => {
    this.#busy = true
    let actions = actionsInTurn
    let visits = visitsInTurn
    while (actions > 0 && visits > 0) {
      const action = this.#actions[this.#done]
      if (action !== undefined) {
        this.#done++
        actions--
        this.#safely(action)
        continue
      }
      this.#step ??= this.#next()
      if (this.#step === undefined) {
        this.#busy = false
        return
      }
      visits = this.#step.advance(visits)
      if (visits > 0) this.#take(this.#step)
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

  #next(): Step | undefined {
    const input = this.#inputs.shift()
    return input === undefined ? undefined : this.#begin(input)
  }

  #take(step: Step): void {
    this.#step = undefined
    this.#actions = this.#finish(step)
    this.#done = 0
  }
}
