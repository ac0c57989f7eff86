/**
 * Sandboxes: what can be said, and what is wrong with it.
 *
 * @internal
 */

/**
 * What a process and all its descendants may reach (`landlock(7)`). Each key that is given restricts one thing to what it lists, and
 * an empty list allows nothing; **what is not given is not restricted**. It takes no privilege, binds root too, and cannot be undone.
 *
 * Paths are files, or directories with all that is below them; they have to be there. A relative one is seen from the working
 * directory of this program. Symbolic links are followed when the process is started.
 *
 * **Details**
 *
 * So that a program can start, some things come with what is given:
 *
 * - `read`: the program itself, the interpreter of its `#!` line, its dynamic loader, the system's libraries (`/lib`, `/lib64`,
 *   `/usr/lib`, `/usr/lib64`, `/usr/local/lib`, `/etc/ld.so.cache`), and the devices null, zero, full, random and urandom.
 * - `execute`: the program itself, its interpreter and its loader. What may be executed may be read.
 * - `write`: the devices null, zero and full.
 *
 * **Gotchas**
 *
 * - Descriptors that are given to the process (stdio, `fds`) work whatever they are; so does what was opened before.
 * - It implies `noNewPrivileges`: set-user-ID programs run without what they are set to.
 * - Not held back: `stat` and `chdir`, changes of mode, owner and times, UDP and other protocols than TCP, unix sockets in the file
 *   system. See `docs/sandbox.md`.
 */
export interface Sandbox {
  /** Files that may be opened for reading, and directories that may be listed. */
  readonly read?: ReadonlyArray<string> | undefined
  /** What may be written, truncated, made, removed, renamed and linked. */
  readonly write?: ReadonlyArray<string> | undefined
  /** Files that may be executed. */
  readonly execute?: ReadonlyArray<string> | undefined
  /** TCP ports that may be connected to. */
  readonly connect?: ReadonlyArray<number> | undefined
  /** TCP ports that may be bound; 0 is one that the kernel chooses. */
  readonly bind?: ReadonlyArray<number> | undefined
  /**
   * What cannot leave the sandbox: `"signals"` to processes outside of it, connections to `"abstract-sockets"` (unix) of
   * processes outside of it.
   */
  readonly scope?: ReadonlyArray<Scope> | undefined
}

/** What can be kept from leaving a sandbox. */
export type Scope = "signals" | "abstract-sockets"

/** What lists paths, and what lists ports. */
export const pathKeys = ["read", "write", "execute"] as const
export const portKeys = ["connect", "bind"] as const

const known: ReadonlyArray<string> = [...pathKeys, ...portKeys, "scope"]

type SandboxProblem = readonly [keys: ReadonlyArray<string | number>, problem: string]

const pathProblem = (path: unknown): string | undefined => {
  if (typeof path !== "string") return "is not a string"
  if (path === "") return "is empty"
  return path.includes("\0") ? "contains a NUL character, which the operating system cannot pass on" : undefined
}

const portProblem = (port: unknown): string | undefined =>
  typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 0xffff
    ? undefined
    : "is not a port: an integer from 0 to 65535"

const scopeProblem = (scope: unknown): string | undefined =>
  scope === "signals" || scope === "abstract-sockets" ? undefined : 'is neither "signals" nor "abstract-sockets"'

const problemsOf: ReadonlyMap<string, (value: unknown) => string | undefined> = new Map([
  ...pathKeys.map((key) => [key, pathProblem] as const),
  ...portKeys.map((key) => [key, portProblem] as const),
  ["scope", scopeProblem] as const
])

export const sandboxProblem = (sandbox: unknown, notify: boolean): SandboxProblem | undefined => {
  if (typeof sandbox !== "object" || sandbox === null) return [[], "is not an object"]
  const given = Object.entries(sandbox).filter(([, list]) => list !== undefined)
  if (given.length === 0) return [[], `restricts nothing: name one of ${known.join(", ")}`]
  for (const [key, list] of given) {
    const problemOf = problemsOf.get(key)
    if (problemOf === undefined) return [[key], `is not known: a sandbox has ${known.join(", ")}`]
    if (!Array.isArray(list)) return [[key], "is not an array"]
    for (let i = 0; i < list.length; i++) {
      const problem = problemOf(list[i])
      if (problem !== undefined) return [[key, i], problem]
    }
  }
  if (given.some(([key, list]) => key === "scope" && list.length === 0)) return [["scope"], "is empty: leave it out"]
  const scope = given.find(([key]) => key === "scope")?.[1]
  return notify && Array.isArray(scope) && scope.includes("abstract-sockets")
    ? [["scope"], "keeps the process from the socket of notify, which is an abstract one"]
    : undefined
}

const instruction = 8
const mostInstructions = 4096

/** Of a filter of `seccomp(2)`. */
export const seccompProblem = (filter: unknown): string | undefined => {
  if (!(filter instanceof Uint8Array)) return "is not a Uint8Array"
  if (filter.length === 0 || filter.length % instruction !== 0) {
    return `has ${filter.length} bytes: a program is whole instructions of ${instruction} bytes each (struct sock_filter), at least one`
  }
  return filter.length / instruction > mostInstructions
    ? `has ${filter.length / instruction} instructions: the kernel takes at most ${mostInstructions}`
    : undefined
}
