/**
 * Readiness: when a child does what it is for, so that those after it can start.
 *
 * A process that runs is not ready yet: it reads its files, opens its socket, recovers its data. What starts after it would fail,
 * and be restarted until it happens to work. A `Ready` is how the supervisor finds out, and what it finds out is what the child
 * provides to those after it.
 *
 * **Details**
 *
 * - It is asked from when the process runs until it succeeds. When the process ends before, the child fails with `NotReady` and the
 *   reason `ExitedBeforeReady`.
 * - There is no time limit unless {@link timeout} sets one, or the option `startTimeout` of the child: reason `ReadyTimeout`.
 * - Probes ({@link tcp}, {@link unix}, {@link http}, {@link command}) are repeated with a back-off of 10 milliseconds, doubling up to
 *   500; each attempt has a time limit of its own, so that a server that accepts and is silent does not hold them up.
 * - {@link tcp}, {@link unix} and {@link http} make sure that it is the child that answers, see {@link Owner}.
 *
 * **Gotchas**
 *
 * A server may accept connections before it can do anything with them, as PostgreSQL does while it recovers: a socket says less
 * than an answer, and an answer less than the server's own word ({@link notify}, {@link fd}).
 */
import type { Nursery, Process, SpawnError } from "@nursery/process"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type { Pipeable } from "effect/Pipeable"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Types from "effect/Types"
import type { NotReady } from "./ChildError.ts"
import * as Probe from "./internal/ready/command.ts"
import * as deadline from "./internal/ready/deadline.ts"
import { request } from "./internal/ready/http.ts"
import { noWants, ready } from "./internal/ready/make.ts"
import * as Options from "./internal/ready/options.ts"
import { attempt, backOff, defaultAttemptTimeout, poll } from "./internal/ready/poll.ts"
import * as Server from "./internal/ready/server.ts"
import * as word from "./internal/ready/word.ts"
import type { ReadySpec } from "./internal/spec.ts"

/**
 * How to find out that a child is ready. `A` is what it provides to those after it, `E` what else the child fails with, `R` what it
 * needs, and `In` the process that it looks at: `unknown` where it looks at none, and fits children that are Effects too.
 *
 * @category models
 */
export interface Ready<out A = void, out E = never, out R = never, in In = unknown> extends Pipeable {
  readonly "~nursery/Ready": {
    readonly _A: Types.Covariant<A>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
    readonly _In: Types.Contravariant<In>
  }
  /** @internal */
  readonly spec: ReadySpec
}

/**
 * Any process, whatever it is connected to.
 *
 * @category models
 */
export type AnyProcess = Process.ProcessBase<unknown>

/**
 * Who may answer.
 *
 * - `"child"`, the default: a process of the child's own tree. Where another one answers, the child fails with `NotReady` and the
 *   reason `ReadyStranger`. This is told on Linux, where the kernel shows who listens; where it does not show it (another user's
 *   processes, another machine, a child that is an Effect), anybody may answer.
 * - `"any"`: anybody; for a child that starts its server elsewhere, as `docker run` does.
 *
 * @category options
 */
export type Owner = "child" | "any"

/**
 * How a probe is repeated.
 *
 * @category options
 */
export interface PollOptions {
  /**
   * When the next attempt is made after one that failed. Default: after 10 milliseconds, then twice as long each time, up to 500. Where it
   * ends, the child fails as by {@link timeout}.
   */
  readonly schedule?: Schedule.Schedule<unknown> | undefined
  /** The time limit of each attempt. Default: 5 seconds. */
  readonly attemptTimeout?: Duration.Input | undefined
}

/**
 * How a server is asked.
 *
 * @category options
 */
export interface ServerOptions extends PollOptions {
  readonly owner?: Owner | undefined
}

/**
 * A port of `localhost`, or of another host.
 *
 * @category options
 */
export type TcpAddress = number | { readonly host?: string | undefined; readonly port: number }

/**
 * A request, and which answers are good.
 *
 * @category options
 */
export interface HttpRequest {
  /** Of `http` or `https`. Messages show neither its password nor its query. */
  readonly url: string | URL
  /** Default: `GET`. */
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted<string>>> | undefined
  /** The status that is good, or several. Default: all from 200 to 399; redirections are not followed. */
  readonly status?: number | ReadonlyArray<number> | undefined
  /** Whether the body is good, of a good status. Default: it is not read. */
  readonly body?: ((body: string) => boolean) | undefined
  /** The path of a unix socket to send it to, in place of the host of the url. */
  readonly socket?: string | undefined
  /** Whether a certificate has to be valid. Default: `true`. */
  readonly rejectUnauthorized?: boolean | undefined
}

/**
 * Ready as soon as it runs.
 *
 * @category constructors
 */
export const immediate: Ready = ready({
  name: "immediate",
  wants: noWants,
  problem: undefined,
  check: () => Effect.void
})

/**
 * Ready when an Effect succeeds, with what it succeeds with. Its failure is one of the child: nothing is tried again.
 *
 * **Example** (A port that the system chooses)
 *
 * ```ts no-run
 * import type { Nursery, Process, SpawnError } from "@nursery/process"
 * import { Ready } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import { readFile } from "node:fs/promises"
 *
 * const isUp = Ready.effect((process: Process.Process) =>
 *   Effect.map(
 *     Effect.promise(() => readFile(`/run/app/${process.pid}.port`, "utf8")),
 *     (text) => ({ port: Number(text) })
 *   )
 * )
 * ```
 *
 * @category constructors
 */
export const effect: {
  <A, E, R>(effect: Effect.Effect<A, E, R>): Ready<A, E, R>
  <A, E, R, In extends AnyProcess = Process.Process>(f: (process: In) => Effect.Effect<A, E, R>): Ready<A, E, R, In>
} = <A, E, R, In extends AnyProcess>(
  input: Effect.Effect<A, E, R> | ((process: In) => Effect.Effect<A, E, R>)
): Ready<A, E, R, In> =>
  ready({
    name: "effect",
    wants: noWants,
    problem: undefined,
    // A check that looks at a process does not fit a child without one, which the type `In` sees to.
    check: (running) => (Effect.isEffect(input) ? input : Effect.suspend(() => input(running.process as In)))
  })

const server = (
  name: string,
  problem: string | undefined,
  options: ServerOptions | undefined,
  probe: Server.Probe
): Ready<void, NotReady> => {
  const limit = Options.duration("attemptTimeout", options?.attemptTimeout, defaultAttemptTimeout)
  const spec: Server.Server = {
    name,
    probe,
    schedule: options?.schedule ?? backOff,
    attemptTimeout: limit.value,
    owner: options?.owner ?? "child"
  }
  return ready({
    name,
    wants: noWants,
    problem: Options.firstProblem(problem, limit.problem),
    check: (running) => Server.check(spec, running)
  })
}

/**
 * Ready when a connection to a TCP port is accepted. It is closed at once.
 *
 * @category constructors
 */
export const tcp = (address: TcpAddress, options?: ServerOptions): Ready<void, NotReady> => {
  const { value, problem } = Options.tcp(address)
  return server(Options.showTcp(value), problem, options, Server.connecting(value))
}

/**
 * Ready when a connection to a unix socket is accepted. It is closed at once. A socket file that nobody listens at any more is not
 * enough.
 *
 * @category constructors
 */
export const unix = (path: string, options?: ServerOptions): Ready<void, NotReady> =>
  server(`unix ${path}`, Options.socketPath(path), options, Server.connecting({ path }))

/**
 * Ready when a request is answered well: with a status from 200 to 399, unless a {@link HttpRequest} says something else.
 *
 * **Example** (A page that has to say something)
 *
 * ```ts
 * import { Ready } from "@nursery/supervisor"
 *
 * const isUp = Ready.http({ url: "http://localhost:9200/_cluster/health", body: (body) => !body.includes('"red"') }).pipe(
 *   Ready.timeout("1 minute")
 * )
 * ```
 *
 * @category constructors
 */
export const http = (input: string | URL | HttpRequest, options?: ServerOptions): Ready<void, NotReady> => {
  const { value, problem } = Options.http(input)
  return server(Options.showHttp(value), problem, options, (connected) => request(value, connected))
}

/**
 * Ready when a command exits with one of its `successCodes`: run again until it does, by the back-off of all probes. What it writes
 * is not shown. A command that cannot be started fails the child with its `SpawnError`.
 *
 * **Example** (A database that has recovered)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import { Ready } from "@nursery/supervisor"
 *
 * const isUp = Ready.command(Command.make("pg_isready", ["-h", "/run/db", "-p", "5432"])).pipe(Ready.timeout("1 minute"))
 * ```
 *
 * @category constructors
 */
export const command = (
  command: Probe.ProbeCommand,
  options?: PollOptions
): Ready<void, NotReady | SpawnError, Nursery.Nursery> => {
  const name = Probe.nameOf(command)
  const limit = Options.duration("attemptTimeout", options?.attemptTimeout, defaultAttemptTimeout)
  const schedule = options?.schedule ?? backOff
  return ready({
    name,
    wants: noWants,
    problem: limit.problem,
    check: (running) => poll(name, schedule, running, attempt(Probe.succeed(command), limit.value))
  })
}

/**
 * Ready when the process says so by `READY=1` of systemd's notify protocol (`sd_notify(3)`): on the socket whose path it finds in
 * its environment as `NOTIFY_SOCKET`.
 *
 * The kernel tells who has sent a message. That of a process that is not of the child's tree does not count; when a time limit is up
 * then, the reason is `ReadyStranger`, and names it.
 *
 * **Gotchas**
 *
 * A script that runs `systemd-notify` should wait for its answer, as that program does: of one that has ended before its message was
 * looked at nobody can tell whose it was. Its message counts, for only the child's tree is told where to send it.
 *
 * @category constructors
 */
export const notify: Ready<void, never, never, AnyProcess> = ready({
  name: "notify",
  wants: { ...noWants, notify: true },
  problem: undefined,
  check: word.notified
})

/**
 * Ready when the process writes a newline to descriptor `n`, as s6 has it: programs have an option for the number, often `-d` or
 * `--notification-fd`. The command gets the descriptor, a pipe, by this.
 *
 * @category constructors
 */
export const fd = (n: number): Ready<void, never, never, AnyProcess> =>
  ready({
    name: `fd ${n}`,
    wants: { ...noWants, fds: [n] },
    problem: Options.descriptor(n),
    check: (running) => word.written(n, running)
  })

/**
 * Ready when the process writes a line that matches, with the match. Lines of both outputs are looked at, one by one and without
 * their end, unless `stream` names one.
 *
 * **Gotchas**
 *
 * Each output that is looked at becomes a pipe, which the tree's logs read. Programs that buffer what they write to a pipe say it
 * late, or never.
 *
 * **Example** (A port that the program has chosen)
 *
 * ```ts
 * import { Ready } from "@nursery/supervisor"
 *
 * const port = Ready.log(/listening on port (\d+)/).pipe(Ready.map((match) => Number(match[1])))
 * ```
 *
 * @category constructors
 */
export const log = (
  pattern: RegExp,
  options?: { readonly stream?: "stdout" | "stderr" | "both" | undefined }
): Ready<RegExpExecArray, never, never, AnyProcess> => {
  const of = options?.stream ?? "both"
  return ready({
    name: `log ${pattern}`,
    wants: { ...noWants, stdout: of !== "stderr", stderr: of !== "stdout" },
    problem: undefined,
    check: (running) => word.logged(pattern, of, running)
  })
}

/**
 * Changes what the child provides.
 *
 * @category combinators
 */
export const map: {
  <A, B>(f: (value: A) => B): <E, R, In>(self: Ready<A, E, R, In>) => Ready<B, E, R, In>
  <A, E, R, In, B>(self: Ready<A, E, R, In>, f: (value: A) => B): Ready<B, E, R, In>
} = dual(
  2,
  <A, E, R, In, B>({ spec }: Ready<A, E, R, In>, f: (value: A) => B): Ready<B, E, R, In> =>
    // What the check of a `Ready<A>` answers is an `A`.
    ready({ ...spec, check: (running) => Effect.map(spec.check(running), (value) => f(value as A)) })
)

/** Every check that a child can have; a function that is written in place gets its process by it. */
type Any = Ready<unknown, unknown, unknown, Process.Process>

/**
 * Ready when all of them are; provides what they do, in their order. The first failure is that of all.
 *
 * **Example** (Two ports)
 *
 * ```ts
 * import { Ready } from "@nursery/supervisor"
 *
 * const isUp = Ready.all([Ready.tcp(8080), Ready.tcp(8443)]).pipe(Ready.timeout("10 seconds"))
 * ```
 *
 * @category combinators
 */
export const all = <const All extends ReadonlyArray<Any>>(
  all: All
): Ready<
  { -readonly [K in keyof All]: All[K] extends Ready<infer A, unknown, unknown, never> ? A : never },
  All[number] extends Ready<unknown, infer E, unknown, never> ? E : never,
  All[number] extends Ready<unknown, unknown, infer R, never> ? R : never,
  [All[number]] extends [Ready<unknown, unknown, unknown, infer In>] ? In : never
> => {
  const specs = all.map(({ spec }) => spec)
  return ready({
    name: specs.map(({ name }) => name).join(" and "),
    wants: {
      notify: specs.some(({ wants }) => wants.notify),
      watchdog: undefined,
      fds: specs.flatMap(({ wants }) => wants.fds),
      stdout: specs.some(({ wants }) => wants.stdout),
      stderr: specs.some(({ wants }) => wants.stderr)
    },
    problem: Options.firstProblem(...specs.map(({ problem }) => problem)),
    check: (running) =>
      Effect.all(
        specs.map((spec) => spec.check(running)),
        { concurrency: "unbounded" }
      )
  })
}

/**
 * Sets a time limit, counted from when the process runs; that of the whole start is the option `startTimeout` of the child. A process that speaks systemd's protocol ({@link notify}) may extend it by
 * `EXTEND_TIMEOUT_USEC=`.
 *
 * @category combinators
 */
export const timeout: {
  (duration: Duration.Input): <A, E, R, In>(self: Ready<A, E, R, In>) => Ready<A, E | NotReady, R, In>
  <A, E, R, In>(self: Ready<A, E, R, In>, duration: Duration.Input): Ready<A, E | NotReady, R, In>
} = dual(2, <A, E, R, In>({ spec }: Ready<A, E, R, In>, duration: Duration.Input): Ready<A, E | NotReady, R, In> => {
  const { value, problem } = Options.duration("the time limit of ready", duration, defaultAttemptTimeout)
  return ready({
    ...spec,
    problem: Options.firstProblem(spec.problem, problem),
    check: deadline.limit(spec, value)
  })
})
