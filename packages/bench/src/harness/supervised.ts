/**
 * A supervisor with its services, as a program of its own: started, asked for what only it knows, and ended.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Arena } from "./arena.ts"
import { type Arrival, Feed, now, variable } from "./feed.ts"
import { gone, sweep } from "./marker.ts"
import * as Memory from "./memory.ts"

/** How one supervisor is started for some services. */
export interface Launch {
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  /** What asks it to end everything and itself. */
  readonly end: NodeJS.Signals
  /** Answers each line on its standard input with a line, once it has collected its garbage. */
  readonly collects?: boolean
  /** What it does with its services when it ends, where that is not to end them sooner or later. */
  readonly services?: "leaves them" | "has ended all of them before"
}

export interface Supervisor {
  readonly who: string
  readonly ours?: boolean
  /** Makes the files that it reads. `folder` is new, `program` is what each of `services` services runs. */
  readonly prepare: (folder: string, program: string, services: number) => Launch
}

/** Seconds that anything may take before it counts as broken. */
const patience = 120

/** One way to start one supervisor, any number of times. */
export class Stage {
  readonly folder: string
  readonly program: string
  readonly services: number
  readonly #supervisor: Supervisor
  readonly #arena: Arena
  readonly #launch: Launch
  readonly #feed: Feed

  constructor(arena: Arena, supervisor: Supervisor, program: string, services: number) {
    this.folder = arena.subfolder("stage")
    this.program = program
    this.services = services
    this.#supervisor = supervisor
    this.#arena = arena
    this.#launch = supervisor.prepare(this.folder, program, services)
    this.#feed = new Feed(join(this.folder, "feed"))
  }

  /** Returns when all services run. */
  async start(): Promise<Supervised> {
    this.#arena.step(patience)
    this.#feed.take()
    const log = join(this.folder, "log")
    const output = openSync(log, "w")
    const begin = now()
    const child = spawn(this.#launch.program, [...this.#launch.args], {
      cwd: this.folder,
      env: { ...process.env, ...this.#launch.env, [variable]: this.#feed.path },
      stdio: ["pipe", this.#launch.collects === true ? "pipe" : output, output],
      detached: true
    })
    closeSync(output)
    const supervised = new Supervised(this.#supervisor, this.#launch, this, this.#feed, child, begin)
    try {
      await supervised.begin()
    } catch (error) {
      await sweep(this.folder)
      throw new Error(`${this.#supervisor.who}: ${error}\n${readFileSync(log, "utf8").slice(-2000)}`)
    }
    return supervised
  }

  close(): void {
    this.#feed.close()
  }
}

export class Supervised {
  readonly supervisor: Supervisor
  /** Milliseconds from its start until the last service ran. */
  took = 0
  readonly #launch: Launch
  readonly #stage: Stage
  readonly #feed: Feed
  readonly #child: ChildProcess
  readonly #begin: number
  readonly #exit: Promise<unknown>
  /** The oldest first. */
  #running: Array<Arrival> = []
  #lost: string | undefined

  constructor(supervisor: Supervisor, launch: Launch, stage: Stage, feed: Feed, child: ChildProcess, begin: number) {
    this.supervisor = supervisor
    this.#launch = launch
    this.#stage = stage
    this.#feed = feed
    this.#child = child
    this.#begin = begin
    this.#exit = once(child, "exit").then(
      ([code, signal]) => {
        this.#lost = `it has ended with ${code ?? signal}`
      },
      (error) => {
        this.#lost = `it could not be started: ${error}`
      }
    )
  }

  /** @internal */
  async begin(): Promise<void> {
    this.#running = [...(await this.#next(this.#stage.services))]
    this.took = Math.max(...this.#running.map(({ at }) => at)) - this.#begin
    const alive = this.processes().services.length
    if (alive !== this.#stage.services) throw new Error(`${alive} of ${this.#stage.services} services live`)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** All that was started: the supervisor itself with its helpers, and the services. */
  processes(): { readonly helpers: ReadonlyArray<number>; readonly services: ReadonlyArray<number> } {
    const all = [this.pid, ...Memory.descendants(this.pid)]
    const isService = (pid: number) => Memory.executable(pid) === this.#stage.program
    return { helpers: all.filter((pid) => !isService(pid)), services: all.filter(isService) }
  }

  /**
   * Kills the service that has run longest: milliseconds until there is another in its place. It has run for `least` milliseconds, since
   * several supervisors let one wait that ends young.
   */
  async killOne(least: number): Promise<number> {
    const [victim] = this.#running.splice(0, 1)
    if (victim === undefined) throw new Error("no service runs")
    const age = now() - victim.at
    if (age < least) await new Promise((resolve) => setTimeout(resolve, least - age))
    const begin = now()
    process.kill(victim.pid, "SIGKILL")
    const [next] = await this.#next(1)
    if (next === undefined) throw new Error("nothing came")
    this.#running.push(next)
    return next.at - begin
  }

  /** What its language does not use any more is gone when this returns; of those that cannot be asked nothing. */
  async collect(): Promise<void> {
    const { stdin, stdout } = this.#child
    if (this.#launch.collects !== true || stdin === null || stdout === null) return
    const answer = once(stdout, "data")
    stdin.write("collect\n")
    await answer
  }

  /** In an orderly way, and by force what it has left: nothing of it lives when this returns. */
  async end(): Promise<void> {
    const deadline = setTimeout(() => this.#child.kill("SIGKILL"), (patience * 1000) / 4)
    this.#child.kill(this.#launch.end)
    await this.#exit
    clearTimeout(deadline)
    const { services } = this.#launch
    if (services === undefined) await gone(this.#stage.folder, 5000)
    const left = await sweep(this.#stage.folder)
    if (services === "has ended all of them before" && left > 0) {
      throw new Error(`${this.supervisor.who} has left ${left} processes, and ${this.#lost}`)
    }
  }

  #next(count: number): Promise<ReadonlyArray<Arrival>> {
    return this.#feed.next(count, patience * 1000, () => this.#lost)
  }
}
