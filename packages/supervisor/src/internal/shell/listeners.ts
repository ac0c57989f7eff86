/**
 * Those who want to be told of something. Most often that is nobody, which costs nothing then.
 *
 * @internal
 */
export class Listeners<A = void> {
  #all: Set<(news: A) => void> | undefined

  get count(): number {
    return this.#all?.size ?? 0
  }

  add(listener: (news: A) => void): void {
    this.#all ??= new Set()
    this.#all.add(listener)
  }

  remove(listener: (news: A) => void): void {
    this.#all?.delete(listener)
  }

  tell(news: A): void {
    if (this.#all === undefined) return
    for (const listener of this.#all) listener(news)
  }
}
