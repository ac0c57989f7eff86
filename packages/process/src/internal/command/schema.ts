/**
 * The Schema of plain commands: their encoded form, and the way there and back.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type * as Types from "effect/Types"
import type { Command, Encoded, Env, Limits, Plain, StopOptions } from "../../Command.ts"
import * as Signal from "../../Signal.ts"
import * as Stdio from "../../Stdio.ts"
import { Store } from "../fd/store.ts"
import { isValue } from "../fd/value.ts"
import { capabilities } from "./credentials.ts"
import { encodeLimits } from "./limits.ts"
import { findProblem, formatPath, type Problem } from "./validate.ts"
import { defaults, isCommand, make } from "./value.ts"

const Mode = Schema.Literals(["null", "inherit", "pipe"])

const Input = Schema.Union([Mode, Stdio.Read])

const Output = Schema.Union([Mode, Stdio.Append, Stdio.Truncate])

const Descriptor = Schema.Union([Mode, Schema.Literal("pipe-in"), Stdio.Read, Stdio.Append, Stdio.Truncate])

const LimitValue = Schema.Union([Schema.Number, Schema.String])

const Limit = Schema.Union([
  LimitValue,
  Schema.Boolean,
  Schema.Struct({ quota: Schema.String, period: Schema.optionalKey(Schema.String) }),
  Schema.Struct({ soft: Schema.optionalKey(LimitValue), hard: Schema.optionalKey(LimitValue) })
])

const Id = Schema.Union([Schema.String, Schema.Number])

const Capability = Schema.Literals(capabilities)

const Credentials = Schema.Struct({
  user: Schema.optionalKey(Id),
  group: Schema.optionalKey(Id),
  groups: Schema.optionalKey(Schema.Array(Id)),
  capabilities: Schema.optionalKey(
    Schema.Union([Schema.Struct({ keep: Schema.Array(Capability) }), Schema.Struct({ drop: Schema.Array(Capability) })])
  ),
  noNewPrivileges: Schema.optionalKey(Schema.Boolean),
  loginEnvironment: Schema.optionalKey(Schema.Boolean)
})

const Priority = Schema.Struct({
  nice: Schema.optionalKey(Schema.Int),
  policy: Schema.optionalKey(
    Schema.Union([
      Schema.Literals(["other", "batch", "idle"]),
      Schema.Struct({ fifo: Schema.Int }),
      Schema.Struct({ rr: Schema.Int })
    ])
  ),
  io: Schema.optionalKey(
    Schema.Union([
      Schema.Literal("idle"),
      Schema.Struct({ bestEffort: Schema.Int }),
      Schema.Struct({ realtime: Schema.Int })
    ])
  )
})

/** The encoded form with its files as instances; what has its default is left out. */
const Form = Schema.Struct({
  program: Schema.String,
  args: Schema.optionalKey(Schema.Array(Schema.String)),
  cwd: Schema.optionalKey(Schema.String),
  /** `null` removes the variable. */
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Schema.String))),
  clearEnv: Schema.optionalKey(Schema.Boolean),
  shell: Schema.optionalKey(Schema.Union([Schema.Boolean, Schema.String])),
  stdin: Schema.optionalKey(Input),
  stdout: Schema.optionalKey(Output),
  stderr: Schema.optionalKey(Output),
  fds: Schema.optionalKey(Schema.Record(Schema.String, Descriptor)),
  stop: Schema.optionalKey(
    Schema.Struct({
      signal: Schema.optionalKey(Signal.Signal),
      grace: Schema.optionalKey(Schema.DurationFromString),
      to: Schema.optionalKey(Schema.Literals(["leader", "group", "tree"]))
    })
  ),
  successCodes: Schema.optionalKey(Schema.Array(Schema.Int)),
  containment: Schema.optionalKey(Schema.Literals(["tree", "group", "pid-namespace", "cgroup"])),
  umask: Schema.optionalKey(Schema.Int),
  session: Schema.optionalKey(Schema.Literals(["new", "group", "owner"])),
  controllingTerminal: Schema.optionalKey(Schema.Boolean),
  foreground: Schema.optionalKey(Schema.Boolean),
  notify: Schema.optionalKey(Schema.Boolean),
  limits: Schema.optionalKey(Schema.Record(Schema.String, Limit)),
  credentials: Schema.optionalKey(Credentials),
  priority: Schema.optionalKey(Schema.Union([Schema.Int, Priority])),
  affinity: Schema.optionalKey(Schema.Array(Schema.Int)),
  oomScoreAdjust: Schema.optionalKey(Schema.Int),
  sandbox: Schema.optionalKey(
    Schema.Struct({
      read: Schema.optionalKey(Schema.Array(Schema.String)),
      write: Schema.optionalKey(Schema.Array(Schema.String)),
      execute: Schema.optionalKey(Schema.Array(Schema.String)),
      connect: Schema.optionalKey(Schema.Array(Schema.Int)),
      bind: Schema.optionalKey(Schema.Array(Schema.Int)),
      scope: Schema.optionalKey(Schema.Array(Schema.Literals(["signals", "abstract-sockets"])))
    })
  ),
  seccomp: Schema.optionalKey(Schema.Uint8ArrayFromBase64)
})

type Form = typeof Form.Type

type Path = Problem[0]

// An issue carries no input: a command can hold secrets.
const issueAt = (path: Path, problem: string): SchemaIssue.Issue =>
  new SchemaIssue.Pointer(path, new SchemaIssue.InvalidValue({ message: `${formatPath(path)} ${problem}` }))

const liveKind = (value: unknown): string | undefined =>
  Stream.isStream(value)
    ? "a Stream"
    : Sink.isSink(value)
      ? "a Sink"
      : isValue(value)
        ? "an Fd"
        : value instanceof Store
          ? "a store"
          : undefined

/** The first option that holds something that lives in this program. */
const findLive = (self: Command): SchemaIssue.Issue | undefined => {
  const options: ReadonlyArray<readonly [path: Path, value: unknown]> = [
    [["stdin"], self.stdin],
    [["stdout"], self.stdout],
    [["stderr"], self.stderr],
    ...Object.entries(self.fds ?? {}).map(([descriptor, value]) => [["fds", descriptor], value] as const),
    ...Object.entries(self.activation ?? {}).map(([name, value]) => [["activation", name], value] as const),
    [["fdStore"], self.fdStore]
  ]
  if (self.namespaces !== undefined) {
    return issueAt(["namespaces"], "are live: they belong to this program and cannot be encoded")
  }
  for (const [path, value] of options) {
    const kind = liveKind(value)
    if (kind !== undefined) {
      return issueAt(path, `holds ${kind}, which lives in this program and cannot be encoded`)
    }
  }
  return undefined
}

/** The first option that holds a secret. */
const findRedacted = (self: Plain): SchemaIssue.Issue | undefined => {
  const arg = self.args.findIndex(Redacted.isRedacted)
  if (arg !== -1) return issueAt(["args", arg], "is Redacted and is never encoded")
  for (const [name, value] of Object.entries(self.env)) {
    if (Redacted.isRedacted(value)) return issueAt(["env", name], "is Redacted and is never encoded")
  }
  return undefined
}

const findInvalid = (self: Plain): SchemaIssue.Issue | undefined => {
  const problem = findProblem(self)
  return problem === undefined ? undefined : issueAt(problem[0], problem[1])
}

const PlainCommand = Schema.declareConstructor<Plain>()(
  [],
  () => (input, ast, options) => {
    if (!isCommand(input)) return Effect.fail(new SchemaIssue.InvalidType(ast, input, options))
    const live = findLive(input)
    // Without live parts it is plain: the types of all other parts are the same in both.
    return live === undefined ? Effect.succeed(input as Plain) : Effect.fail(live)
  },
  { identifier: "Command", expected: "a Command" }
)

const decodeEnv = (env: NonNullable<Form["env"]>): Env =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? undefined]))

const decode = (form: Form): Effect.Effect<Plain, SchemaIssue.Issue> => {
  const { args = [], env, limits = defaults.limits, ...rest } = form
  const command: Plain = make({
    ...defaults,
    ...rest,
    args,
    env: env === undefined ? defaults.env : decodeEnv(env),
    // Names, sizes and times are what the check below looks at.
    limits: limits as Limits
  })
  const issue = findInvalid(command)
  return issue === undefined ? Effect.succeed(command) : Effect.fail(issue)
}

const encodeEnv = (env: Env): NonNullable<Form["env"]> =>
  Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (Redacted.isRedacted(value) ? [] : [[name, value ?? null]]))
  )

const encodeStop = ({ signal, grace, to }: StopOptions): NonNullable<Form["stop"]> => ({
  ...(signal === undefined ? undefined : { signal }),
  ...(grace === undefined ? undefined : { grace: Duration.fromInputUnsafe(grace) }),
  ...(to === undefined ? undefined : { to })
})

/** Without the keys that are `undefined`, which JSON does not have either. */
const defined = <A extends object>(record: A): { readonly [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    readonly [K in keyof A]: Exclude<A[K], undefined>
  }

const isEmpty = (record: object): boolean => Object.keys(record).length === 0

const encode = (self: Plain): Effect.Effect<Form, SchemaIssue.Issue> => {
  const issue = findInvalid(self) ?? findRedacted(self)
  if (issue !== undefined) return Effect.fail(issue)
  const form: Types.Mutable<Form> = { program: self.program, args: self.args.filter(Predicate.isString) }
  if (self.cwd !== undefined) form.cwd = self.cwd
  if (!isEmpty(self.env)) form.env = encodeEnv(self.env)
  if (self.clearEnv) form.clearEnv = true
  if (self.shell !== false) form.shell = self.shell
  if (self.stdin !== defaults.stdin) form.stdin = self.stdin
  if (self.stdout !== defaults.stdout) form.stdout = self.stdout
  if (self.stderr !== defaults.stderr) form.stderr = self.stderr
  if (!isEmpty(self.fds)) form.fds = { ...self.fds }
  if (!isEmpty(self.stop)) form.stop = encodeStop(self.stop)
  if (self.successCodes !== defaults.successCodes) form.successCodes = self.successCodes
  if (self.containment !== defaults.containment) form.containment = self.containment
  if (self.umask !== undefined) form.umask = self.umask
  if (self.session !== defaults.session) form.session = self.session
  if (self.controllingTerminal !== undefined) form.controllingTerminal = self.controllingTerminal
  if (self.foreground) form.foreground = true
  if (self.notify) form.notify = true
  if (!isEmpty(self.limits)) form.limits = encodeLimits(self.limits)
  if (self.credentials !== undefined) form.credentials = defined(self.credentials)
  if (self.priority !== undefined) {
    form.priority = typeof self.priority === "number" ? self.priority : defined(self.priority)
  }
  if (self.affinity !== undefined) form.affinity = self.affinity
  if (self.oomScoreAdjust !== undefined) form.oomScoreAdjust = self.oomScoreAdjust
  if (self.sandbox !== undefined) form.sandbox = defined(self.sandbox)
  if (self.seccomp !== undefined) form.seccomp = Uint8Array.from(self.seccomp)
  return Effect.succeed(form)
}

export const CommandSchema: Schema.Codec<Plain, Encoded> = Form.pipe(
  Schema.decodeTo(PlainCommand, {
    decode: SchemaGetter.transformEffect(decode),
    encode: SchemaGetter.transformEffect(encode)
  })
)
