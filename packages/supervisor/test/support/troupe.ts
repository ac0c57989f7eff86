/** Children that are Effects, each life of which ends as a test says; all that they do is noted, in one record for all of them. */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Ready from "../../src/Ready.ts"

export class Failure extends Data.TaggedError("Failure")<{ readonly actor: string; readonly life: number }> {}

interface Listener {
  readonly line: string
  readonly times: number
  readonly heard: () => void
}

export class Troupe {
  /** `NAME starts | stops | fails | dies | ends`, and what else is noted. */
  readonly record: Array<string> = []
  readonly #listeners = new Set<Listener>()
  #read = 0

  note(line: string): void {
    this.record.push(line)
    for (const listener of this.#listeners) {
      if (this.count(listener.line) >= listener.times) listener.heard()
    }
  }

  count(line: string): number {
    return this.record.filter((other) => other === line).length
  }

  /** Waits until it has been noted so often. */
  hears(line: string, times = 1): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.count(line) >= times) {
        resume(Effect.void)
        return undefined
      }
      const listener = { line, times, heard: () => resume(Effect.void) }
      this.#listeners.add(listener)
      return Effect.sync(() => this.#listeners.delete(listener))
    })
  }

  /** What has been noted since the last call. */
  news(): ReadonlyArray<string> {
    const news = this.record.slice(this.#read)
    this.#read = this.record.length
    return news
  }

  actor(name: string): Actor {
    return new Actor(this, name)
  }

  /** Something that runs once each time, and is noted. */
  act(line: string): Effect.Effect<void> {
    return Effect.sync(() => this.note(line))
  }
}

export class Actor {
  readonly name: string
  readonly #troupe: Troupe
  #lives = 0
  #alive = 0
  #end = Deferred.makeUnsafe<string, Failure>()
  #ready = Deferred.makeUnsafe<number, Failure>()

  constructor(troupe: Troupe, name: string) {
    this.#troupe = troupe
    this.name = name
  }

  /** How many lives of it there are at this moment. */
  get alive(): number {
    return this.#alive
  }

  /** One life. */
  get play(): Effect.Effect<string, Failure> {
    return Effect.suspend(() => {
      this.#lives++
      this.#alive++
      const end = Deferred.makeUnsafe<string, Failure>()
      this.#end = end
      this.#ready = Deferred.makeUnsafe()
      this.#troupe.note(`${this.name} starts`)
      const left = Effect.sync(() => {
        this.#alive--
      })
      return Deferred.await(end).pipe(
        Effect.onInterrupt(() => this.#troupe.act(`${this.name} stops`)),
        Effect.ensuring(left)
      )
    })
  }

  /** Ready when `isReady` has been performed in this life; provides the number of the life. */
  get readiness(): Ready.Ready<number, Failure> {
    return Ready.effect(Effect.suspend(() => Deferred.await(this.#ready)))
  }

  get isReady(): Effect.Effect<void> {
    return Effect.suspend(() => Deferred.succeed(this.#ready, this.#lives))
  }

  get isNeverReady(): Effect.Effect<void> {
    return Effect.suspend(() => Deferred.fail(this.#ready, new Failure({ actor: this.name, life: this.#lives })))
  }

  get fails(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#troupe.note(`${this.name} fails`)
      return Deferred.fail(this.#end, new Failure({ actor: this.name, life: this.#lives }))
    })
  }

  ends(value: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#troupe.note(`${this.name} ends`)
      return Deferred.succeed(this.#end, value)
    })
  }

  dies(defect: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#troupe.note(`${this.name} dies`)
      return Deferred.die(this.#end, defect)
    })
  }
}
