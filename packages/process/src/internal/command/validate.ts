/**
 * What is wrong with a command, before anything is started: values that the type of an option admits and no process can have,
 * and values of the wrong type from untyped code.
 *
 * Runs before every spawn: the ordinary command costs a few comparisons for each option and one scan of each string. No message
 * contains a value of `args` or `env`, which may be secret.
 *
 * @internal
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Command } from "../../Command.ts"
import { InvalidArgument } from "../../ProcessError.ts"
import * as Signal from "../../Signal.ts"
import * as Stdio from "../../Stdio.ts"
import { isName, Store } from "../fd/store.ts"
import { isValue as isFd } from "../fd/value.ts"
import { isValue as isNamespaces } from "../namespace/value.ts"
import { isCgroupLimit } from "./cgroupLimits.ts"
import { credentialsProblem } from "./credentials.ts"
import { durationProblem } from "./duration.ts"
import { limitsProblem } from "./limits.ts"
import { affinityProblem, oomScoreProblem, priorityProblem } from "./priority.ts"
import { sandboxProblem, seccompProblem } from "./sandbox.ts"
import { defaults } from "./value.ts"

/** The kernel's own limit of descriptor numbers, `fs.nr_open`, is 2^20 unless an administrator raised it. */
const descriptorLimit = 1 << 20

/** Where the problem is, as keys of the command, and what it is. */
export type Problem = readonly [
  path: readonly [option: string, ...keys: ReadonlyArray<string | number>],
  problem: string
]

// Fields are typed as in `Command`, but a command can come from untyped code: every check starts from `unknown`.
const textProblem = (text: unknown): string | undefined => {
  if (typeof text !== "string") return "is not a string"
  return text.includes("\0") ? "contains a NUL character, which the operating system cannot pass on" : undefined
}

const nameProblem = (text: unknown): string | undefined => (text === "" ? "is empty" : textProblem(text))

const wordProblem = (word: unknown): string | undefined => {
  if (!Redacted.isRedacted(word)) return textProblem(word)
  try {
    return textProblem(Redacted.value(word))
  } catch {
    return "is a Redacted whose value has been wiped"
  }
}

const programProblem = (self: Command): Problem | undefined => {
  const problem = nameProblem(self.program)
  if (problem !== undefined) return [["program"], problem]
  if (!Array.isArray(self.args)) return [["args"], "is not an array"]
  for (let i = 0; i < self.args.length; i++) {
    const problem = wordProblem(self.args[i])
    if (problem !== undefined) return [["args", i], problem]
  }
  return undefined
}

const shellProblem = (self: Command): Problem | undefined => {
  if (self.shell === false) return undefined
  if (self.args.length > 0) {
    return [["shell"], "takes no args: the program is the whole script, pass values to it through env"]
  }
  if (self.shell === true) return undefined
  const problem = nameProblem(self.shell)
  return problem === undefined ? undefined : [["shell"], problem]
}

const envProblem = (env: unknown): Problem | undefined => {
  if (typeof env !== "object" || env === null) return [["env"], "is not an object"]
  for (const [name, value] of Object.entries(env)) {
    if (name === "") return [["env"], "has a variable with an empty name"]
    if (name.includes("=")) return [["env", name], 'has "=" in its name']
    if (name.includes("\0")) return [["env", name], "has a NUL character in its name"]
    const problem = value === undefined ? undefined : wordProblem(value)
    if (problem !== undefined) return [["env", name], problem]
  }
  return undefined
}

const isMode = (value: unknown): boolean => value === "null" || value === "inherit" || value === "pipe"

const fileProblem = (file: Stdio.File): string | undefined => {
  const problem = nameProblem(file.path)
  return problem === undefined ? undefined : `names a file whose path ${problem}`
}

const inputProblem = (value: unknown): string | undefined => {
  if (isMode(value) || Stream.isStream(value)) return undefined
  if (isFd(value)) return value.direction === "writable" ? "is read by the child: this Fd is for output" : undefined
  if (!Stdio.isFile(value)) return 'is none of "null", "inherit", "pipe", Stdio.read(path), a Stream and an Fd'
  return value._tag === "Read"
    ? fileProblem(value)
    : `is read by the child: Stdio.${value._tag.toLowerCase()} is for output`
}

const outputProblem = (value: unknown): string | undefined => {
  if (isMode(value) || Sink.isSink(value)) return undefined
  if (isFd(value)) return value.direction === "readable" ? "is written by the child: this Fd is for input" : undefined
  if (!Stdio.isFile(value)) {
    return 'is none of "null", "inherit", "pipe", Stdio.append(path), Stdio.truncate(path), a Sink and an Fd'
  }
  return value._tag === "Read" ? "is written by the child: Stdio.read is for input" : fileProblem(value)
}

const descriptorProblem = (value: unknown): string | undefined => {
  if (isMode(value) || value === "pipe-in" || Stream.isStream(value) || Sink.isSink(value) || isFd(value)) {
    return undefined
  }
  if (Stdio.isFile(value)) return fileProblem(value)
  return 'is none of "null", "inherit", "pipe", "pipe-in", a file of Stdio, a Stream, a Sink and an Fd'
}

const descriptorNumberProblem = (key: string): string | undefined => {
  const number = Number(key)
  if (key === "" || !Number.isInteger(number)) return "is not a descriptor number: an integer from 3 on"
  if (number < 0) return "is negative: descriptor numbers go from 3 on"
  if (number < 3) return `is given twice: descriptor ${number} is the option ${["stdin", "stdout", "stderr"][number]}`
  if (number >= descriptorLimit) return `is larger than any descriptor number: at most ${descriptorLimit - 1}`
  // Two keys such as "3" and "03" would be the same descriptor given twice.
  return key === String(number) ? undefined : `is not the usual form of a descriptor number: write ${number}`
}

/** What one start can pass on (SCM_RIGHTS of `unix(7)`), the standard streams not counted. */
const mostDescriptors = 247

const stdioProblem = (self: Command): Problem | undefined => {
  const stdin = inputProblem(self.stdin)
  if (stdin !== undefined) return [["stdin"], stdin]
  const stdout = outputProblem(self.stdout)
  if (stdout !== undefined) return [["stdout"], stdout]
  const stderr = outputProblem(self.stderr)
  if (stderr !== undefined) return [["stderr"], stderr]
  if (typeof self.fds !== "object" || self.fds === null) return [["fds"], "is not an object"]
  const count = Object.keys(self.fds).length + Object.keys(self.activation ?? {}).length
  if (count > mostDescriptors) {
    return [["fds"], `and activation are ${count} descriptors: at most ${mostDescriptors}; pass more over a socket`]
  }
  for (const [key, value] of Object.entries(self.fds)) {
    const problem = descriptorNumberProblem(key) ?? descriptorProblem(value)
    if (problem !== undefined) return [["fds", key], problem]
  }
  return undefined
}

const isReach = (value: unknown): boolean => value === "leader" || value === "group" || value === "tree"

const stopProblem = (stop: Command["stop"]): Problem | undefined => {
  if (typeof stop !== "object" || stop === null) return [["stop"], "is not an object"]
  if (stop.signal !== undefined && !Signal.isSignal(stop.signal))
    return [["stop", "signal"], "is not the name of a signal"]
  if (stop.to !== undefined && !isReach(stop.to)) return [["stop", "to"], 'is none of "leader", "group" and "tree"']
  const problem = stop.grace === undefined ? undefined : durationProblem(stop.grace)
  return problem === undefined ? undefined : [["stop", "grace"], problem]
}

const isBetween = (value: unknown, max: number): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max

const restProblem = (self: Command): Problem | undefined => {
  const cwd = self.cwd === undefined ? undefined : nameProblem(self.cwd)
  if (cwd !== undefined) return [["cwd"], cwd]
  if (typeof self.clearEnv !== "boolean") return [["clearEnv"], "is not a boolean"]
  if (!Array.isArray(self.successCodes)) return [["successCodes"], "is not an array"]
  for (let i = 0; i < self.successCodes.length; i++) {
    if (!isBetween(self.successCodes[i], 255))
      return [["successCodes", i], "is not an exit code: an integer from 0 to 255"]
  }
  if (self.umask !== undefined && !isBetween(self.umask, 0o777)) {
    return [["umask"], "is not a file mode mask: an integer from 0 to 0o777"]
  }
  if (!levels.has(self.containment)) {
    return [["containment"], 'is none of "tree", "group", "pid-namespace" and "cgroup"']
  }
  if (self.containment === "pid-namespace" && self.session === "owner") {
    return [
      ["session"],
      'is "owner", whose process group nobody inside of a pid namespace can join: use "new" or "group"'
    ]
  }
  if (self.namespaces !== undefined && !isNamespaces(self.namespaces)) {
    return [["namespaces"], "is not a set of namespaces: make one by Namespace.make"]
  }
  if (self.namespaces !== undefined && self.containment === "pid-namespace") {
    return [["containment"], 'is "pid-namespace" together with namespaces: ask for pid in Namespace.make instead']
  }
  if (self.namespaces !== undefined && self.session === "owner") {
    return [["session"], 'is "owner", whose process group may not be in the namespaces: use "new" or "group"']
  }
  if (!sessions.has(self.session)) return [["session"], 'is none of "new", "group" and "owner"']
  const terminal = terminalProblem(self)
  if (terminal !== undefined) return terminal
  if (typeof self.notify !== "boolean") return [["notify"], "is not a boolean"]
  if (self.notify && self.env["NOTIFY_SOCKET"] !== undefined) {
    return [["env", "NOTIFY_SOCKET"], "is given together with notify, which sets it"]
  }
  return undefined
}

const terminalProblem = ({ containment, controllingTerminal, foreground, session }: Command): Problem | undefined => {
  if (typeof foreground !== "boolean") return [["foreground"], "is not a boolean"]
  if (foreground && session === "owner") {
    return [["session"], 'is "owner" together with foreground, which leads a process group of its own']
  }
  if (foreground && containment === "group") {
    return [
      ["containment"],
      'is "group", whose helper does not see that a process is stopped: use another one with foreground'
    ]
  }
  if (foreground && controllingTerminal === true) {
    return [["controllingTerminal"], "is for a session of its own, and foreground for that of this program"]
  }
  if (controllingTerminal === undefined || controllingTerminal === false) return undefined
  if (controllingTerminal !== true) return [["controllingTerminal"], "is not a boolean"]
  return session === "new"
    ? undefined
    : [["controllingTerminal"], 'is for the leader of a new session: with session "new"']
}

/** Set by the start, as `activation` and `fdStore` need them. */
const activationVariables = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"]

const activationProblem = (self: Command): Problem | undefined => {
  const { activation, fdStore } = self
  if (activation === undefined && fdStore === undefined) return undefined
  if (fdStore !== undefined && !(fdStore instanceof Store)) return [["fdStore"], "is no store of Fd.store"]
  if (typeof activation === "object" ? activation === null : activation !== undefined) {
    return [["activation"], "is not an object"]
  }
  const named = Object.entries(activation ?? {})
  for (const [name, value] of named) {
    if (!isName(name)) {
      return [["activation", name], "is not a name of 1 to 255 ASCII characters without control characters and colons"]
    }
    if (!isFd(value)) return [["activation", name], "is no Fd"]
  }
  const count = named.length + (fdStore?.stored.length ?? 0)
  const taken = Object.keys(self.fds).find((key) => Number(key) < 3 + count)
  if (taken !== undefined) return [["fds", taken], "is one of those that activation and fdStore take, from 3 on"]
  const variable = activationVariables.find((name) => self.env[name] !== undefined)
  return variable === undefined ? undefined : [["env", variable], "is set by activation and fdStore"]
}

const levels = new Set<unknown>(["tree", "group", "pid-namespace", "cgroup"])
const sessions = new Set<unknown>(["new", "group", "owner"])

type Nested = readonly [keys: ReadonlyArray<string | number>, problem: string]

const nested = (option: string, problem: Nested | undefined): Problem | undefined =>
  problem === undefined ? undefined : [[option, ...problem[0]], problem[1]]

const single = (option: string, problem: string | undefined): Problem | undefined =>
  problem === undefined ? undefined : [[option], problem]

/** A limit of a group where there is none. */
const levelProblem = ({ containment, limits }: Command): Nested | undefined => {
  const name = containment === "cgroup" ? undefined : Object.keys(limits).find(isCgroupLimit)
  return name === undefined
    ? undefined
    : [[name], 'is a limit of a cgroup, which only a process with containment "cgroup" has one of its own']
}

/** Of what is arranged before the program starts. */
const setupProblem = (self: Command): Problem | undefined => {
  const { affinity, credentials, limits, notify, oomScoreAdjust, priority, sandbox, seccomp } = self
  return (
    (limits === defaults.limits ? undefined : nested("limits", limitsProblem(limits) ?? levelProblem(self))) ??
    (credentials === undefined ? undefined : nested("credentials", credentialsProblem(credentials))) ??
    (priority === undefined ? undefined : nested("priority", priorityProblem(priority))) ??
    (affinity === undefined ? undefined : single("affinity", affinityProblem(affinity))) ??
    (oomScoreAdjust === undefined ? undefined : single("oomScoreAdjust", oomScoreProblem(oomScoreAdjust))) ??
    (sandbox === undefined ? undefined : nested("sandbox", sandboxProblem(sandbox, notify))) ??
    (seccomp === undefined ? undefined : single("seccomp", seccompProblem(seccomp)))
  )
}

/** The first problem of a command: which option, and what is wrong with it. */
export const findProblem = (self: Command): Problem | undefined =>
  programProblem(self) ??
  shellProblem(self) ??
  envProblem(self.env) ??
  stdioProblem(self) ??
  stopProblem(self.stop) ??
  activationProblem(self) ??
  restProblem(self) ??
  setupProblem(self)

const formatKey = (key: string | number): string => {
  const text = String(key)
  if (/^-?[0-9][0-9.e+]*$/.test(text)) return `[${text}]`
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) ? `.${text}` : `[${JSON.stringify(text)}]`
}

/** `args[2]`, `env.PATH`, `env["a b"]`, `fds[7]`, `stop.grace`. */
export const formatPath = ([option, ...keys]: Problem[0]): string => `${option}${keys.map(formatKey).join("")}`

const valid: Result.Result<void, InvalidArgument> = Result.succeed(undefined)

export const validate = (self: Command): Result.Result<void, InvalidArgument> => {
  const problem = findProblem(self)
  if (problem === undefined) return valid
  return Result.fail(new InvalidArgument({ option: formatPath(problem[0]), problem: problem[1] }))
}
