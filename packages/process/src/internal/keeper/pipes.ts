/**
 * What this program sees of the keeper's table of descriptors.
 *
 * It opens its ends of pipes, which are made by the keeper, through that table.
 *
 * What is opened is the same pipe anew, with flags of its own, so that it is nonblocking here and blocking for the child. It needs
 * the right to look at the keeper (`ptrace(2)`), which a program that changes its user loses.
 *
 * @internal
 */
import { closeSync, constants, openSync, readSync } from "node:fs"

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

export class KeeperDescriptors {
  readonly #directory: number
  readonly #prefix: string
  readonly #progress: number | undefined
  readonly #euid = process.geteuid?.()
  readonly #egid = process.getegid?.()

  private constructor(directory: number, progress: number) {
    this.#directory = directory
    this.#prefix = `/proc/self/fd/${directory}/`
    this.#progress = progress < 0 ? undefined : this.#open(progress, O_RDONLY)
  }

  /** `undefined` where the table cannot be read: no /proc, or a binary that may be executed but not read. */
  static open(keeper: number, progress: number): KeeperDescriptors | undefined {
    try {
      // Held open, it stays the table of this very process, whoever gets its pid later.
      return new KeeperDescriptors(openSync(`/proc/${keeper}/fd`, O_RDONLY | O_DIRECTORY), progress)
    } catch {
      return undefined
    }
  }

  /** Whether this program is still the user that the keeper was started by. */
  get usable(): boolean {
    return process.geteuid?.() === this.#euid && process.getegid?.() === this.#egid
  }

  /** How many bytes of requests the keeper has begun to carry out, all in all; `undefined` where that cannot be told. */
  get begun(): number | undefined {
    if (this.#progress === undefined) return undefined
    const bytes = Buffer.alloc(8)
    return readSync(this.#progress, bytes, 0, bytes.length, 0) === bytes.length
      ? Number(bytes.readBigUInt64LE())
      : undefined
  }

  /** Of one of the keeper's descriptors, to be opened. */
  pathOf(descriptor: number): string {
    return this.#prefix + descriptor
  }

  /** An open descriptor, close-on-exec. Throws the error of open(2). */
  openEnd(descriptor: number, kind: "pipeIn" | "pipeOut"): number {
    return openSync(this.#prefix + descriptor, O_NONBLOCK | (kind === "pipeIn" ? O_WRONLY : O_RDONLY))
  }

  #open(descriptor: number, flags: number): number | undefined {
    try {
      return openSync(this.pathOf(descriptor), flags)
    } catch {
      return undefined
    }
  }

  close(): void {
    closeSync(this.#directory)
    if (this.#progress !== undefined) closeSync(this.#progress)
  }
}
