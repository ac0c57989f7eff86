/**
 * What comes first goes first, in constant time.
 *
 * @internal
 */
export class Fifo<A> {
  #items: Array<A> = []
  #first = 0

  get size(): number {
    return this.#items.length - this.#first
  }

  get head(): A | undefined {
    return this.#items[this.#first]
  }

  get all(): ReadonlyArray<A> {
    return this.#items.slice(this.#first)
  }

  push(item: A): void {
    this.#items.push(item)
  }

  /** Before all others. */
  unshift(items: ReadonlyArray<A>): void {
    this.#items = [...items, ...this.#items.slice(this.#first)]
    this.#first = 0
  }

  shift(): A | undefined {
    if (this.size === 0) return undefined
    const item = this.#items[this.#first]
    this.#first++
    if (this.#first === this.#items.length) {
      this.#items = []
      this.#first = 0
    } else if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return item
  }

  /** Wherever it is, for few of them: whether it was there. */
  remove(item: A): boolean {
    const { size } = this
    if (this.head === item) this.shift()
    else {
      this.#items = this.all.filter((each) => each !== item)
      this.#first = 0
    }
    return this.size < size
  }

  /** All of them; it is empty then. */
  takeAll(): ReadonlyArray<A> {
    const items = this.all
    this.#items = []
    this.#first = 0
    return items
  }
}
