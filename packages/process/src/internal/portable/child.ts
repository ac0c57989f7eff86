/**
 * One child of `node:child_process`, from the request to the end of its process group.
 *
 * @internal
 */
import * as ChildProcess from "node:child_process"
import type { Observer, OpenedFd, RawUsage, Reach, SpawnRequest, Step, StopPolicy, Ticket } from "../backend.ts"
import * as Errno from "../errno.ts"
import { accessible } from "../process/binary.ts"
import { errnoOf } from "../streams/descriptor.ts"
import { type Files, openFiles } from "./files.ts"
import * as Group from "./group.ts"
import { waitStatus } from "./status.ts"
import { largestTarget, openedOf, stdioOf } from "./stdio.ts"

const errno = { ESRCH: 3, EIO: 5, EOPNOTSUPP: 95, ECANCELED: 125 }

/** SIGKILL has not helped after this many milliseconds. */
const killDeadline = 5_000
/** How often a group without a leader is asked whether somebody is left in it, in milliseconds: at first, and at most. */
const firstPoll = 2
const lastPoll = 100

const noUsage: RawUsage = {
  userTime: 0,
  systemTime: 0,
  maxResidentSet: 0,
  minorFaults: 0,
  majorFaults: 0,
  blockInput: 0,
  blockOutput: 0,
  voluntarySwitches: 0,
  involuntarySwitches: 0
}

export class Child implements Ticket {
  readonly request: SpawnRequest
  readonly #observer: Observer
  readonly #onGone: () => void
  readonly #gone: Array<() => void> = []
  #child: ChildProcess.ChildProcess | undefined
  #state: "pending" | "running" | "exited" | "ended" = "pending"
  #canceled = false
  #released = false
  #referenced = true
  #stopping: StopPolicy | undefined
  #killTimer: NodeJS.Timeout | undefined
  #stuckTimer: NodeJS.Timeout | undefined
  #poll: NodeJS.Timeout | undefined
  #pollDelay = firstPoll

  constructor(request: SpawnRequest, observer: Observer, onGone: () => void) {
    this.request = request
    this.#observer = observer
    this.#onGone = onGone
  }

  /** The observer hears of it in a later turn of the event loop. */
  start(): void {
    const { umask, session, fds } = this.request
    const impossible = fds.find((fd) => fd.kind === "joined" || fd.kind === "held" || fd.target > largestTarget)
    if (umask !== undefined) this.#failLater("request", errno.EOPNOTSUPP)
    else if (this.request.foreground === true) this.#failLater("terminal", errno.EOPNOTSUPP)
    else if (session === "group") this.#failLater("session", errno.EOPNOTSUPP)
    else if (impossible !== undefined) this.#failLater("descriptor", errno.EOPNOTSUPP, impossible.target)
    else this.#open()
  }

  cancel(): void {
    this.#canceled = true
    if (this.#state === "running" || this.#state === "exited") this.stop(killNow)
  }

  stop(policy: StopPolicy): void {
    if (this.#state === "pending") this.#canceled = true
    if (this.#state === "pending" || this.#state === "ended") return
    if (this.#stopping !== undefined && !isHarsher(policy, this.#stopping)) return
    this.#stopping = policy
    clearTimeout(this.#killTimer)
    if (policy.signal === 0) this.#kill()
    else if (this.#state === "exited") this.#stopRest()
    else {
      this.#send(policy.signal, policy.reach)
      // A stopped process acts on no signal but SIGKILL until it continues.
      this.#send(Group.SIGCONT, policy.reach)
      if (policy.grace !== undefined) this.#killTimer = setTimeout(() => this.#kill(), policy.grace)
    }
    this.#watch()
  }

  signal(signal: number, reach: Reach, done: (errno: number) => void): void {
    setImmediate(done, this.#send(signal, reach))
  }

  release(done: (errno: number) => void): void {
    this.#released = true
    setImmediate(done, 0)
  }

  retain(done: (errno: number) => void): void {
    this.#released = false
    setImmediate(done, 0)
  }

  ref(): void {
    this.#referenced = true
    this.#child?.ref()
  }

  unref(): void {
    this.#referenced = false
    this.#child?.unref()
  }

  get isReleased(): boolean {
    return this.#released
  }

  whenGone(callback: () => void): void {
    if (this.#state === "ended") callback()
    else this.#gone.push(callback)
  }

  /** For the exit of this program, when no event will come any more. */
  killNow(): void {
    if (!this.#released) this.#send(Group.SIGKILL, "tree")
  }

  get #ownsGroup(): boolean {
    return this.request.session !== "owner"
  }

  #open(): void {
    openFiles(this.request.fds, (result) => {
      if (result.errno !== undefined) this.#fail("descriptor", result.errno, result.target)
      else if (this.#canceled) {
        result.close()
        this.#fail("request", errno.ECANCELED)
      } else this.#spawn(result)
    })
  }

  #spawn(files: Files): void {
    const { program, argv, cwd, clearEnv, env } = this.request
    const child = (() => {
      try {
        return ChildProcess.spawn(program, argv.slice(1), {
          argv0: argv[0],
          cwd: cwd === "" ? undefined : cwd,
          env: environment(clearEnv, env),
          stdio: stdioOf(this.request.fds, files),
          detached: this.#ownsGroup,
          windowsHide: true
        })
      } catch (cause) {
        return errnoOf(cause)
      } finally {
        files.close()
      }
    })()
    // What Node throws instead of emitting (E2BIG, ENOMEM) has no step either: exec is the likeliest.
    if (typeof child === "string") {
      this.#failExec(child)
      return
    }
    this.#child = child
    child.on("error", (cause) => {
      if (this.#state === "pending") this.#failExec(errnoOf(cause))
    })
    if (child.pid === undefined) return
    child.on("exit", (code, signal) => this.#exited(waitStatus(code, signal)))
    if (!this.#referenced) child.unref()
    const opened = openedOf(this.request.fds, child)
    setImmediate(() => this.#started(child.pid ?? 0, opened))
  }

  #started(pid: number, opened: ReadonlyArray<OpenedFd>): void {
    const early = this.#early
    this.#early = undefined
    this.#state = "running"
    this.#observer.started(pid, 0, opened)
    if (early !== undefined) this.#exited(early)
    else if (this.#canceled) this.stop(killNow)
  }

  /** The status of a child that exited before `started` was told. */
  #early: number | undefined

  #exited(status: number): void {
    if (this.#state === "pending") {
      this.#early = status
      return
    }
    this.#state = "exited"
    const isLast = !Group.isAlive(this.#group)
    this.#observer.exited(status, noUsage, isLast)
    if (isLast) {
      this.#ended()
      return
    }
    // An exit code other than 0, not a signal: wait(2) has the signal in the lowest bits.
    if (this.request.groupOnFailure && status !== 0 && (status & 0x7f) === 0)
      this.#send(this.request.stop.signal || Group.SIGKILL, "group")
    if (this.#canceled) this.stop(killNow)
    else if (this.#stopping !== undefined) this.#stopRest()
    this.#watch()
  }

  /** 0: there is no group of its own. */
  get #group(): number {
    return this.#ownsGroup ? (this.#child?.pid ?? 0) : 0
  }

  #send(signal: number, reach: Reach): number {
    const pid = this.#child?.pid
    if (pid === undefined || this.#state === "ended") return errno.ESRCH
    if (reach === "leader" || !this.#ownsGroup) return this.#state === "running" ? Group.send(pid, signal) : errno.ESRCH
    return Group.send(-pid, signal)
  }

  /** The leader has ended: the rest gets the stop signal too, and then SIGKILL. */
  #stopRest(): void {
    const policy = this.#stopping
    if (policy === undefined) return
    if (policy.signal !== 0) this.#send(policy.signal, "group")
    this.#send(Group.SIGCONT, "group")
    if (policy.linger === undefined) return
    const timer = setTimeout(() => this.#kill(), policy.linger)
    clearTimeout(this.#killTimer)
    this.#killTimer = timer
  }

  #kill(): void {
    clearTimeout(this.#killTimer)
    this.#send(Group.SIGKILL, "tree")
    this.#stuckTimer ??= setTimeout(() => this.#observer.unkillable([this.#child?.pid ?? 0]), killDeadline)
    this.#watch()
  }

  /** Nobody tells when a group without a leader becomes empty. */
  #watch(): void {
    if (this.#state !== "exited") return
    clearTimeout(this.#poll)
    if (!Group.isAlive(this.#group)) {
      this.#ended()
      return
    }
    this.#poll = setTimeout(() => this.#watch(), this.#pollDelay)
    // Nobody waits for it before it is being ended.
    if (this.#stopping === undefined) this.#poll.unref()
    this.#pollDelay = Math.min(this.#pollDelay * 2, lastPoll)
  }

  #ended(): void {
    this.#finish()
    this.#observer.ended()
    for (const callback of this.#gone) callback()
  }

  /** Node says no step: what looks like the program's fault may be the working directory's. */
  #failExec(name: string): void {
    const exec = Errno.toNumber(name) ?? errno.EIO
    cwdProblem(this.request.cwd, (cwd) => {
      if (cwd === undefined) this.#fail("exec", exec)
      else this.#fail("cwd", Errno.toNumber(cwd) ?? exec)
    })
  }

  #failLater(step: Step, number: number, target = -1): void {
    setImmediate(() => this.#fail(step, number, target))
  }

  #fail(step: Step, number: number, target = -1): void {
    this.#finish()
    this.#observer.failed({ step, errno: this.#canceled ? errno.ECANCELED : number, target })
    for (const callback of this.#gone) callback()
  }

  #finish(): void {
    this.#state = "ended"
    clearTimeout(this.#killTimer)
    clearTimeout(this.#stuckTimer)
    clearTimeout(this.#poll)
    this.#onGone()
  }
}

const killNow: StopPolicy = { signal: 0, reach: "tree", grace: 0, linger: 0 }

/** Whether a stop that has begun is to be replaced. */
const isHarsher = (next: StopPolicy, current: StopPolicy): boolean =>
  current.signal !== 0 &&
  (next.signal === 0 || (next.grace ?? Number.POSITIVE_INFINITY) < (current.grace ?? Number.POSITIVE_INFINITY))

/** Tells in a later turn of the event loop why a directory cannot be entered, `undefined` where it can. */
const cwdProblem = (path: string, done: (errno: string | undefined) => void): void => {
  if (path === "") setImmediate(done, undefined)
  else {
    accessible(path).then(done, () => done(undefined))
  }
}

const environment = (clear: boolean, changes: SpawnRequest["env"]): NodeJS.ProcessEnv => {
  const env: NodeJS.ProcessEnv = clear ? {} : { ...process.env }
  for (const [name, value] of changes) {
    if (value === undefined) delete env[name]
    else env[name] = value
  }
  return env
}
