/**
 * What the application is about: numbers that wait to be factored. Each is one job, and a job is in one list at a time: it waits in
 * `waiting`, or it is in the hands of one worker. It leaves the worker's list when its result is written, so a worker that dies, or
 * a store that does, loses none.
 */
import type { Client } from "./client.ts"

export const waiting = "waiting"
const heldBy = (worker: string) => `held by ${worker}`
const resultOf = (id: string) => `result of ${id}`

export interface Job {
  readonly id: string
  readonly number: string
  /** 1 for the first. */
  readonly attempt: number
}

export const submit = async ({ call }: Client, number: string): Promise<string> => {
  const id = String(await call("INCR", "last id"))
  await call("RPUSH", waiting, `${id} ${number}`)
  return id
}

/** The job that this worker did not finish in its last life, or else the next one. */
export const take = async ({ call }: Client, worker: string): Promise<Job | undefined> => {
  const held = heldBy(worker)
  const job = (await call("LINDEX", held, "0")) ?? (await call("LMOVE", waiting, held, "LEFT", "RIGHT"))
  if (typeof job !== "string") return undefined
  const [id = "", number = ""] = job.split(" ")
  return { id, number, attempt: Number(await call("INCR", `attempts of ${id}`)) }
}

export const finish = async ({ call }: Client, worker: string, { id, number }: Job, result: string): Promise<void> => {
  await call("SET", resultOf(id), result)
  await call("LREM", heldBy(worker), "1", `${id} ${number}`)
  await call("INCR", "done")
}

export const result = async ({ call }: Client, id: string): Promise<string | undefined> => {
  const text = await call("GET", resultOf(id))
  return typeof text === "string" ? text : undefined
}

export const counts = async ({ call }: Client) => ({
  waiting: Number(await call("LLEN", waiting)),
  done: Number(await call("GET", "done"))
})
