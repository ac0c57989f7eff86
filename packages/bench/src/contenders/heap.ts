/**
 * A heap of a given size in this program, as a second argument `<bytes>` asks for it: a fork copies the tables of its pages.
 */

/** Arrays of references, 64 kB each: ordinary objects for the collector, and soon made. */
const slots = 8192

const kept: Array<ReadonlyArray<object>> = []

export const keepHeap = (): void => {
  const bytes = Number(process.argv[3] ?? 0)
  const shared = {}
  while (kept.length * slots * 8 < bytes) kept.push(new Array<object>(slots).fill(shared))
  // All of it moves to the old generation now, not while something is measured.
  if (bytes === 0) return
  globalThis.gc?.()
  const used = process.memoryUsage().heapUsed
  if (used < bytes) throw new Error(`the heap has ${used} instead of ${bytes} bytes`)
}
