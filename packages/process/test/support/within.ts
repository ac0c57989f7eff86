/** Bounds every wait of these tests: a wait that fails says what it waited for, and what there was instead. */

/** Long enough for a slow machine that is busy with other things: only what never comes takes it. */
const LIMIT = 60_000

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

/** Asks again until it is so, for what no event tells of; with pauses, for those who are waited for need the processor too. */
export const until = (
  what: string,
  holds: () => boolean,
  instead: () => string = () => "it has not come"
): Promise<void> => {
  let given = false
  const poll = async (): Promise<void> => {
    while (!given && !holds()) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return within(poll(), what, () => {
    given = true
    return instead()
  })
}
