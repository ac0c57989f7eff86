/**
 * For how long the event loop of a program has been stopped: a round for contenders.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout as sleep } from "node:timers/promises"
import type { Round } from "./worker.ts"

/**
 * `watch` begins, `longest` gives the most milliseconds between two looks at the event loop since then. libuv looks each millisecond,
 * without any JavaScript; that millisecond is counted.
 */
export const stops = (): Readonly<Record<"watch" | "longest", Round>> => {
  let delays = monitorEventLoopDelay({ resolution: 1 })
  return {
    watch: async () => {
      delays = monitorEventLoopDelay({ resolution: 1 })
      delays.enable()
      // A stop counts from the look before it, so there has to be one; `reset` would forget that one too.
      while (delays.count === 0) await sleep(1)
      return []
    },
    longest: async () => {
      // What goes on right now is seen at the next look.
      await sleep(5)
      const longest = delays.max / 1e6
      delays.disable()
      return [longest]
    }
  }
}
