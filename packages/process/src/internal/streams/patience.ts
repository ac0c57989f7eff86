/**
 * Reading a pipe now and then, before it is worth to register it with the event loop.
 *
 * Most processes that are run for their output say little and end soon, and what they say waits in the pipe: it is read at their
 * exit. Registering a pipe costs more than all the rest of such a run. So it is left alone for a few milliseconds, then looked at
 * in growing intervals, and registered once much was found or it has taken long.
 *
 * @internal
 */

// Taken at the beginning: a test that stops the clock of its program must not stop the output of its processes.
const { clearTimeout, setTimeout } = globalThis

const firstDelay = 3
const lastDelay = 24
// Half of what a pipe holds: the writer may be waiting soon.
const much = 32 * 1024

/**
 * Calls `look`, which tells how many bytes it has found, negative for no more to come; and `start` when it is worth it. The
 * function that is given back ends it.
 */
export const begin = (look: () => number, start: () => void): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  const wait = (delay: number): void => {
    timer = setTimeout(() => {
      const found = look()
      if (found < 0) return
      if (found >= much || delay >= lastDelay) start()
      else wait(delay * 2)
    }, delay)
  }
  wait(firstDelay)
  return () => clearTimeout(timer)
}
