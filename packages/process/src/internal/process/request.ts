/**
 * From a command to what a backend needs: validated, every default filled in, nothing started.
 *
 * A command is immutable, so what follows from it is computed once and kept beside it, as long as what else it was made from is as it
 * was: the accounts of the system, the files of a program in a sandbox, what an Fd is. What may change between any two spawns (PATH, the
 * working directory of this program) is read each time.
 *
 * @internal
 */

import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import type { Credentials, InvalidArgument } from "../../ProcessError.ts"
import * as Signal from "../../Signal.ts"
import * as Stdio from "../../Stdio.ts"
import type { FdRequest, SpawnRequest, StopPolicy } from "../backend.ts"
import type { Direction, Kind } from "../fd/slot.ts"
import { insideOf, type Stored } from "../fd/store.ts"
import { isValue as isFd, type Value } from "../fd/value.ts"
import type { Held } from "../held.ts"
import { isValue as isNamespaces, type Value as Namespaces } from "../namespace/value.ts"
import type { Start } from "./rules.ts"
import * as Setup from "./setup.ts"

/** What this program does at its end of a descriptor. */
export type Role =
  /** The user writes it. */
  | { readonly _tag: "Writer" }
  /** The user reads it. */
  | { readonly _tag: "Reader" }
  /** A Stream of the command is written to it. */
  | { readonly _tag: "Pump"; readonly stream: Stream.Stream<Uint8Array, unknown, unknown> }
  /** A Sink of the command consumes it. */
  | { readonly _tag: "Consumer"; readonly sink: Sink.Sink<unknown, Uint8Array, unknown, unknown, unknown> }

export interface End {
  readonly target: number
  readonly role: Role
}

export interface HeldUse {
  readonly target: number
  readonly fd: Value<Direction, Kind>
  /** What the backend holds: of a pair it is another thing once this program uses it. */
  readonly is: Held
}

/** A command, ready to be started any number of times. */
export interface Plan {
  readonly command: Command.Command
  readonly request: SpawnRequest
  /** The descriptors that this program has an end of. */
  readonly ends: ReadonlyArray<End>
  /** What it uses that the backend holds. */
  readonly held: ReadonlyArray<HeldUse>
  /** Whether Streams or Sinks are among them. */
  readonly isLive: boolean
  /** What it is started in. */
  readonly namespaces: Namespaces | undefined
  /** The last part of the program's path. */
  readonly name: string
  /** Whether all that it was made from, besides the command, is as it was then. */
  readonly isCurrent: () => boolean
}

/** Which of stdout and stderr a one-shot captures, whatever the command says. */
export type Capture = "none" | "stdout" | "both"

// What glibc searches where the environment has no PATH (confstr(3), _CS_PATH).
const defaultPath = "/bin:/usr/bin"

const writer: Role = { _tag: "Writer" }
const reader: Role = { _tag: "Reader" }

const plans: Record<Capture, WeakMap<Command.Command, Plan>> = {
  none: new WeakMap(),
  stdout: new WeakMap(),
  both: new WeakMap()
}

/** The plan of a command, good for one spawn that follows at once. */
export const plan = (
  command: Command.Command,
  capture: Capture
): Result.Result<Plan, InvalidArgument | Credentials> => {
  const known = plans[capture].get(command)
  if (known?.isCurrent() === true) return Result.succeed(refresh(known))
  const valid = Command.validate(command)
  if (Result.isFailure(valid)) return Result.fail(valid.failure)
  const setup = Setup.setup(command, () => startOf(command))
  if (Result.isFailure(setup)) return Result.fail(setup.failure)
  const made = make(command, capture, setup.success)
  if (isLasting(command)) plans[capture].set(command, made)
  return Result.succeed(made)
}

const refresh = (known: Plan): Plan => {
  const searchPath = searchPathOf(known.command)
  const cwd = cwdOf(known.command)
  return searchPath === known.request.searchPath && cwd === known.request.cwd
    ? known
    : { ...known, request: { ...known.request, searchPath, cwd } }
}

/**
 * Whether the plan may outlive the spawn. A secret is not kept in clear, for its Redacted may be wiped; a relative file follows
 * the working directory of this program, and a store fills and empties.
 */
const isLasting = (command: Command.Command): boolean =>
  command.fdStore === undefined &&
  !command.args.some(Redacted.isRedacted) &&
  !Object.values(command.env).some(Redacted.isRedacted) &&
  ![command.stdin, command.stdout, command.stderr, ...Object.values(command.fds)].some(isPassing)

const isPassing = (option: Stdio.Descriptor): boolean => Stdio.isFile(option) && !Path.isAbsolute(option.path)

const make = (command: Command.Command, capture: Capture, setup: Setup.Setup): Plan => {
  const { items, login } = setup
  const fds: Array<FdRequest> = []
  const ends: Array<End> = []
  const held: Array<HeldUse> = []
  const add = (target: number, option: Stdio.Descriptor) => {
    const fd = descriptorOf(target, option)
    fds.push(fd)
    if (isFd(option)) held.push({ target, fd: option, is: option.slot.held })
    const role = roleOf(fd, option)
    if (role !== undefined) ends.push({ target, role })
  }
  add(0, command.stdin)
  add(1, capture === "none" ? command.stdout : "pipe")
  add(2, capture === "both" ? "pipe" : command.stderr)
  for (const [key, option] of Object.entries(command.fds)) add(Number(key), option)
  const activated = activatedBy(command)
  activated.forEach(({ fd }, index) => {
    add(firstActivated + index, fd)
  })
  const [program, argv] = argvOf(command)
  return {
    command,
    ends,
    held,
    isLive: ends.some(({ role }) => role._tag === "Pump" || role._tag === "Consumer"),
    namespaces: namespacesOf(command),
    name: Path.basename(program),
    isCurrent: () => held.every(({ fd, is }) => fd.slot.held === is) && setup.isCurrent(),
    request: {
      program,
      argv,
      searchPath: searchPathOf(command),
      cwd: cwdOf(command),
      clearEnv: command.clearEnv,
      env: [
        ...login.filter(([name]) => !(name in command.env)),
        ...Object.entries(command.env).map(
          ([name, value]) => [name, value === undefined ? undefined : reveal(value)] as const
        ),
        ...(isActivated(command) ? activationEnv(activated) : [])
      ],
      level: command.containment,
      session: command.foreground ? "group" : command.session,
      foreground: command.foreground,
      stop: stopOf(Command.stopPolicy(command)),
      umask: command.umask,
      fds,
      shellFallback: false,
      groupOnFailure: false,
      notify: command.notify || command.fdStore !== undefined,
      listenPid: activated.length > 0,
      store: command.fdStore !== undefined,
      setup: command.namespaces === undefined ? items : [...(namespacesOf(command)?.items ?? []), ...items]
    }
  }
}

const startOf = (command: Command.Command): Start => {
  const [program] = argvOf(command)
  const cwd = cwdOf(command)
  return { program, searchPath: pathOf(command), directory: cwd === "" ? absolute(".") : cwd, absolute }
}

/** SD_LISTEN_FDS_START. */
const firstActivated = 3

const isActivated = (command: Command.Command): boolean =>
  command.activation !== undefined || command.fdStore !== undefined

/** What the program takes over: what it was given, then what those before it have left. */
const activatedBy = ({ activation, fdStore }: Command.Command): ReadonlyArray<Stored> => [
  ...Object.entries(activation ?? {}).flatMap(([name, fd]) => (isFd(fd) ? [{ name, fd }] : [])),
  ...(fdStore === undefined ? [] : insideOf(fdStore).stored)
]

/** sd_listen_fds(3). This program may have been activated itself: nothing of that is inherited. */
const activationEnv = (activated: ReadonlyArray<Stored>): SpawnRequest["env"] => {
  const some = activated.length > 0
  return [
    ["LISTEN_FDS", some ? `${activated.length}` : undefined],
    ["LISTEN_FDNAMES", some ? activated.map(({ name }) => name).join(":") : undefined],
    // Room for the pid, which is known only when the process is there.
    ["LISTEN_PID", some ? "0".repeat(10) : undefined]
  ]
}

const reveal = (word: Command.Word): string => (Redacted.isRedacted(word) ? Redacted.value(word) : word)

const argvOf = (command: Command.Command): readonly [program: string, argv: ReadonlyArray<string>] => {
  if (command.shell === false) return [command.program, [command.program, ...command.args.map(reveal)]]
  const shell = command.shell === true ? "/bin/sh" : command.shell
  return [shell, [shell, "-c", command.program]]
}

const searchPathOf = (command: Command.Command): string => {
  // A path is not searched for, and reading an environment costs more than one would think.
  if (command.shell === false ? command.program.includes("/") : command.shell === true) return ""
  return pathOf(command)
}

/** The `PATH` of the process. */
const pathOf = (command: Command.Command): string => {
  const own = command.env["PATH"]
  if (own !== undefined) return reveal(own)
  if (command.clearEnv || "PATH" in command.env) return defaultPath
  return process.env["PATH"] ?? defaultPath
}

/** In namespaces the directory of this program is found by its path, if at all. */
const cwdOf = (command: Command.Command): string => {
  if (command.cwd !== undefined) return absolute(command.cwd)
  return command.namespaces === undefined ? "" : absolute(".")
}

const namespacesOf = ({ namespaces }: Command.Command): Namespaces | undefined =>
  isNamespaces(namespaces) ? namespaces : undefined

/** The directory of this program may have been removed: a relative path leads nowhere then, and the backend says so. */
const absolute = (path: string): string => {
  try {
    return Path.resolve(path)
  } catch {
    return path
  }
}

/** The directory that a process is started in, for errors and spans. */
export const directoryOf = ({ cwd }: SpawnRequest): string => (cwd === "" ? absolute(".") : cwd)

/** A stop policy as the backend takes it. What is left of the tree gets the same time as the leader. */
export const stopOf = (policy: Command.StopPolicy): StopPolicy => {
  const grace = Duration.isFinite(policy.grace)
    ? Math.min(Math.ceil(Duration.toMillis(policy.grace)), longestGrace)
    : undefined
  return {
    signal: policy.signal === "SIGKILL" ? 0 : Signal.toNumber(policy.signal),
    reach: policy.to,
    grace,
    linger: grace
  }
}

// The frames to the keeper have 32 bits for it, and all ones mean no end.
const longestGrace = 0xffff_fffe

const descriptorOf = (target: number, option: Stdio.Descriptor): FdRequest => {
  if (option === "null") return { target, kind: "null" }
  if (option === "inherit") return { target, kind: "inherit", source: target }
  if (isFd(option)) return heldOf(target, option)
  if (option === "pipe-in" || Stream.isStream(option)) return { target, kind: "pipeIn" }
  if (option === "pipe") return { target, kind: target === 0 ? "pipeIn" : "pipeOut" }
  if (!Stdio.isFile(option)) return { target, kind: "pipeOut" }
  return { target, kind: "file", path: absolute(option.path), mode: modes[option._tag] }
}

/** A memory is opened anew for each: to be read, unless the child is to write it. */
const heldOf = (target: number, { isGift, kind, slot, direction }: Value<Direction, Kind>): FdRequest => {
  const isWritten = kind === "memory" && direction !== "readable" && target !== 0
  return { target, kind: "held", held: slot.held, end: isWritten ? 1 : slot.end, given: isGift }
}

const modes = { Read: "read", Truncate: "truncate", Append: "append" } as const

const roleOf = (fd: FdRequest, option: Stdio.Descriptor): Role | undefined => {
  if (fd.kind === "pipeIn") return Stream.isStream(option) ? { _tag: "Pump", stream: option } : writer
  if (fd.kind === "pipeOut") return Sink.isSink(option) ? { _tag: "Consumer", sink: option } : reader
  return undefined
}
