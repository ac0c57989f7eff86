/**
 * A worker: takes one number after the other and factors it. That may take long, and would stop a server for as long: hence a process.
 */
import { setTimeout } from "node:timers/promises"
import { makeClient } from "../client.ts"
import { finish, type Job, take } from "../jobs.ts"

const [, , socket = "", name = ""] = process.argv
const store = makeClient(socket)

const maxAttempts = 3

const factorsOf = (number: number): ReadonlyArray<number> => {
  // Nobody has thought of this when the server was written, so the worker dies of it.
  if (!Number.isSafeInteger(number) || number < 1) throw new RangeError(`${number} has no factors`)
  const factors: Array<number> = []
  let rest = number
  for (let factor = 2; factor * factor <= rest; factor++) {
    for (; rest % factor === 0; rest /= factor) factors.push(factor)
  }
  return rest > 1 ? [...factors, rest] : factors
}

const work = ({ attempt, number }: Job): string =>
  attempt > maxAttempts
    ? `${number}: given up, after it has ended ${maxAttempts} workers`
    : `${number} = ${factorsOf(Number(number)).join(" * ")}`

// One line in the log is enough.
process.on("uncaughtException", (error) => {
  console.error(error.message)
  process.exit(1)
})

while (true) {
  // A store that is away is the supervisor's concern, which stops this process until it is back.
  const job = await take(store, name).catch(() => undefined)
  if (job === undefined) await setTimeout(50)
  else await finish(store, name, job, work(job)).catch(() => undefined)
}
