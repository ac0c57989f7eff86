/**
 * For how long the event loop of a program has been stopped: a round for contenders.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import type { Round } from "./worker.ts"

/**
 * `watch` begins, `longest` gives the most milliseconds between two looks at the event loop since then. libuv looks each millisecond,
 * without any JavaScript; that millisecond is counted.
 */
export const stops = (): Readonly<Record<"watch" | "longest", Round>> => {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  return {
    watch: async () => {
      delays.enable()
      delays.reset()
      return []
    },
    longest: async () => {
      // What goes on right now is seen at the next look.
      await new Promise((resolve) => setTimeout(resolve, 5))
      const longest = delays.max / 1e6
      delays.disable()
      return [longest]
    }
  }
}
