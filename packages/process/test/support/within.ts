/** Bounds every wait of these tests: a wait that fails says what it waited for, and what there was instead. */

const LIMIT = 10_000

export const within = async <A>(
  wait: Promise<A>,
  what: string,
  instead: () => string = () => "nothing came",
  limit = LIMIT
): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms to ${what}; ${instead()}`)), limit)
  })
  try {
    return await Promise.race([wait, expired])
  } finally {
    clearTimeout(timer)
  }
}
