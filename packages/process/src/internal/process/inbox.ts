/**
 * What a process has told by sd_notify(3), until somebody reads it.
 *
 * One consumer at a time, and message by message: what one has not taken is there for the next. At most `limit` messages are kept.
 * Beyond that a flood pushes out what says least: first what came from strangers, then what the next message of its kind replaces
 * anyway, at last the oldest.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Notification } from "../../Process.ts"
import type { RawNotification } from "../backend.ts"
import { StreamInUse } from "../streams/source.ts"

/** With texts of 4 KiB at most, a megabyte. */
export const limit = 256

type Messages = readonly [Notification]

export class Inbox {
  readonly stream: Stream.Stream<Notification>
  #kept: Array<Notification> = []
  #waiter: (() => void) | undefined
  #claimed = false
  #ended = false

  constructor() {
    this.stream = Stream.fromChannel(
      Channel.fromTransform((_, scope) => {
        if (this.#claimed) throw new StreamInUse({ stream: "notifications" })
        this.#claimed = true
        return Effect.as(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => {
              this.#claimed = false
            })
          ),
          this.#pull
        )
      })
    )
  }

  add(raw: RawNotification): void {
    this.#kept.push(parse(raw))
    if (this.#kept.length > limit) this.#kept.splice(leastOf(this.#kept), 1)
    this.#wake()
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  #wake(): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.()
  }

  readonly #pull: Pull.Pull<Messages> = Effect.suspend(() => {
    const first = this.#kept.shift()
    if (first !== undefined) return Effect.succeed<Messages>([first])
    // Woken without a message, which so cannot be lost with a consumer that is interrupted at that moment.
    return this.#ended ? Cause.done() : Effect.flatMap(this.#news, () => this.#pull)
  })

  readonly #news: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.#waiter = () => resume(Effect.void)
    return Effect.sync(() => {
      this.#waiter = undefined
    })
  })
}

/** The lines `NAME=value` of a text, the first one where a name comes twice, as systemd takes them. */
export const parse = ({ cut, pid, sender, text }: RawNotification): Notification => {
  const lines = text.split("\n")
  // Nobody knows what the rest of the last one would have been.
  if (cut) lines.pop()
  const fields = new Map<string, string>()
  for (const line of lines) {
    const end = line.indexOf("=")
    const name = line.slice(0, end)
    if (end > 0 && !fields.has(name)) fields.set(name, line.slice(end + 1))
  }
  // By definition, not by assignment: `__proto__` is a name like any other.
  return { pid, sender, fields: Object.fromEntries(fields), truncated: cut }
}

const isPassing = ([name, value]: readonly [name: string, value: string]): boolean =>
  name === "STATUS" || name === "EXTEND_TIMEOUT_USEC" || (name === "WATCHDOG" && value === "1")

const weightOf = ({ fields, sender }: Notification): number => {
  if (sender === "stranger") return 0
  return Object.entries(fields).every(isPassing) ? 1 : 2
}

/** The oldest of those that say least. */
const leastOf = (messages: ReadonlyArray<Notification>): number => {
  let least = 0
  let weight = Number.POSITIVE_INFINITY
  for (const [index, message] of messages.entries()) {
    const its = weightOf(message)
    if (its < weight) {
      least = index
      weight = its
    }
  }
  return least
}
