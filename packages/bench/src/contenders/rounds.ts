/**
 * The rounds of the spawn benchmarks, the same for everybody who starts processes from Node.
 *
 * All start `/bin/true` with `/dev/null` as its standard streams and the environment of this program, wait for its end, and count
 * it only if it exited with 0.
 */
import type { Round } from "../harness/worker.ts"

export const program = "/bin/true"

export interface Starter {
  /** One, from start to collected; whether it exited with 0. */
  readonly one: () => Promise<boolean>
  /** Many; how many of them exited with 0. */
  readonly many: (count: number, parallel: number) => Promise<number>
}

/** What somebody without a better way does to start many: lanes that each start one after the other. */
export const inLanes =
  (one: () => Promise<boolean>): Starter["many"] =>
  async (count, parallel) => {
    let started = 0
    let succeeded = 0
    const lane = async () => {
      while (started < count) {
        started++
        if (await one()) succeeded++
      }
    }
    await Promise.all(Array.from({ length: parallel }, lane))
    return succeeded
  }

const check = (succeeded: number | boolean, expected: number | boolean): void => {
  if (succeeded !== expected) throw new Error(`${succeeded} instead of ${expected} children exited with 0`)
}

/** Microseconds of each of `count`, one at a time. */
const single =
  (starter: Starter): Round =>
  async (count = 0) => {
    const latencies: Array<number> = []
    for (let index = 0; index < count; index++) {
      const begin = performance.now()
      check(await starter.one(), true)
      latencies.push((performance.now() - begin) * 1000)
    }
    return latencies
  }

/** Seconds for all of `count`, and CPU microseconds of this program (all of its threads) for each. */
const batch =
  (starter: Starter): Round =>
  async (count = 0, parallel = 1) => {
    const cpu = process.cpuUsage()
    const begin = performance.now()
    check(await starter.many(count, parallel), count)
    const seconds = (performance.now() - begin) / 1000
    const { system, user } = process.cpuUsage(cpu)
    return [seconds, (system + user) / count]
  }

/**
 * For each of `count` spawns, one at a time, the longest time in milliseconds between two turns of the event loop, from the call to
 * the end of the child: nothing else of this program can run in that time. A turn without work takes about a microsecond.
 */
export const stretches =
  (one: () => Promise<boolean>): Round =>
  async (count = 0) => {
    const results: Array<number> = []
    for (let index = 0; index < count; index++) {
      let longest = 0
      let last = 0
      let over = false
      const look = () => {
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
      }
      const turn = () => {
        look()
        if (!over) setImmediate(turn)
      }
      setImmediate(turn)
      last = performance.now()
      const succeeded = await one()
      look()
      over = true
      check(succeeded, true)
      results.push(longest)
      // The last turn of this loop must not run into the next one.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    }
    return results
  }

/** What an event loop that spins for a millisecond shows without any spawn: the noise of the machine. */
const nothing = stretches(async () => {
  const begin = performance.now()
  while (performance.now() - begin < 1) await new Promise((resolve) => setImmediate(resolve))
  return true
})

export const spawnRounds = (starter: Starter): Readonly<Record<"single" | "batch" | "stretch" | "nothing", Round>> => ({
  single: single(starter),
  batch: batch(starter),
  stretch: stretches(starter.one),
  nothing
})
