/**
 * The times of restarts within a period: a queue of two lists, of which an old state keeps what it had. Each time is put in, turned
 * over and taken out once, so a restart costs the same however many came before it.
 *
 * @internal
 */

interface Times {
  readonly time: number
  readonly next: Times | undefined
}

export interface Window {
  /** Oldest first. */
  readonly old: Times | undefined
  /** Newest first; all later than those in `old`. */
  readonly recent: Times | undefined
  readonly count: number
}

export const empty: Window = { old: undefined, recent: undefined, count: 0 }

/** With one more, and without those that are longer ago than `within`. The end of the period belongs to it, as in OTP. */
export const add = (window: Window, now: number, within: number): Window => {
  let { count, old, recent } = window
  for (; count > 0; count--) {
    if (old === undefined) {
      old = reverse(recent)
      recent = undefined
    }
    if (old === undefined || now <= old.time + within) break
    old = old.next
  }
  return { old, recent: { time: now, next: recent }, count: count + 1 }
}

const reverse = (times: Times | undefined): Times | undefined => {
  let reversed: Times | undefined
  for (let each = times; each !== undefined; each = each.next) reversed = { time: each.time, next: reversed }
  return reversed
}
