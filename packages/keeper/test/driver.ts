/**
 * A keeper that is driven frame by frame: below an owner that a test can kill, which is below an init that reports what is left.
 */
import { type ChildProcess, spawn as spawnProcess } from "node:child_process"
import { chmodSync, closeSync, constants, openSync, readdirSync, readFileSync } from "node:fs"
import { Socket } from "node:net"
import { join } from "node:path"
import * as F from "./frames.ts"
import * as Tools from "./tools.ts"

/** What one of the processes that fell to the init was. */
export interface Orphan {
  readonly pid: number
  readonly name: string
  readonly status: number
}

/** What was left when the owner had ended. */
export interface Report {
  readonly ownerStatus: number
  readonly collected: ReadonlyArray<Orphan>
  readonly left: ReadonlyArray<string>
  /** From the owner's end to that of the last process. */
  readonly milliseconds: number
  /** What the sanitizers have found. */
  readonly findings: string
}

export interface Options {
  readonly keeper?: string
  readonly emulator?: string
  readonly uid?: number
  /** Further options of the init: see `native/init.c`. */
  readonly init?: ReadonlyArray<string>
  readonly hello?: Partial<F.Hello>
  /** Where the numbers of requests begin after HELLO, for tests that choose small ones themselves. */
  readonly firstId?: number
  /** No HELLO is sent. */
  readonly silent?: boolean
  /** Of the init, and so the owner's standard streams. */
  readonly stdio?: readonly [
    number | "ignore" | "inherit",
    number | "ignore" | "inherit",
    number | "ignore" | "inherit"
  ]
  readonly env?: NodeJS.ProcessEnv
}

interface Waiter {
  readonly id: number
  readonly types: ReadonlyArray<F.Answer["type"]>
  readonly tell: (answer: F.Answer | undefined) => void
}

type Of<T extends F.Answer["type"]> = Extract<F.Answer, { readonly type: T }>

/** Text that arrives in lines, and who waits for one. */
export class Lines {
  readonly all: Array<string> = []
  readonly ended: Promise<void>
  #rest = ""
  #waiters: Array<() => void> = []
  #over = false

  constructor(source: Socket) {
    this.ended = new Promise((resolve) => {
      source.on("data", (chunk: Buffer) => {
        const parts = (this.#rest + chunk.toString("latin1")).split("\n")
        this.#rest = parts.pop() ?? ""
        this.all.push(...parts)
        this.#wake()
      })
      source.on("close", () => {
        this.#over = true
        this.#wake()
        resolve()
      })
      source.on("error", () => source.destroy())
    })
  }

  /** The first line from the number `from` on that begins like this. */
  async find(start: string, from = 0): Promise<string> {
    for (let seen = from; ; ) {
      for (; seen < this.all.length; seen++) {
        const line = this.all[seen]
        if (line?.startsWith(start) === true) return line
      }
      if (this.#over) throw new Error(`no line begins with ${JSON.stringify(start)}:\n${this.all.join("\n")}`)
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

const number = (line: string, word: number): number => Number(line.split(" ")[word])

const socketOf = (child: ChildProcess, index: number): Socket => {
  // Wider than what Node's types know: there are as many as were asked for.
  const stdio: ReadonlyArray<unknown> = child.stdio
  const stream = stdio[index]
  if (!(stream instanceof Socket)) throw new Error(`no socket at ${index}`)
  return stream
}

const readFindings = (folder: string): string =>
  readdirSync(folder)
    .filter((name) => name.startsWith("found"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n")

/** A process that was asked for. */
export class Spawned {
  readonly #family: Family
  readonly id: number

  constructor(family: Family, id: number) {
    this.#family = family
    this.id = id
  }

  /** STARTED, or an error that shows what came instead. */
  async started(): Promise<Of<"started">> {
    const answer = await this.answered()
    if (answer.type !== "started") throw new Error(`did not start: ${JSON.stringify(answer)}`)
    return answer
  }

  /** What came of the request itself. */
  answered(): Promise<F.Answer> {
    return this.#family.answer(this.id, ["started", "failed", "lost"])
  }

  failed(): Promise<Of<"failed">> {
    return this.#family.only(this.id, "failed", ["started"])
  }

  exited(): Promise<Of<"exited">> {
    return this.#family.only(this.id, "exited", ["failed", "lost"])
  }

  lost(): Promise<Of<"lost">> {
    return this.#family.only(this.id, "lost", ["failed", "exited"])
  }

  unkillable(): Promise<Of<"unkillable">> {
    return this.#family.only(this.id, "unkillable", ["failed"])
  }

  /** The next message of its processes. */
  notified(): Promise<Of<"notify">> {
    return this.#family.notified(this.id)
  }

  /** Until nothing of it is left, however that is told. */
  async ended(): Promise<void> {
    const answer = await this.#family.answer(this.id, ["ended", "failed", "exited"])
    if (answer.type === "exited" && !answer.ended) await this.#family.answer(this.id, ["ended"])
  }

  stop(policy?: F.Policy): void {
    this.#family.send(F.Request.stop, this.id, F.policy(policy))
  }

  cancel(): void {
    this.#family.send(F.Request.cancel, this.id)
  }

  /** errno of the answer. */
  signal(signal: number, reach: number = F.Reach.leader): Promise<number> {
    const request = this.#family.nextId()
    this.#family.send(F.Request.signal, request, Buffer.concat([F.u32(this.id), Buffer.from([signal, reach, 0, 0])]))
    return this.#family.done(request)
  }

  release(): Promise<number> {
    this.#family.send(F.Request.release, this.id)
    return this.#family.done(this.id)
  }

  retain(): Promise<number> {
    this.#family.send(F.Request.retain, this.id)
    return this.#family.done(this.id)
  }
}

export class Family {
  /** The socket has closed on the keeper's side. */
  readonly closed: Promise<void>
  /** Emulated, a process is not a subreaper: what its tree leaves falls to the init. */
  readonly emulated: boolean
  readonly #init: ChildProcess
  readonly #socket: Socket
  readonly #orders: Socket
  readonly #report: Lines
  readonly #findings: string
  readonly #answers = new Map<number, Array<F.Answer>>()
  #waiters: Array<Waiter> = []
  #rest: Buffer = Buffer.alloc(0)
  #lastId = 0
  #isClosed = false
  #error: unknown
  #looked = new Map<number, number>()
  #heard = new Map<number, number>()
  /** From READY. */
  keeper = 0
  guard = 0
  features = 0
  owner = 0

  constructor(options: Options) {
    this.#findings = Tools.temporaryFolder()
    const log = join(this.#findings, "found")
    const { emulator, keeper = Tools.releaseKeeper() } = options
    this.emulated = emulator !== undefined
    // What is found may be written by another user.
    chmodSync(this.#findings, 0o777)
    const user = options.uid === undefined || !Tools.isRoot ? [] : ["-u", `${options.uid}`]
    this.#init = spawnProcess(
      Tools.init(),
      [...user, ...(options.init ?? []), ...(emulator === undefined ? [] : [emulator]), keeper],
      {
        // A session of its own: a stopped member of an orphaned group brings SIGHUP upon all of it, the tests included (setpgid(2)).
        detached: true,
        stdio: [...(options.stdio ?? ["ignore", "ignore", "inherit"]), "pipe", "pipe", "pipe"],
        env: {
          ...process.env,
          ASAN_OPTIONS: `log_path=${log}:detect_leaks=1:abort_on_error=0:handle_segv=1`,
          UBSAN_OPTIONS: `log_path=${log}:print_stacktrace=1`,
          LSAN_OPTIONS: `log_path=${log}`,
          ...options.env
        }
      }
    )
    this.#socket = socketOf(this.#init, 3)
    this.#orders = socketOf(this.#init, 4)
    this.#report = new Lines(socketOf(this.#init, 5))
    this.#orders.on("error", () => {})
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.#isClosed = true
        for (const waiter of this.#waiters.splice(0)) waiter.tell(undefined)
        resolve()
      })
    })
    this.#socket.on("error", () => this.#socket.destroy())
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk))
  }

  static async start(options: Options = {}): Promise<Family> {
    const family = new Family(options)
    family.owner = number(await family.#report.find("owner "), 1)
    if (options.silent === true) return family
    family.send(F.Request.hello, family.nextId(), F.hello(options.hello))
    const ready = await family.only(1, "ready", ["refused"])
    family.keeper = ready.keeper
    family.guard = ready.guard
    family.features = ready.features
    family.#lastId = options.firstId ?? family.#lastId
    const path = `PATH=${process.env["PATH"]}`
    family.send(F.Request.environment, family.nextId(), Buffer.concat([F.u32(1), F.strings(path)]))
    return family
  }

  nextId(): number {
    return ++this.#lastId
  }

  send(type: number, id: number, payload?: Buffer): void {
    this.write(F.frame(type, id, payload))
  }

  write(bytes: Buffer): void {
    if (!this.#isClosed) this.#socket.write(bytes)
  }

  /** Bytes that have not left this process yet. */
  get unsent(): number {
    return this.#socket.writableLength
  }

  spawn(spawn: F.Spawn): Spawned {
    const id = this.nextId()
    this.send(F.Request.spawn, id, F.spawn(spawn))
    return new Spawned(this, id)
  }

  /** A probe that does this. */
  probe(words: ReadonlyArray<string>, spawn: Partial<F.Spawn> = {}): Spawned {
    return this.spawn({ argv: [Tools.probe(), ...words], ...spawn })
  }

  /** Starts a probe and returns everything that it writes, once its stdout ends. */
  async output(words: ReadonlyArray<string>, spawn: Partial<F.Spawn> = {}): Promise<string> {
    const fds = [{ target: 1, kind: F.Kind.pipeOut }, ...(spawn.fds ?? [{ target: 0, kind: F.Kind.null }])]
    const child = this.probe(words, { ...spawn, fds })
    return this.read(await child.started())
  }

  /** The socket of one of the pipes that were lent; the keeper lets go of its own. */
  open(started: Of<"started">, target: number): Socket {
    const lent = started.lent.find((fd) => fd.target === target)
    if (lent === undefined) throw new Error(`no pipe for descriptor ${target}`)
    const path = `/proc/${this.keeper}/fd/${lent.descriptor}`
    const writable = target === 0
    const fd = openSync(path, (writable ? constants.O_WRONLY : constants.O_RDONLY) | constants.O_NONBLOCK)
    this.send(F.Request.close, this.nextId(), F.u32(lent.descriptor))
    try {
      return new Socket({ fd, readable: !writable, writable })
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  /** What comes out of a pipe until nobody can write to it any more. */
  read(started: Of<"started">, target = 1): Promise<string> {
    const socket = this.open(started, target)
    const chunks: Array<Buffer> = []
    return new Promise((resolve, reject) => {
      socket.on("data", (chunk: Buffer) => chunks.push(chunk))
      socket.on("error", reject)
      socket.on("close", () => resolve(Buffer.concat(chunks).toString()))
    })
  }

  /** The lines of a pipe, as they come. */
  lines(started: Of<"started">, target = 1): Lines {
    return new Lines(this.open(started, target))
  }

  /** The first answer of one of these types for this id, from the number `from` on; it may have come before. */
  answer(id: number, types: ReadonlyArray<F.Answer["type"]>, from = 0): Promise<F.Answer> {
    return new Promise((resolve, reject) => {
      const tell = (answer: F.Answer | undefined): void => {
        if (answer !== undefined) resolve(answer)
        else reject(this.#error ?? new Error(`the keeper has closed its socket; for ${id} came ${this.told(id)}`))
      }
      const known = this.#of(id).find((answer, index) => index >= from && types.includes(answer.type))
      if (known !== undefined || this.#isClosed) tell(known)
      else this.#waiters.push({ id, types, tell })
    })
  }

  /** What was answered for an id. */
  told(id: number): string {
    return JSON.stringify(this.#of(id))
  }

  async only<T extends F.Answer["type"]>(
    id: number,
    type: T,
    instead: ReadonlyArray<F.Answer["type"]>
  ): Promise<Of<T>> {
    const answer = await this.answer(id, [type, ...instead])
    const is = (given: F.Answer): given is Of<T> => given.type === type
    if (!is(answer)) throw new Error(`expected ${type}, got ${JSON.stringify(answer)}`)
    return answer
  }

  /** errno of the next DONE that belongs to an id. */
  async done(id: number): Promise<number> {
    const answer = await this.answer(id, ["done", "refused"], this.#looked.get(id) ?? 0)
    this.#looked.set(id, this.#of(id).indexOf(answer) + 1)
    if (answer.type !== "done") throw new Error(JSON.stringify(answer))
    return answer.errno
  }

  /** The next NOTIFY for an id; fails when its process ends instead. */
  async notified(id: number): Promise<Of<"notify">> {
    const answer = await this.answer(id, ["notify", "ended", "failed"], this.#heard.get(id) ?? 0)
    this.#heard.set(id, this.#of(id).indexOf(answer) + 1)
    if (answer.type !== "notify") throw new Error(JSON.stringify(answer))
    return answer
  }

  /** All answers for an id so far. */
  all(id: number): ReadonlyArray<F.Answer> {
    return this.#of(id)
  }

  /** The owner does this: see `native/init.c`. */
  async order(line: string): Promise<void> {
    const from = this.#report.all.length
    this.#orders.write(`${line}\n`)
    const answer = await Promise.race([this.#report.find("ok", from), this.#report.find("error", from)])
    if (answer !== "ok") throw new Error(`${line}: ${answer}`)
  }

  /** Sends LISTEN as number 7, so often or until nothing goes in any more; how often it was. */
  async flood(count: number): Promise<number> {
    const from = this.#report.all.length
    await this.order(`flood ${count}`)
    return number(await this.#report.find("flooded ", from), 1)
  }

  /** How many answers of a type there were for an id. */
  count(id: number, type: F.Answer["type"]): number {
    return this.#of(id).filter((answer) => answer.type === type).length
  }

  /** All of them at the same moment, from the owner's side of a pid namespace; 0 is the owner. */
  kill(signal: number, ...pids: ReadonlyArray<number>): void {
    this.#orders.write(`kill ${signal} ${pids.join(" ")}\n`)
  }

  /** The keeper answers, so everything that was sent before has been taken. */
  async settled(): Promise<void> {
    await this.done(await this.#ping())
  }

  async #ping(): Promise<number> {
    const request = this.nextId()
    this.send(F.Request.signal, request, Buffer.concat([F.u32(0xffffffff), Buffer.from([0, 0, 0, 0])]))
    return request
  }

  /** The owner closes its socket to the keeper, and ends after the guard. */
  end(): void {
    this.#socket.end()
  }

  /** Lets time pass in which nothing must happen: there is no event to wait for. */
  nap(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds))
  }

  /** Ends the owner's side, unless it has ended, and tells what came of it. */
  async close(): Promise<Report> {
    this.end()
    return this.report()
  }

  /** What came of it, once the owner has ended by itself. */
  async report(): Promise<Report> {
    const empty = await this.#report.find("empty ")
    this.#orders.destroy()
    this.#socket.destroy()
    const lines = this.#report.all
    const collected = lines
      .filter((line) => line.startsWith("collected "))
      .map((line) => ({ pid: number(line, 1), name: line.split(" ")[2] ?? "", status: number(line, 3) }))
    return {
      ownerStatus: number(await this.#report.find("owner-ended "), 1),
      collected,
      left: lines.filter((line) => line.startsWith("left ")),
      milliseconds: number(empty, 1),
      findings: readFindings(this.#findings)
    }
  }

  #of(id: number): ReadonlyArray<F.Answer> {
    return this.#answers.get(id) ?? []
  }

  #take(answer: F.Answer): void {
    const known = this.#answers.get(answer.id)
    if (known === undefined) this.#answers.set(answer.id, [answer])
    else known.push(answer)
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) {
      if (waiter.id === answer.id && waiter.types.includes(answer.type)) waiter.tell(answer)
      else this.#waiters.push(waiter)
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#rest = F.decode(Buffer.concat([this.#rest, chunk]), (answer) => this.#take(answer))
    } catch (error) {
      this.#error = error
      console.error(error)
      this.#socket.destroy()
    }
  }
}
