/**
 * What the tests of the keeper client share: requests, observers that remember, and helpers that go away with the test.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { locate } from "@nursery/keeper"
import { onTestFinished } from "vitest"
import type {
  FdRequest,
  Observer,
  OpenedFd,
  RawNotification,
  RawUsage,
  SpawnFailure,
  SpawnRequest,
  Ticket
} from "../../src/internal/backend.ts"
import { type ClientOptions, KeeperClient } from "../../src/internal/keeper/client.ts"
import type { Tuning } from "../../src/internal/keeper/encoder.ts"
import type { KeeperLost, KeeperUnavailable } from "../../src/ProcessError.ts"

export const tuning: Tuning = {
  // Stand-ins are programs of Node, which may take their time to start.
  readyDeadline: 60_000,
  ownerDeathGrace: 2_000,
  spawnDeadline: 10_000,
  killDeadline: 5_000,
  idleReapers: 2
}

export const keeperPath = (): string => {
  const keeper = locate()
  if (keeper._tag === "KeeperMissing") throw new Error(keeper.message)
  return keeper.path
}

const inherited: ReadonlyArray<FdRequest> = [
  { target: 0, kind: "null" },
  { target: 1, kind: "inherit", source: 1 },
  { target: 2, kind: "inherit", source: 2 }
]

export const request = (argv: ReadonlyArray<string>, options: Partial<SpawnRequest> = {}): SpawnRequest => ({
  program: argv[0] ?? "",
  argv,
  searchPath: "/usr/local/bin:/usr/bin:/bin",
  cwd: "",
  clearEnv: false,
  env: [],
  level: "tree",
  session: "new",
  stop: { signal: 15, reach: "group", grace: 2_000, linger: 2_000 },
  umask: undefined,
  fds: inherited,
  shellFallback: false,
  groupOnFailure: false,
  ...options
})

export const shell = (script: string, options: Partial<SpawnRequest> = {}): SpawnRequest =>
  request(["/bin/sh", "-c", script], options)

/** All descriptors to /dev/null but those given. */
export const fds = (...given: ReadonlyArray<FdRequest>): ReadonlyArray<FdRequest> => [
  ...[0, 1, 2]
    .filter((target) => !given.some((fd) => fd.target === target))
    .map((target) => ({ target, kind: "null" }) as const),
  ...given
]

export type Happening =
  | { readonly _tag: "started"; readonly pid: number; readonly helper: number; readonly fds: ReadonlyArray<OpenedFd> }
  | { readonly _tag: "failed"; readonly failure: SpawnFailure }
  | { readonly _tag: "exited"; readonly status: number; readonly usage: RawUsage }
  | { readonly _tag: "ended" }
  | { readonly _tag: "lost"; readonly error: KeeperLost }
  | { readonly _tag: "unkillable"; readonly pids: ReadonlyArray<number> }
  | { readonly _tag: "notified"; readonly notification: RawNotification }

/** Remembers what happened, in order, and lets a test wait for it. */
export class Recorder implements Observer {
  readonly happened: Array<Happening> = []
  readonly #waiting = new Map<string, Array<() => void>>()

  started(pid: number, helper: number, fds: ReadonlyArray<OpenedFd>): void {
    this.#add({ _tag: "started", pid, helper, fds })
  }
  failed(failure: SpawnFailure): void {
    this.#add({ _tag: "failed", failure })
  }
  exited(status: number, usage: RawUsage): void {
    this.#add({ _tag: "exited", status, usage })
  }
  ended(): void {
    this.#add({ _tag: "ended" })
  }
  lost(error: KeeperLost): void {
    this.#add({ _tag: "lost", error })
  }
  unkillable(pids: ReadonlyArray<number>): void {
    this.#add({ _tag: "unkillable", pids })
  }
  notified(notification: RawNotification): void {
    this.#add({ _tag: "notified", notification })
  }

  get tags(): ReadonlyArray<Happening["_tag"]> {
    return this.happened.map((happening) => happening._tag)
  }

  async until<T extends Happening["_tag"]>(tag: T): Promise<Extract<Happening, { readonly _tag: T }>> {
    for (;;) {
      const found = this.happened.find(
        (happening): happening is Extract<Happening, { readonly _tag: T }> => happening._tag === tag
      )
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        this.#waiting.set(tag, [...(this.#waiting.get(tag) ?? []), resolve])
      })
    }
  }

  #add(happening: Happening): void {
    this.happened.push(happening)
    const waiting = this.#waiting.get(happening._tag) ?? []
    this.#waiting.delete(happening._tag)
    for (const resume of waiting) resume()
  }
}

export const start = (client: KeeperClient, request: SpawnRequest): { ticket: Ticket; seen: Recorder } => {
  const seen = new Recorder()
  return { ticket: client.spawn(request, seen), seen }
}

export const opened = (client: KeeperClient): Promise<KeeperUnavailable | undefined> =>
  new Promise((resolve) => client.open(resolve))

export const closed = (client: KeeperClient): Promise<void> => new Promise((resolve) => client.dispose(resolve))

/** A client that is closed when the test ends, whatever its outcome. */
export const client = async (options: Partial<ClientOptions> = {}): Promise<KeeperClient> => {
  const made = new KeeperClient({
    path: keeperPath(),
    tuning,
    warn: (message) => {
      throw new Error(message)
    },
    ...options
  })
  onTestFinished(() => closed(made))
  const error = await opened(made)
  if (error !== undefined) throw error
  return made
}

export interface Helpers {
  readonly guard: number
  readonly keeper: number
}

export const helpersOf = (client: KeeperClient): Helpers | undefined => client.helpers

export const helpers = (client: KeeperClient): Helpers => {
  if (client.helpers === undefined) throw new Error("no helpers")
  return client.helpers
}

export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), "nursery-"))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A program that stands in for the keeper. Its frames are on descriptor 3. */
export const script = (interpreter: string, text: string): string => {
  const path = join(folder(), "keeper")
  writeFileSync(path, `#!${interpreter}\n${text}\n`)
  chmodSync(path, 0o755)
  return path
}

export const socketOf = (fds: ReadonlyArray<OpenedFd>, target: number): Socket => {
  const fd = fds.find((fd) => fd.target === target)
  if (fd === undefined) throw new Error(`no descriptor ${target}`)
  const { handle, kind } = fd
  if (handle instanceof Socket) return handle
  if (typeof handle !== "number") throw new Error(`descriptor ${target} has no descriptor here`)
  return new Socket({ fd: handle, readable: kind === "pipeOut", writable: kind === "pipeIn" })
}

export const text = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** What the program writes to its stdout. */
export const output = async (client: KeeperClient, request: SpawnRequest): Promise<string> => {
  const others = request.fds.filter(({ target }) => target !== 1)
  const { seen } = start(client, { ...request, fds: [...others, { target: 1, kind: "pipeOut" }] })
  const { fds: opened } = await seen.until("started")
  const result = await text(socketOf(opened, 1))
  await seen.until("ended")
  return result
}

export const isAlive = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return !["Z", "X"].includes(stat[stat.lastIndexOf(")") + 2] ?? "")
  } catch {
    return false
  }
}

/** How many descriptors of this program are open. The one that lists them is not counted. */
export const openDescriptors = (): number => readdirSync("/proc/self/fd").length - 1

/** Waits for what no event tells; fails by the time limit of the test. */
export const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

/** How many descriptors of another process are open. */
export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
