/**
 * How services tell that they run: each writes its pid and the time to one FIFO, whoever has started it (`native/service.c`).
 *
 * The time is the service's own, so it does not matter when it is read here. It is looked for every few milliseconds, and not
 * waited for: a reader that wakes up for each of a thousand services takes the processor from those who start them.
 */
import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync, readSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

/** The variable that names the FIFO. Descendants inherit it, and so it tells also whose they are. */
export const variable = "NURSERY_BENCH_FEED"

export interface Arrival {
  readonly pid: number
  /** Milliseconds, as {@link now} gives them. */
  readonly at: number
}

/** Milliseconds of the clock that all programs of this machine have in common. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** A pid and a time, in 8 bytes each. */
const recordSize = 16

/** Milliseconds between two looks. */
const interval = 3

const isEmpty = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "EAGAIN"

export class Feed {
  readonly path: string
  readonly #fd: number
  /** In this machine's order of bytes, as the services write them. */
  readonly #words = new BigUint64Array(2048)
  #arrived: Array<Arrival> = []

  constructor(path: string) {
    this.path = path
    execFileSync("mkfifo", ["-m", "600", path])
    // Writing too, so that nobody meets a FIFO without a reader, and no end of file.
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  }

  /** What has arrived since the last time, in the order of arrival. */
  take(): ReadonlyArray<Arrival> {
    this.#read()
    return this.#arrived.splice(0)
  }

  /** The next `count` arrivals. Fails after `milliseconds`, or as soon as `lost` says why there will be no more. */
  async next(
    count: number,
    milliseconds: number,
    lost: () => string | undefined = () => undefined
  ): Promise<ReadonlyArray<Arrival>> {
    const deadline = now() + milliseconds
    for (;;) {
      // Asked before reading: what came before the loss counts.
      const reason = lost() ?? (now() > deadline ? `${milliseconds} ms are over` : undefined)
      this.#read()
      if (this.#arrived.length >= count) return this.#arrived.splice(0, count)
      if (reason !== undefined) throw new Error(`${this.#arrived.length} instead of ${count} services run: ${reason}`)
      await sleep(interval)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }

  #read(): void {
    for (;;) {
      let length = 0
      try {
        length = readSync(this.#fd, this.#words)
      } catch (error) {
        if (!isEmpty(error)) throw error
        return
      }
      if (length % recordSize !== 0) throw new Error(`${length} bytes are no whole records`)
      for (let index = 0; index < length / 8; index += 2) {
        this.#arrived.push({ pid: Number(this.#words[index]), at: Number(this.#words[index + 1]) / 1e6 })
      }
    }
  }
}
