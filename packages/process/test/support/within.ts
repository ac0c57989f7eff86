/** Bounds every wait of these tests: a wait that fails says what it waited for, and what there was instead. */

const LIMIT = 20_000

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

/** Waits for what no event tells of, a turn of the event loop at a time. */
export const until = (
  what: string,
  holds: () => boolean,
  instead: () => string = () => "it has not come"
): Promise<void> => {
  let given = false
  const poll = async (): Promise<void> => {
    while (!given && !holds()) await new Promise((resolve) => setImmediate(resolve))
  }
  return within(poll(), what, () => {
    given = true
    return instead()
  })
}
