/**
 * The representation of a command.
 *
 * @internal
 */
import { NodeInspectSymbol } from "effect/Inspectable"
import { pipeArguments } from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import type {
  Activation,
  Command,
  Containment,
  Credentials,
  Env,
  Limits,
  Priority,
  Sandbox,
  Session,
  StopOptions
} from "../../Command.ts"
import type * as Fd from "../../Fd.ts"
import type { Namespace } from "../../Namespace.ts"
import * as CommandLine from "../commandLine.ts"

export const TypeId = "~@nursery/process/Command"

/** All fields of a command, without its methods. */
export type Fields<In, Out, Err, Fds> = Omit<Command<In, Out, Err, Fds>, typeof TypeId | "pipe">

const noEnv: Env = Object.freeze({})
const noStop: StopOptions = Object.freeze({})
const noLimits: Limits = Object.freeze({})
const zero: ReadonlyArray<number> = Object.freeze([0])

/** What a command has where nothing was said. */
export const defaults = {
  cwd: undefined,
  env: noEnv,
  clearEnv: false,
  shell: false,
  stdin: "null",
  stdout: "inherit",
  stderr: "inherit",
  fds: Object.freeze({}),
  stop: noStop,
  successCodes: zero,
  containment: "tree",
  umask: undefined,
  session: "new",
  controllingTerminal: undefined,
  foreground: false,
  namespaces: undefined,
  notify: false,
  limits: noLimits,
  credentials: undefined,
  priority: undefined,
  affinity: undefined,
  oomScoreAdjust: undefined,
  sandbox: undefined,
  seccomp: undefined,
  activation: undefined,
  fdStore: undefined
} as const

// A class with all fields set in one order: commands of all kinds share one hidden class.
class Value<In, Out, Err, Fds> implements Command<In, Out, Err, Fds> {
  readonly program: string
  readonly args: ReadonlyArray<CommandLine.Word>
  readonly cwd: string | undefined
  readonly env: Env
  readonly clearEnv: boolean
  readonly shell: boolean | string
  readonly stdin: In
  readonly stdout: Out
  readonly stderr: Err
  readonly fds: Fds
  readonly stop: StopOptions
  readonly successCodes: ReadonlyArray<number>
  readonly containment: Containment
  readonly umask: number | undefined
  readonly session: Session
  readonly controllingTerminal: boolean | undefined
  readonly foreground: boolean
  readonly namespaces: Namespace | undefined
  readonly notify: boolean
  readonly limits: Limits
  readonly credentials: Credentials | undefined
  readonly priority: Priority | number | undefined
  readonly affinity: ReadonlyArray<number> | undefined
  readonly oomScoreAdjust: number | undefined
  readonly sandbox: Sandbox | undefined
  readonly seccomp: Uint8Array | undefined
  readonly activation: Activation | undefined
  readonly fdStore: Fd.Store | undefined

  constructor(fields: Fields<In, Out, Err, Fds>) {
    this.program = fields.program
    this.args = fields.args
    this.cwd = fields.cwd
    this.env = fields.env
    this.clearEnv = fields.clearEnv
    this.shell = fields.shell
    this.stdin = fields.stdin
    this.stdout = fields.stdout
    this.stderr = fields.stderr
    this.fds = fields.fds
    this.stop = fields.stop
    this.successCodes = fields.successCodes
    this.containment = fields.containment
    this.umask = fields.umask
    this.session = fields.session
    this.controllingTerminal = fields.controllingTerminal
    this.foreground = fields.foreground
    this.namespaces = fields.namespaces
    this.notify = fields.notify
    this.limits = fields.limits
    this.credentials = fields.credentials
    this.priority = fields.priority
    this.affinity = fields.affinity
    this.oomScoreAdjust = fields.oomScoreAdjust
    this.sandbox = fields.sandbox
    this.seccomp = fields.seccomp
    this.activation = fields.activation
    this.fdStore = fields.fdStore
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  pipe() {
    // biome-ignore lint/complexity/noArguments: the signature of Effect's own Pipeable
    return pipeArguments(this, arguments)
  }

  toString() {
    return `Command(${display(this)})`
  }

  toJSON() {
    return { _id: "Command", command: display(this) }
  }

  [NodeInspectSymbol]() {
    return this.toString()
  }
}

export const make = <In, Out, Err, Fds>(fields: Fields<In, Out, Err, Fds>): Command<In, Out, Err, Fds> =>
  new Value(fields)

// Kept: a service that fails again and again is named in each of its errors.
const lines = new WeakMap<object, string>()

export const display = (self: Pick<Command, "program" | "args" | "shell">): string => {
  const known = lines.get(self)
  if (known !== undefined) return known
  const line = CommandLine.display(wordsOf(self))
  lines.set(self, line)
  return line
}

const wordsOf = ({ args, program, shell }: Pick<Command, "program" | "args" | "shell">) =>
  shell === false ? [program, ...args] : [shell === true ? "/bin/sh" : shell, "-c", program, ...args]

export const isCommand = (u: unknown): u is Command => Predicate.hasProperty(u, TypeId)
