/**
 * The rounds of the throughput benchmarks: the same producer, the same check that everything arrived.
 */
import type { Round } from "../harness/worker.ts"

/** Set by the benchmark: the program that writes `<bytes>` in blocks of `<block>`. */
export const producer = process.argv[2] ?? ""

/** Seconds that it takes to get all bytes, where `read` gives how many came. */
export const timed =
  (read: (bytes: number, block: number) => Promise<number>): Round =>
  async (bytes = 0, block = 0) => {
    const begin = performance.now()
    const got = await read(bytes, block)
    const seconds = (performance.now() - begin) / 1000
    if (got !== bytes) throw new Error(`${got} instead of ${bytes} bytes came`)
    return [seconds]
  }
