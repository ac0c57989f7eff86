/**
 * Opens this program's ends of pipes, which are made by the keeper, through the keeper's table of descriptors.
 *
 * What is opened is the same pipe anew, with flags of its own, so that it is nonblocking here and blocking for the child. It needs
 * the right to look at the keeper (`ptrace(2)`), which a program that changes its user loses.
 *
 * @internal
 */
import { closeSync, constants, openSync } from "node:fs"

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

export class KeeperDescriptors {
  readonly #directory: number
  readonly #prefix: string
  readonly #euid = process.geteuid?.()
  readonly #egid = process.getegid?.()

  private constructor(directory: number) {
    this.#directory = directory
    this.#prefix = `/proc/self/fd/${directory}/`
  }

  /** `undefined` where the table cannot be read: no /proc, or a binary that may be executed but not read. */
  static open(keeper: number): KeeperDescriptors | undefined {
    try {
      // Held open, it stays the table of this very process, whoever gets its pid later.
      return new KeeperDescriptors(openSync(`/proc/${keeper}/fd`, O_RDONLY | O_DIRECTORY))
    } catch {
      return undefined
    }
  }

  /** Whether this program is still the user that the keeper was started by. */
  get usable(): boolean {
    return process.geteuid?.() === this.#euid && process.getegid?.() === this.#egid
  }

  /** Of one of the keeper's descriptors, to be opened. */
  pathOf(descriptor: number): string {
    return this.#prefix + descriptor
  }

  /** An open descriptor, close-on-exec. Throws the error of open(2). */
  openEnd(descriptor: number, kind: "pipeIn" | "pipeOut"): number {
    return openSync(this.#prefix + descriptor, O_NONBLOCK | (kind === "pipeIn" ? O_WRONLY : O_RDONLY))
  }

  close(): void {
    closeSync(this.#directory)
  }
}
