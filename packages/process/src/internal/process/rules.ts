/**
 * From a sandbox to the rules that the kernel is given (`landlock(7)`).
 *
 * @internal
 */
import type * as Command from "../../Command.ts"
import type { SetupItem } from "../backend.ts"
import { pathKeys, portKeys } from "../command/sandbox.ts"
import { filesOf } from "./program.ts"

// LANDLOCK_ACCESS_FS_*.
const executes = 1n << 0n
const writesFile = 1n << 1n
const readsFile = 1n << 2n
const readsDirectory = 1n << 3n
const refers = 1n << 13n
const truncates = 1n << 14n
const controls = 1n << 15n

/** From LANDLOCK_ACCESS_FS_REMOVE_DIR to MAKE_SYM, but devices, which nothing in a sandbox may make. */
const makesAndRemoves = (0x1ff0n & ~((1n << 6n) | (1n << 11n))) | refers
const makesDevices = (1n << 6n) | (1n << 11n)

const reads = readsFile | readsDirectory
const writes = writesFile | truncates | controls | makesAndRemoves

/** LANDLOCK_ACCESS_NET_* and LANDLOCK_SCOPE_*. */
const ports = { bind: 1n << 0n, connect: 1n << 1n }
const scopes = { "abstract-sockets": 1n << 0n, signals: 1n << 1n }

const handled = { read: reads, write: writes | makesDevices, execute: executes }

/** What may be executed has to be read for it. */
const allowed = { read: reads, write: writes, execute: executes | readsFile }

const libraries = [
  "/lib",
  "/lib64",
  "/usr/lib",
  "/usr/lib64",
  "/usr/local/lib",
  "/etc/ld.so.cache",
  "/etc/ld.so.preload"
]
const sources = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
const sinks = ["/dev/null", "/dev/zero", "/dev/full"]

const implied = (path: string, rights: bigint): SetupItem => ({
  kind: "sandboxPath",
  path,
  allowed: rights,
  optional: true,
  option: undefined
})

/** Where a command is started from, resolved. */
export interface Start {
  readonly program: string
  readonly searchPath: string
  readonly directory: string
  /** Makes a path of this program absolute. */
  readonly absolute: (path: string) => string
}

/** What a program cannot start without where reading or executing is restricted. */
export const startFiles = ({ execute, read }: Command.Sandbox, start: Start): ReadonlyArray<string> =>
  read === undefined && execute === undefined ? [] : filesOf(start.program, start.searchPath, start.directory)

const impliedRules = (sandbox: Command.Sandbox, files: ReadonlyArray<string>): ReadonlyArray<SetupItem> => {
  const { execute, read, write } = sandbox
  const rules = files.map((file) => implied(file, executes | readsFile))
  if (read !== undefined) {
    for (const path of [...libraries, ...sources]) rules.push(implied(path, reads))
  }
  if (write !== undefined) for (const path of sinks) rules.push(implied(path, writesFile | truncates | controls))
  // Files may be moved as far as writing is not restricted: else a ruleset forbids it everywhere.
  else if (read !== undefined || execute !== undefined) rules.push(implied("/", refers))
  return rules
}

/** A ruleset and what it allows, `files` too. Rights that it does not hold back are left out of the rules by the helpers. */
export const sandboxItems = (
  sandbox: Command.Sandbox,
  { absolute }: Start,
  files: ReadonlyArray<string>
): ReadonlyArray<SetupItem> => {
  let accesses = 0n
  for (const key of pathKeys) if (sandbox[key] !== undefined) accesses |= handled[key]
  let network = 0n
  for (const key of portKeys) if (sandbox[key] !== undefined) network |= ports[key]
  const scoped = (sandbox.scope ?? []).reduce((all, scope) => all | scopes[scope], 0n)
  const items: Array<SetupItem> = [
    { kind: "sandbox", files: accesses === 0n ? 0n : accesses | refers, network, scoped }
  ]
  for (const key of pathKeys) {
    sandbox[key]?.forEach((path, index) => {
      const option = `sandbox.${key}[${index}]`
      items.push({ kind: "sandboxPath", path: absolute(path), allowed: allowed[key], optional: false, option })
    })
  }
  for (const key of portKeys) {
    for (const port of sandbox[key] ?? []) items.push({ kind: "sandboxPort", port, allowed: ports[key] })
  }
  return [...items, ...impliedRules(sandbox, files)]
}
