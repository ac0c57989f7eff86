/**
 * Sends spawns: with the environment before them when it has changed, and the sockets connected that they need.
 *
 * @internal
 */
import type { Socket } from "node:net"
import type { SpawnFailure } from "../backend.ts"
import { fromNumber } from "../errno.ts"
import type { Connection } from "./connection.ts"
import { DuplexSockets, type Listening } from "./duplex.ts"
import type { Unwritable } from "./encoder.ts"
import { EnvironmentSnapshot } from "./environment.ts"
import { Errno, errnoNamed } from "./system.ts"
import type { KeptProcess } from "./ticket.ts"

const failureOf = (unwritable: Unwritable): SpawnFailure =>
  unwritable === "too big"
    ? { step: "exec", errno: Errno.E2BIG, target: -1 }
    : { step: "request", errno: Errno.EINVAL, target: -1 }

export class Sender {
  readonly #connection: Connection
  readonly #nextId: () => number
  readonly #environment = new EnvironmentSnapshot()
  readonly #sockets: DuplexSockets
  #listenId = 0
  /** Whether the environment has been compared in this turn of the event loop, and what became of it. */
  #compared = false
  #unwritable: Unwritable | undefined

  constructor(connection: Connection, nextId: () => number) {
    this.#connection = connection
    this.#nextId = nextId
    this.#sockets = new DuplexSockets(
      () => {
        this.#listenId = nextId()
        connection.encoder.listen(this.#listenId)
        connection.written()
      },
      (id) => {
        connection.encoder.drop(id)
        connection.written()
      }
    )
  }

  /** `pipes`: whether this program can open pipes of the keeper; else it gets sockets in their place. */
  send(ticket: KeptProcess, pipes: boolean): void {
    const { fds } = ticket.request
    for (let index = 0; index < fds.length; index++) {
      const kind = fds[index]?.kind
      if (kind === "duplex" || (!pipes && (kind === "pipeIn" || kind === "pipeOut"))) {
        this.#connect(ticket, pipes)
        return
      }
    }
    this.#write(ticket, undefined)
  }

  /** A socket of this program whose other end is the object `id`, or the name of an error. `done` is called once, later. */
  connect(id: number, done: (result: Socket | string) => void): void {
    this.#sockets.connect(id, done)
  }

  listening(listening: Listening): void {
    this.#sockets.answered(listening)
  }

  /** The keeper is gone. */
  gone(): void {
    this.#sockets.gone()
  }

  /** Whether the request that the keeper refused was one of ours. */
  refused(id: number, errno: number): boolean {
    if (id !== this.#listenId) return false
    this.#sockets.answered(fromNumber(errno))
    return true
  }

  #write(ticket: KeptProcess, objects: ReadonlyArray<number> | undefined): void {
    const { encoder } = this.#connection
    const unsendable = ticket.request.clearEnv ? undefined : this.#compare()
    const { position } = encoder
    const unwritable = unsendable ?? encoder.spawn(ticket.id, ticket.request, objects, ticket.nurseryGroup)
    if (unwritable !== undefined) {
      ticket.failLater(failureOf(unwritable))
      return
    }
    ticket.sent(position)
    this.#connection.written()
  }

  /** Brings the keeper's copy of the environment up to date. */
  #compare(): Unwritable | undefined {
    if (this.#compared) return this.#unwritable
    this.#compared = true
    setImmediate(this.#nextTurn).unref()
    if (this.#environment.refresh()) {
      const { names, values } = this.#environment
      this.#unwritable = this.#connection.encoder.environment(this.#nextId(), names, values)
    }
    return this.#unwritable
  }

  readonly #nextTurn = (): void => {
    this.#compared = false
  }

  /** Connects all sockets of a spawn, and then sends it; the first that cannot be connected fails it. */
  #connect(ticket: KeptProcess, pipes: boolean): void {
    const { fds } = ticket.request
    const objects: Array<number> = []
    const attempts: Array<() => void> = []
    const giveUp = (): void => {
      for (const abort of attempts) abort()
    }
    ticket.connecting(giveUp)
    let missing = 0
    fds.forEach((fd, index) => {
      objects.push(0)
      if (fd.kind !== "duplex" && (pipes || (fd.kind !== "pipeIn" && fd.kind !== "pipeOut"))) return
      missing++
      const object = this.#nextId()
      const abort = this.#sockets.connect(object, (result) => {
        attempts.splice(attempts.indexOf(abort), 1)
        if (typeof result === "string") {
          ticket.failLater({ step: "descriptor", errno: errnoNamed(result), target: fd.target })
          return
        }
        objects[index] = object
        ticket.connected(object, fd, result)
        missing--
        if (missing === 0) this.#write(ticket, objects)
      })
      attempts.push(abort)
    })
  }
}
