/** Numbers that look random and are the same for the same seed (mulberry32), so that a failure can be repeated. */

export interface Random {
  readonly seed: number
  /** From 0 up to `limit`, which is excluded. */
  readonly below: (limit: number) => number
  readonly pick: <A>(values: readonly [A, ...ReadonlyArray<A>]) => A
}

const FIXED_SEED = 20260731

/** The seed is fixed, or `NURSERY_SEED`; it is printed. */
export const make = (name: string): Random => {
  const seed = Number(process.env["NURSERY_SEED"] ?? FIXED_SEED)
  console.log(`${name}: NURSERY_SEED=${seed}`)
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number): number => next() % limit
  return { seed, below, pick: (values) => values[below(values.length)] ?? values[0] }
}

/** The longer form of a test, for those who ask for it. */
export const isCampaign = process.env["NURSERY_CAMPAIGN"] !== undefined
