/**
 * Runs a program of `programs/` as an owner of processes, under the init of `init.c`, which tells what the program left behind: not
 * even a zombie can hide from it.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { chownSync, copyFileSync, existsSync, linkSync, mkdirSync, renameSync } from "node:fs"
import { join } from "node:path"
import { Readable, Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { init } from "./native.ts"
import * as Proc from "./proc.ts"
import type { Stage } from "./stage.ts"
import { within } from "./within.ts"

/** What is left of an owner may take this long to end, on a slow machine on which others work as well. */
const LIMIT = 30_000

/** And all that an owner does, from its start to that end. */
const LIFE = 110_000

/** The user `nobody` of most systems: any number without privilege will do. */
export const ORDINARY_USER = 65534

/** One for each test file, so that no other test's processes count against the limit of its own. */
const LIMITED_USER = 20_000 + (process.pid % 40_000)

export interface Collected {
  readonly pid: number
  readonly name: string
  readonly status: number
}

export interface Left {
  readonly pid: number
  readonly name: string
  readonly state: string
}

/** What became of an owner and of all that it started. */
export interface Report {
  /** The exit code of the owner, or its signal as a negative number. */
  readonly status: number
  /** What fell to init: the guard, and nothing else where all helpers have done their work. */
  readonly collected: ReadonlyArray<Collected>
  /** What was alive when init had waited long enough. */
  readonly left: ReadonlyArray<Left>
  /** From the owner's end until nothing was left, in milliseconds. */
  readonly time: number
}

export interface Options {
  /** As an ordinary user; no difference for those who are one. */
  readonly ordinary?: boolean
  /** How many more processes its user may have; no limit for root. */
  readonly processes?: number
  /** A program in place of Node, which gets Node and its arguments as its own. */
  readonly under?: ReadonlyArray<string>
  /** For Node. */
  readonly nodeOptions?: ReadonlyArray<string>
}

/** Whether this user can become another one. */
export const isPrivileged = process.getuid?.() === 0

const compiled = join(import.meta.dirname, "../../../../node_modules/.nursery-compiled")

/** Where Node keeps compiled modules for a user: most of an owner's start is compiling them. */
const compileCache = (user: number): string => {
  const folder = join(compiled, String(user))
  try {
    mkdirSync(folder, { recursive: true })
    if (isPrivileged) chownSync(folder, user, user)
  } catch {
    // A checkout that cannot be written to: then the owners start more slowly.
  }
  return folder
}

/**
 * A Node that every user can run. npx keeps its own below the home of the one who called it, which for root is closed: then a
 * link to it, or a copy, beside the compiled modules.
 */
const nodeForAll = (): string => {
  const { status } = spawnSync(process.execPath, ["--version"], { uid: ORDINARY_USER, gid: ORDINARY_USER, cwd: "/" })
  if (status === 0) return process.execPath
  const path = join(compiled, `node-${process.version}`)
  if (existsSync(path)) return path
  const draft = `${path}.${process.pid}`
  mkdirSync(compiled, { recursive: true })
  try {
    linkSync(process.execPath, draft)
  } catch {
    // Another file system.
    copyFileSync(process.execPath, draft)
  }
  renameSync(draft, path)
  return path
}

let ordinaryNode: string | undefined

const nodeFor = (changesUser: boolean): string => {
  if (!changesUser) return process.execPath
  ordinaryNode ??= nodeForAll()
  return ordinaryNode
}

/** For what is run as an ordinary user without an `Owner`. */
export const nodeForOrdinary = (): string => nodeFor(true)

const fromWaitStatus = (status: number): number => ((status & 127) === 0 ? status >> 8 : -(status & 127))

export class Owner {
  readonly #init: ChildProcess
  readonly #orders: Writable
  readonly #collected: Array<Collected> = []
  readonly #left: Array<Left> = []
  readonly #started: Promise<number>
  readonly #ended: Promise<Report>
  #status: number | undefined
  #time: number | undefined
  #output = ""

  constructor(stage: Stage, program: string, args: ReadonlyArray<string>, options: Options) {
    const changesUser = isPrivileged && options.ordinary === true
    const ordinaryUser = options.processes === undefined ? ORDINARY_USER : LIMITED_USER
    const user = changesUser ? ordinaryUser : (process.getuid?.() ?? 0)
    const orders = changesUser ? ["-u", String(user)] : []
    if (options.processes !== undefined) orders.push("-n", String(options.processes + Proc.tasksOf(user)))
    const node = [nodeFor(changesUser), ...(options.nodeOptions ?? []), join(import.meta.dirname, "programs", program)]
    this.#init = spawn(init(), [...orders, String(LIMIT), ...(options.under ?? []), ...node, ...args], {
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      // A session of its own: a stopped member of an orphaned group brings SIGHUP upon all of it, the tests included (setpgid(2)).
      detached: true,
      // Where a core would be written.
      cwd: stage.folder,
      env: {
        ...process.env,
        ...stage.environment,
        // Nobody will be the user of a limited owner again.
        ...(user === LIMITED_USER ? undefined : { NODE_COMPILE_CACHE: compileCache(user) })
      }
    })
    const [stdin, stdout, stderr, report] = this.#init.stdio
    if (!(stdin instanceof Writable && report instanceof Readable)) throw new Error("init has no pipes")
    this.#orders = stdin
    for (const stream of [stdout, stderr]) stream?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()))
    // Orders to an init that has left are of no consequence.
    stdin.on("error", () => {})
    stage.news.witnesses.push(() => `the owner ended with ${this.#status ?? "nothing yet"} and wrote: ${this.#output}`)
    this.#started = new Promise((resolve) => this.#read(report, resolve))
    this.#ended = new Promise((resolve) => {
      this.#init.once("close", () => {
        resolve({
          status: this.#status ?? Number.NaN,
          collected: this.#collected,
          left: this.#left,
          time: this.#time ?? Number.NaN
        })
      })
    })
  }

  get output(): string {
    return this.#output
  }

  /** Its pid, when it has been started. */
  get started(): Promise<number> {
    return within(this.#started, "start an owner", () => this.#output)
  }

  /** Waits until it has ended and nothing is left. */
  get ended(): Effect.Effect<Report> {
    return Effect.promise(() => within(this.#ended, "see an owner end", () => this.#output, LIFE))
  }

  /** The helpers of its first nursery. */
  get family(): Effect.Effect<Proc.Family> {
    return Effect.promise(async () => {
      const [family] = Proc.families(await this.started)
      if (family === undefined) throw new Error(`the owner has no helpers; it said: ${this.#output}`)
      return family
    })
  }

  /** Sends a signal to all of them at once. */
  kill(signal: number, ...pids: ReadonlyArray<number | "owner">): void {
    this.#orders.write(`kill ${signal} ${pids.join(" ")}\n`)
  }

  /** Ends everything of it that may be there. */
  async close(): Promise<void> {
    this.#orders.end()
    await this.#ended
  }

  #read(report: Readable, started: (pid: number) => void): void {
    let rest = ""
    report.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) this.#take(JSON.parse(line), started)
    })
  }

  #take(line: InitLine, started: (pid: number) => void): void {
    const { name = "", state = "", status = 0 } = line
    if (line.started !== undefined) started(line.started)
    if (line.ended !== undefined) this.#status = fromWaitStatus(line.ended)
    if (line.collected !== undefined)
      this.#collected.push({ pid: line.collected, name, status: fromWaitStatus(status) })
    if (line.left !== undefined) this.#left.push({ pid: line.left, name, state })
    if (line.empty !== undefined) this.#time = line.empty
  }
}

/** What init writes: see `init.c`. */
interface InitLine {
  readonly started?: number
  readonly ended?: number
  readonly collected?: number
  readonly left?: number
  readonly empty?: number
  readonly name?: string
  readonly state?: string
  readonly status?: number
}

/** Most of an owner's start is work for the processor, so that more at once would only be slower. */
const atOnce = Semaphore.makeUnsafe(2)

/** Starts an owner; should the test fail, it is ended with all that it started. */
export const start = (
  stage: Stage,
  program: string,
  args: ReadonlyArray<string> = [],
  options: Options = {}
): Effect.Effect<Owner, never, Scope.Scope> =>
  Effect.andThen(
    Effect.acquireRelease(atOnce.take(1), () => atOnce.release(1)),
    acquire(stage, program, args, options)
  )

const acquire = (stage: Stage, program: string, args: ReadonlyArray<string>, options: Options) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const owner = new Owner(stage, program, args, options)
      await owner.started
      return owner
    }),
    (owner) => Effect.promise(() => owner.close())
  )

/** Why no program can be run here as an ordinary user: a checkout that only root can read. */
export const ordinaryProblem = (): string | undefined => {
  if (!isPrivileged) return undefined
  const read = "process.argv.slice(1).forEach((path) => require('node:fs').accessSync(path, 4))"
  const user = { uid: ORDINARY_USER, gid: ORDINARY_USER, cwd: "/", encoding: "utf8" } as const
  const { error, status, stderr } = spawnSync(nodeFor(true), ["-e", read, import.meta.filename, init()], user)
  return status === 0 ? undefined : (error?.message ?? stderr)
}
