/**
 * Two named pipes by which a tree of processes is followed without asking or sleeping: News carries lines from it, and end of
 * file of the Canary proves that every process that holds it is dead.
 */
import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync, readSync } from "node:fs"
import { Socket } from "node:net"
import { within } from "./within.ts"

const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants

const make = (path: string): void => {
  execFileSync("mkfifo", ["--mode=0666", path])
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code

interface Listener {
  readonly names: ReadonlyArray<string>
  readonly heard: (pids: ReadonlyArray<number>) => void
}

/** Lines "NAME PID". */
export class News {
  readonly path: string
  /** What else to say when a line does not come. */
  readonly witnesses: Array<() => string> = []
  readonly #descriptor: number
  readonly #socket: Socket
  #rest = ""
  #lines: Array<{ readonly name: string; readonly pid: number }> = []
  #listeners: Array<Listener> = []

  constructor(path: string) {
    make(path)
    this.path = path
    // Also a writer, so that it never ends.
    this.#descriptor = openSync(path, O_RDWR | O_NONBLOCK)
    this.#socket = new Socket({ fd: this.#descriptor, readable: true, writable: false })
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk.toString()))
  }

  /** Waits for a line of each of these names, and takes them; tells the pids in the order of the names. */
  hears(...names: ReadonlyArray<string>): Promise<ReadonlyArray<number>> {
    const what = `hear ${names.join(", ")}`
    let listener: Listener | undefined
    const heard = new Promise<ReadonlyArray<number>>((resolve) => {
      listener = { names, heard: resolve }
      this.#listeners.push(listener)
      this.#tell()
    })
    return within(heard, what, () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener)
      const heard = this.#lines.map(({ name, pid }) => `${name} ${pid}`).join(", ")
      return [`heard: ${heard}`, ...this.witnesses.map((witness) => witness())].join("; ")
    })
  }

  /** How many lines of this name have come and were not taken. */
  count(name: string): number {
    return this.#lines.filter((line) => line.name === name).length
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n")
    this.#rest = lines.pop() ?? ""
    for (const line of lines) {
      const [name = "", pid = ""] = line.split(" ")
      this.#lines.push({ name, pid: Number(pid) })
    }
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners.slice()) {
      const pids = this.#find(listener.names)
      if (pids === undefined) continue
      this.#listeners = this.#listeners.filter((other) => other !== listener)
      listener.heard(pids)
    }
  }

  #find(names: ReadonlyArray<string>): ReadonlyArray<number> | undefined {
    const rest = this.#lines.slice()
    const pids: Array<number> = []
    for (const name of names) {
      const index = rest.findIndex((line) => line.name === name)
      const [line] = index === -1 ? [] : rest.splice(index, 1)
      if (line === undefined) return undefined
      pids.push(line.pid)
    }
    this.#lines = rest
    return pids
  }
}

/** A pipe that processes hold and nobody writes. */
export class Canary {
  readonly path: string
  readonly #reader: number

  constructor(path: string) {
    make(path)
    this.path = path
    this.#reader = openSync(path, O_RDONLY | O_NONBLOCK)
  }

  /** Whether any process holds it at this moment. */
  isHeld(): boolean {
    try {
      return readSync(this.#reader, Buffer.alloc(1)) > 0
    } catch (error) {
      if (hasCode(error, "EAGAIN")) return true
      throw error
    }
  }

  close(): void {
    closeSync(this.#reader)
  }
}
