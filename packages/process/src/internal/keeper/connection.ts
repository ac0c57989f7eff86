/**
 * A guard with its keeper, as this program sees them: a child process and a socket with frames on it.
 *
 * It starts the two, agrees with the keeper on the version, and from then on moves frames: everything that was written in one turn
 * leaves in one write, and while the keeper does not read, nothing is handed to the socket, so that it waits here in one piece.
 * Neither child nor socket holds the event loop unless somebody asks for that.
 *
 * @internal
 */
import { type ChildProcess, spawn } from "node:child_process"
import { fstatSync } from "node:fs"
import { Socket } from "node:net"
import type { KeeperUnavailable } from "../../ProcessError.ts"
import { inspect } from "./binary.ts"
import { Decoder, type ReadyReply, type ReplyHandler } from "./decoder.ts"
import { Encoder, type Tuning } from "./encoder.ts"
import * as Failures from "./failures.ts"
import { VERSION } from "./frames.ts"
import { Slices } from "./slices.ts"
import { errorCode } from "./system.ts"

export interface ConnectionHandler extends Omit<ReplyHandler, "violation"> {
  /** It never became ready. Nothing else will come. */
  unavailable(error: KeeperUnavailable): void
  /**
   * It was ready, and is gone: the socket has closed, or what comes out of it makes no sense. `isClosed`: the keeper has closed it, so
   * that nothing is begun any more of what was sent.
   */
  gone(what: string, isClosed: boolean): void
  /** The guard has been waited for. It leaves last: if by itself, everything is dead. */
  guardExited(signal: NodeJS.Signals | null): void
}

/** The helpers share our standard streams, so that children can inherit them; one that is closed here stays closed. */
const standardStream = (descriptor: number): "inherit" | "ignore" => {
  try {
    fstatSync(descriptor)
    return "inherit"
  } catch {
    return "ignore"
  }
}

/** What a keeper that is not wanted any more, before it was ready, may take to leave. */
const UNWANTED_LIMIT = 500

type State = "starting" | "ready" | "ended"

export class Connection {
  readonly encoder = new Encoder()
  readonly #path: string
  readonly #handler: ConnectionHandler
  #state: State = "starting"
  #guard: ChildProcess | undefined
  #socket: Socket | undefined
  #decoder: Decoder | undefined
  #slices: Slices | undefined
  #timer: NodeJS.Timeout | undefined
  #exit: { readonly signal: NodeJS.Signals | null } | undefined
  #held = false
  #flushScheduled = false
  #draining = false
  /** Half closed: nothing more is sent. */
  #finished = false

  /** Starts at once; the handler is called later. */
  constructor(path: string, tuning: Tuning, helloId: number, handler: ConnectionHandler) {
    this.#path = path
    this.#handler = handler
    const problem = inspect(path) ?? this.#start()
    if (problem !== undefined) {
      queueMicrotask(() => this.#fail(problem))
      return
    }
    this.#expectReady(tuning.readyDeadline)
    this.encoder.hello(helloId, tuning)
    this.#flush()
  }

  get state(): State {
    return this.#state
  }

  /** Something was written into the encoder: it leaves at the end of this turn. */
  written(): void {
    if (this.#flushScheduled || this.#state !== "ready") return
    this.#flushScheduled = true
    queueMicrotask(this.#flushLater)
  }

  /** Whether it keeps the event loop of this program alive. */
  hold(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    this.#hold()
  }

  /** No more requests: the keeper ends everything, as if this program had died, and leaves. */
  finish(): void {
    if (this.#finished) return
    this.#finished = true
    if (this.#state === "starting" && this.#timer !== undefined) {
      // A keeper leaves at once: it has started nothing yet.
      clearTimeout(this.#timer)
      this.#expectReady(UNWANTED_LIMIT)
      this.#hold()
    }
    if (this.#state === "ready" && this.encoder.size > 0) {
      this.#socket?.write(this.encoder.bytes())
      this.encoder.reset(true)
    }
    this.#socket?.end()
  }

  /** Ends the connection at once: for the helpers that is this program's death. */
  disconnect(): void {
    this.#finished = true
    this.#socket?.destroy()
  }

  #expectReady(limit: number): void {
    this.#timer = setTimeout(() => this.#fail(Failures.silent(this.#path, limit)), limit)
  }

  #start(): KeeperUnavailable | undefined {
    let guard: ChildProcess
    try {
      guard = spawn(this.#path, [], {
        stdio: [standardStream(0), standardStream(1), standardStream(2), "pipe"],
        detached: false
      })
    } catch (error) {
      return Failures.systemRefused(this.#path, errorCode(error))
    }
    this.#guard = guard
    guard.on("error", (error) => this.#fail(this.#spawnError(error)))
    // Without descriptors for them Node makes no streams, and emits the error next.
    const stdio: ChildProcess["stdio"] | undefined = guard.stdio
    const socket = stdio?.[3]
    // On Linux a "pipe" of child_process is one end of a pair of unix sockets.
    if (!(socket instanceof Socket)) return undefined
    this.#socket = socket
    this.#watch(guard, socket)
    this.#hold()
    return undefined
  }

  #watch(guard: ChildProcess, socket: Socket): void {
    const decoder = new Decoder(this.#receiver())
    this.#decoder = decoder
    const slices = new Slices(socket, (bytes) => decoder.push(bytes))
    this.#slices = slices
    socket.on("drain", () => {
      this.#draining = false
      this.#flush()
    })
    socket.on("error", (error) => this.#socketEnded(errorCode(error)))
    socket.on("end", () => this.#socketEnded("its socket closed"))
    socket.on("close", () => this.#socketEnded("its socket closed"))
    guard.on("exit", (_code, signal) => {
      this.#exit = { signal }
      slices.finish()
      if (this.#state !== "starting") this.#handler.guardExited(signal)
    })
    // After the exit and everything that was sent before it, so that what it said counts, not only that it left.
    guard.on("close", (code, signal) => {
      this.#fail(Failures.exitedEarly(this.#path, code, signal))
    })
  }

  #receiver(): ReplyHandler {
    const handler = this.#handler
    return {
      ready: (reply) => this.#ready(reply),
      violation: (text) => this.#violation(text),
      refused: (id, errno, text) => {
        if (this.#state === "starting") this.#fail(Failures.refusedHello(this.#path, text))
        else handler.refused(id, errno, text)
      },
      started: (id, pid, reaper, lent) => handler.started(id, pid, reaper, lent),
      failed: (id, step, errno, target) => handler.failed(id, step, errno, target),
      exited: (id, status, usage, ended) => handler.exited(id, status, usage, ended),
      ended: (id) => handler.ended(id),
      cgroup: (id, usage) => handler.cgroup(id, usage),
      done: (id, errno) => handler.done(id, errno),
      lost: (id, reaper) => handler.lost(id, reaper),
      unkillable: (id, pids) => handler.unkillable(id, pids),
      listening: (id, secret, name) => handler.listening(id, secret, name),
      notify: (id, notification, stored) => handler.notify(id, notification, stored),
      object: (id, errno, step, tells) => handler.object(id, errno, step, tells),
      hangup: (id, relay) => handler.hangup(id, relay)
    }
  }

  #ready(reply: ReadyReply): void {
    if (this.#state !== "starting") return
    if (reply.version !== VERSION) {
      this.#fail(Failures.otherVersion(this.#path, reply.version))
      return
    }
    clearTimeout(this.#timer)
    this.#state = "ready"
    this.#handler.ready(reply)
    this.#flush()
    if (this.#exit !== undefined) this.#handler.guardExited(this.#exit.signal)
  }

  #violation(text: string): void {
    if (this.#state === "starting") {
      this.#fail(Failures.garbage(this.#path, text))
      return
    }
    this.#socketEnded(`it sent ${text}, which is no frame of its protocol`, false)
  }

  #socketEnded(what: string, isClosed = true): void {
    // While it starts, the exit of the guard says more.
    if (this.#state !== "ready") return
    // What came before counts, and may say that this is the end already.
    this.#slices?.finish()
    if (this.#state !== "ready") return
    this.#state = "ended"
    this.#decoder?.stop()
    this.disconnect()
    this.#handler.gone(what, isClosed)
  }

  #spawnError(error: unknown): KeeperUnavailable {
    const code = errorCode(error)
    return code === "EACCES" ? Failures.notExecutable(this.#path) : Failures.systemRefused(this.#path, code)
  }

  #fail(error: KeeperUnavailable): void {
    if (this.#state !== "starting") return
    this.#state = "ended"
    clearTimeout(this.#timer)
    this.#decoder?.stop()
    this.disconnect()
    // It has started nothing, and may be anything.
    this.#guard?.kill("SIGKILL")
    this.#handler.unavailable(error)
  }

  #hold(): void {
    if (this.#held) {
      this.#guard?.ref()
      this.#socket?.ref()
      this.#timer?.ref()
    } else {
      this.#guard?.unref()
      this.#socket?.unref()
      this.#timer?.unref()
    }
  }

  readonly #flushLater = (): void => {
    this.#flushScheduled = false
    this.#flush()
  }

  #flush(): void {
    const socket = this.#socket
    if (socket === undefined || this.#finished || this.#draining || this.encoder.size === 0) return
    this.#draining = !socket.write(this.encoder.bytes())
    // When the kernel has taken all of it, nobody looks at the buffer any more.
    this.encoder.reset(socket.writableLength > 0)
  }
}
