/**
 * Tells what happens in a tree, as it happens: a line for each event that means something to somebody who watches.
 */
import { ExitStatus } from "@nursery/process"
import type { ChildExit, Status, SupervisorEvent } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { print, seconds, style } from "./screen.ts"

const hasStatus = (error: unknown): error is { readonly status: ExitStatus.ExitStatus } =>
  error instanceof Error && "_tag" in error && error._tag === "ExitError"

const howItEnded = (exit: Exclude<ChildExit, { readonly _tag: "Completed" }>): string => {
  if (exit._tag === "Died") return "died of a defect"
  const { error } = exit
  if (hasStatus(error)) return ExitStatus.format(error.status)
  return error instanceof Error ? error.message : String(error)
}

const statuses: Partial<Record<Status, string>> = {
  ready: style("green", "ready"),
  completed: style("green", "done"),
  stopping: "is told to end",
  stopped: "has ended",
  waiting: "has ended, and waits",
  failed: style("red", "given up")
}

/** What is said about an event, and how its child stood before; some need no words. */
export const wordsOf = (event: SupervisorEvent, before: Status): string | undefined => {
  switch (event._tag) {
    case "Changed":
      // One that has waited for its schedule starts at once.
      return event.status === "waiting" && before !== "stopping" ? undefined : statuses[event.status]
    case "Spawned":
      return `started, pid ${event.pid}`
    case "Exited":
      return event.expected || event.exit._tag === "Completed" ? undefined : style("red", howItEnded(event.exit))
    case "BackingOff":
      return `starts again in ${seconds(event.delay)}`
    default:
      return undefined
  }
}

interface Standing {
  readonly status: Status
  readonly incarnation: number
  readonly pid: number
}

interface Waiter {
  readonly condition: () => boolean
  readonly resume: () => void
}

/** Something that was said before the tree could be watched: a tree can be as soon as all of it is ready. */
interface Early {
  readonly time: number
  readonly child: string
  readonly words: string
}

export class Story {
  readonly #standings = new Map<string, Standing>()
  readonly #waiters = new Set<Waiter>()
  #early: Array<Early> | undefined = []
  #start = Date.now()

  /** The times that are shown are counted from here. */
  begin(): void {
    this.#start = Date.now()
  }

  /** What children write, and log, is a part of it. */
  get logger(): Layer.Layer<never> {
    return Logger.layer([
      Logger.make(({ date, fiber, message }) => {
        const path = String(fiber.getRef(References.CurrentLogAnnotations)["nursery.child"] ?? "")
        const child = path.slice(path.lastIndexOf("/") + 1)
        const text = Array.isArray(message) ? message.join(" ") : String(message)
        const words = style("dim", `"${text.length > 50 ? `${text.slice(0, 49)}…` : text}"`)
        if (this.#early === undefined) this.#line(date.getTime(), child, words)
        else this.#early.push({ time: date.getTime(), child, words })
      })
    ])
  }

  /** Tells the events up to their end. */
  tell(events: Stream.Stream<SupervisorEvent>): Effect.Effect<void> {
    return Stream.runForEachArray(events, (some) =>
      Effect.sync(() => {
        for (const event of some) this.#hear(event)
        // The first of them are what has happened so far.
        this.#catchUp(Number.POSITIVE_INFINITY)
        this.#early = undefined
      })
    )
  }

  pidOf(child: string): number {
    return this.#standings.get(child)?.pid ?? 0
  }

  get pids(): ReadonlyArray<number> {
    return Array.from(this.#standings.values(), ({ pid }) => pid).filter((pid) => pid > 0)
  }

  /** Does something to a child, and waits until that has been started so many times again, and everything runs. */
  recovery(child: string, restarts: number, action: Effect.Effect<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const before = this.#standings.get(child)?.incarnation ?? 0
      const isOver = () => (this.#standings.get(child)?.incarnation ?? 0) >= before + restarts && this.#isAllUp
      return Effect.andThen(Effect.orDie(action), this.until(isOver))
    })
  }

  until(condition: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (condition()) return resume(Effect.void)
      const waiter = { condition, resume: () => resume(Effect.void) }
      this.#waiters.add(waiter)
      return Effect.sync(() => this.#waiters.delete(waiter))
    })
  }

  get #isAllUp(): boolean {
    return Array.from(this.#standings.values()).every(({ status }) => status === "ready" || status === "completed")
  }

  #hear(event: SupervisorEvent): void {
    if (!("child" in event)) return
    const { child, incarnation } = event
    const known = this.#standings.get(child)
    this.#standings.set(child, {
      status: event._tag === "Changed" ? event.status : (known?.status ?? "waiting"),
      incarnation,
      pid: event._tag === "Spawned" ? event.pid : (known?.pid ?? 0)
    })
    this.#catchUp(event.time)
    const words = wordsOf(event, known?.status ?? "waiting")
    if (words !== undefined) this.#line(event.time, child, words)
    for (const waiter of [...this.#waiters]) {
      if (!waiter.condition()) continue
      this.#waiters.delete(waiter)
      waiter.resume()
    }
  }

  /** Says what was said until then. */
  #catchUp(time: number): void {
    const early = this.#early ?? []
    while (early[0] !== undefined && early[0].time <= time) {
      const { child, time, words } = early[0]
      this.#line(time, child, words)
      early.shift()
    }
  }

  #line(time: number, child: string, words: string): void {
    Effect.runSync(print(`   ${style("dim", seconds(Math.max(0, time - this.#start)))}  ${child.padEnd(10)}${words}`))
  }
}
