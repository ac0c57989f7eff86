/**
 * Processes by `node:child_process` alone: the same interface as the keeper, with the promises of the platform.
 *
 * Each child leads a process group of its own, which is all that POSIX lets one signal at once without a helper process. What
 * does not hold here is listed in `guarantees.ts` of this directory, and nowhere is it pretended to.
 *
 * @internal
 */
import type { Backend, Observer, SpawnRequest, Ticket } from "../backend.ts"
import { Child } from "./child.ts"
import { guarantees } from "./guarantees.ts"

/** The longest that `close` waits for a child that asked for more, in milliseconds. */
const closingGrace = 2_000

export const make = (): Backend => {
  const children = new Set<Child>()

  // An orderly end of this program takes its children along; nothing can be done about SIGKILL from in here.
  const onExit = () => {
    for (const child of children) child.killNow()
  }

  const add = (child: Child) => {
    if (children.size === 0) process.on("exit", onExit)
    children.add(child)
  }

  return {
    guarantees: () => guarantees,
    pipe: undefined,
    spawn: (request: SpawnRequest, observer: Observer): Ticket => {
      const child = new Child(request, observer, () => {
        children.delete(child)
        if (children.size === 0) process.off("exit", onExit)
      })
      add(child)
      child.start()
      return child
    },
    close: (done) => {
      const pending = Array.from(children).filter((child) => !child.isReleased)
      let left = pending.length
      if (left === 0) return void setImmediate(done)
      for (const child of pending) {
        child.whenGone(() => {
          if (--left === 0) done()
        })
        const { stop } = child.request
        child.stop({ ...stop, grace: Math.min(stop.grace ?? closingGrace, closingGrace), linger: closingGrace })
      }
    }
  }
}
