/**
 * P10: many processes alive in one nursery, all killed at once and started anew.
 */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { activity } from "../harness/activity.ts"
import type { Arena } from "../harness/arena.ts"
import { Feed, now, variable } from "../harness/feed.ts"
import {
  atMost,
  type Contender,
  type Context,
  compete,
  type Goal,
  type Measurement,
  type Row
} from "../harness/measurement.ts"
import { Worker } from "../harness/worker.ts"

/** Milliseconds that any number of processes may take. */
const patience = 120_000

const append = (figures: Map<string, Array<number>>, key: string, figure: number): void => {
  figures.set(key, [...(figures.get(key) ?? []), figure])
}

/** One program with its crowd, and a bystander. */
class Crowd {
  /** By what was done and how many there were: milliseconds that the event loop stopped. */
  readonly stops = new Map<string, Array<number>>()
  /** The same: microseconds of processor time of the program for each of them. */
  readonly cpu = new Map<string, Array<number>>()
  readonly #arena: Arena
  readonly #feed: Feed
  readonly #worker: Worker
  readonly #bystander: Worker

  constructor(arena: Arena, file: string, program: string) {
    this.#arena = arena
    this.#feed = new Feed(join(arena.subfolder("crowd"), "feed"))
    this.#worker = Worker.start(file, [program], [], { [variable]: this.#feed.path })
    this.#bystander = Worker.start("bystander.ts", [])
  }

  /** Microseconds for each of `count` processes, from the first signal until all run again. */
  async killAll(count: number): Promise<number> {
    this.#arena.step(600)
    const first = await this.#watched(count, "starting", async () => {
      const [, arrived] = await Promise.all([this.#worker.round("hold", count), this.#feed.next(count, patience)])
      return arrived
    })
    const took = await this.#watched(count, "restarting", async () => {
      const begin = now()
      for (const { pid } of first) process.kill(pid, "SIGKILL")
      const second = await this.#feed.next(count, patience)
      return Math.max(...second.map(({ at }) => at)) - begin
    })
    await this.#watched(count, "closing", () => this.#worker.round("letGo"))
    if (this.#feed.take().length > 0) throw new Error("more was started than was killed")
    return (took * 1000) / count
  }

  async close(): Promise<void> {
    await this.#worker.close()
    await this.#bystander.close()
    this.#feed.close()
  }

  async #watched<A>(count: number, what: string, use: () => Promise<A>): Promise<A> {
    await this.#worker.round("watch")
    await this.#bystander.round("watch")
    const before = activity([this.#worker.pid]).cpu
    const result = await use()
    const cpu = activity([this.#worker.pid]).cpu - before
    append(this.cpu, `${what} ${count}`, (cpu * 1000) / count)
    append(this.stops, `${what} ${count}`, (await this.#worker.round("longest"))[0] ?? Number.NaN)
    append(this.stops, `${what}, bystander ${count}`, (await this.#bystander.round("longest"))[0] ?? Number.NaN)
    return result
  }
}

/** How many more processes and threads the kernel has numbers for. */
const room = (): number => {
  const total = Number(/\/(\d+)/.exec(readFileSync("/proc/loadavg", "utf8"))?.[1])
  return Number(readFileSync("/proc/sys/kernel/pid_max", "utf8")) - total
}

const show = (count: number): string => count.toLocaleString("en")

const measure = async (
  context: Context,
  contestant: { readonly file: string; readonly who: string }
): Promise<ReadonlyArray<Measurement>> => {
  const { arena, size } = context
  const { services } = size
  const wanted = [10, 5, 2, 1].map((times) => times * services)
  // A process and its reaper, and some of those that are about to go.
  const sizes = wanted.filter((count) => room() > 2.2 * count + 1000)
  const [most = services] = sizes
  const crowd = new Crowd(arena, contestant.file, context.native.service.static)
  const each = await compete(context, {
    id: "P10",
    work: "processes in one nursery, all killed at once: until all run again, for each of them",
    unit: "µs",
    rounds: Math.min(size.rounds, 3),
    ...(most === wanted[0] ? {} : { note: `this machine has no room for ${show(wanted[0] ?? 0)}` }),
    contenders: [
      ...sizes.map(
        (count): Contender => ({
          who: `${contestant.who}, ${show(count)}`,
          ours: count === most,
          // Linear: with many it takes for each what it takes with few.
          ...(count === most ? {} : { goal: atMost(1.5) }),
          measure: () => crowd.killAll(count)
        })
      ),
      ...[most, services].map((count) => ({
        who: `C loop, ${show(count)}`,
        measure: () => revive(context, count)
      }))
    ]
  })
  await crowd.close()
  const row = (who: string, figures: ReadonlyMap<string, ReadonlyArray<number>>, key: string, goal?: Goal): Row => ({
    who,
    ours: true,
    goal,
    figures: (figures.get(key) ?? []).slice(1)
  })
  const stops = (what: string): Measurement => ({
    id: "P10",
    work: `longest stop of the event loop while ${what} them`,
    unit: "ms",
    note: "looked at each millisecond, which is counted",
    rows: [
      ...sizes.map((count) => row(`${contestant.who}, ${show(count)}`, crowd.stops, `${what} ${count}`, atMost(50))),
      row(`a program beside it that does nothing, ${show(most)}`, crowd.stops, `${what}, bystander ${most}`)
    ]
  })
  const cpu = (what: string): Measurement => ({
    id: "P10",
    work: `processor time of the Node program for ${what} each of them, all of its threads`,
    unit: "µs",
    note: undefined,
    rows: sizes.map((count) => row(`${contestant.who}, ${show(count)}`, crowd.cpu, `${what} ${count}`))
  })
  const steps = ["starting", "restarting", "closing"]
  return [each, ...steps.map(cpu), ...steps.map(stops)]
}

export const crowd = async (context: Context): Promise<ReadonlyArray<Measurement>> => [
  ...(await measure(context, { file: "crowd_tree.ts", who: "Nursery, a supervisor" })),
  ...(await measure(context, { file: "crowd.ts", who: "Nursery, Process.spawn in a loop" }))
]

/** The C loop's microseconds for each. */
const revive = async ({ arena, native }: Context, count: number): Promise<number> => {
  const { stdout } = await promisify(execFile)(native.spawnLoop, ["revive", String(count), native.sleeper], {
    env: { ...process.env, [variable]: arena.folder }
  })
  return (Number(stdout) * 1e6) / count
}
