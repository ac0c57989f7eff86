/**
 * The children of supervisors: processes, Effects and supervisors, as descriptions.
 *
 * A child is immutable plain data and has no effects; `Supervisor.run` and its relatives start it. Its type says what it provides to
 * those that start after it, what it may fail with and what it needs, so that a whole tree is checked before it runs.
 *
 * **Details**
 *
 * - `after` and `requires` name earlier siblings, which have to be ready before the child starts: by value, and then the function of
 *   the child gets what they provide, or by name, which orders only. A child that `requires` another one also stops with it.
 * - When a child has ended, its policies are asked first ({@link decide}, {@link catchTag}), and then its restart rule (`Restart`).
 *   What a policy, a schedule or a hook fails with is a failure of the child.
 * - Each life of a child has a scope of its own, which closes when it ends.
 *
 * **Gotchas**
 *
 * A child is not checked when it is made. What the types cannot see, such as a negative number, is found by `Supervisor.validate` and
 * before each start.
 */
import type { Command, Nursery, Stdio } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ChildExit, ProcessFailure } from "./ChildExit.ts"
import * as internal from "./internal/child.ts"
import type {
  AnyCommand,
  EffectOptions,
  LimitError,
  LivenessServices,
  ProcessOptions
} from "./internal/childOptions.ts"
import type { Child, Dependencies, NameOf, NeedOf, Provided } from "./internal/childTypes.ts"
import type { Liveness } from "./Liveness.ts"

export type { AnyCommand, EffectOptions, Hooks, LimitError, ProcessOptions } from "./internal/childOptions.ts"
export type {
  AfterOf,
  Any,
  Child,
  Dependencies,
  Error,
  NameOf,
  Need,
  NeedOf,
  NeedsOf,
  Provided,
  ProvidedBy,
  Services,
  Success,
  TypeId
} from "./internal/childTypes.ts"

/**
 * Another command for a process, from its next start on.
 *
 * @category models
 */
export interface Replace {
  readonly _tag: "replace"
  readonly command: Command.Command
}

/**
 * What is done about a child that has ended.
 *
 * - `restart`: it is started again, with those that its supervisor's strategy restarts with it, when its schedule says so.
 * - `restartGroup`: all children of the supervisor are restarted, whatever the strategy.
 * - `pause`, `stop`: it stays down, until somebody asks for its start; so do those that require it.
 * - `ignore`: it stays down, as one that failed and whose restart rule is `never`.
 * - `escalate`: it gives up, and its supervisor with it.
 * - {@link replace}: it is restarted with another command.
 * - `default`: what would be done if nothing were decided: what the other policies of the child decide, or else its restart rule.
 *
 * @category models
 */
export type Decision = "restart" | "restartGroup" | "pause" | "stop" | "escalate" | "ignore" | "default" | Replace

/**
 * What can be decided about a child that ends with an `A`: only a process has a command.
 *
 * @category models
 */
export type DecisionFor<A> = IsProcess<A> extends true ? Decision : Exclude<Decision, Replace>

/** Processes are the children that end with a `ProcessExit`. */
export type IsProcess<A> = [A, ProcessExit] extends [ProcessExit, A] ? true : false

/**
 * The decision to start a process with another command, which later restarts take too. A command that has a Stream or a Sink is given
 * when the child is made.
 *
 * @category decisions
 */
export const replace = (command: Command.Streamless): Replace => ({ _tag: "replace", command })

/** What spawning a command needs, and what its Streams fail with. */
type CommandServices<C> =
  C extends Command.Command<infer In, infer Out, infer Err, infer Fds> ? Stdio.Requirements<In, Out, Err, Fds> : never
type CommandError<C> =
  C extends Command.Command<infer In, infer _Out, infer _Err, infer Fds> ? Stdio.InputError<In, Fds> : never

/**
 * A child that is a process.
 *
 * **Details**
 *
 * - The command is given, or computed before each start by a function of what earlier children provide, which may be an Effect.
 * - It is ready when its `ready` succeeds, and provides what that answers; without one as soon as its program runs.
 * - A status that is none of its command's `successCodes` is a failure, `ExitError`; the others are in `ProcessFailure`.
 * - It is restarted always, unless `restart` says otherwise. A failure to start that will not go away by itself, such as a program that
 *   does not exist, is not tried again: the child gives up.
 *
 * **Example** (A process that provides its pid to another one)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Child, Ready, Restart, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const store = Child.process("store", Command.make("sleep", ["60"]), {
 *   ready: Ready.effect((process) => Effect.succeed({ pid: process.pid })),
 *   stop: { signal: "SIGINT", grace: "5 seconds" }
 * })
 * const check = Child.process(
 *   "check",
 *   ({ store }) => Command.make("kill", ["-0", String(store.pid)]),
 *   { after: [store], restart: Restart.never(), significant: true }
 * )
 *
 * const outcome = Supervisor.run(Supervisor.make("app", [store, check])).pipe(Effect.provide(Nursery.layer))
 * assert.equal((await Effect.runPromise(outcome))._tag, "Significant")
 * ```
 *
 * @category constructors
 */
export const process = <
  const Name extends string,
  C extends AnyCommand,
  CommandE = never,
  CommandR = never,
  const After extends Dependencies = [],
  const Requires extends Dependencies = [],
  P = void,
  ReadyE = never,
  ReadyR = never,
  LivenessR = never,
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AR = never,
  ReloadE = never,
  ReloadR = never,
  // Never inferred: a parameter of its own, because `NoInfer` does not reach into a conditional type.
  StreamE = CommandError<C>
>(
  name: Name,
  command: C | ((provided: Provided<After[number] | Requires[number]>) => C | Effect.Effect<C, CommandE, CommandR>),
  options?: ProcessOptions<
    After,
    Requires,
    P,
    CommandE | StreamE,
    ReadyE,
    ReadyR,
    LivenessR,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AR,
    ReloadE,
    ReloadR
  >
): Child<
  Name,
  P,
  ProcessExit,
  ProcessFailure | CommandE | StreamE | ReadyE | RestartE | DecideE | BE,
  | Nursery.Nursery
  | Exclude<CommandR | CommandServices<C> | ReadyR | LivenessR, Scope.Scope>
  | RestartR
  | DecideR
  | BR
  | AR
  | ReloadR,
  NameOf<After[number] | Requires[number]>,
  NeedOf<After[number] | Requires[number]>
> =>
  new internal.ChildValue(name, {
    kind: "process",
    name,
    after: internal.dependencies(options?.after, options?.requires),
    restart: internal.restartOf(options?.restart, "always"),
    policy: internal.policyOf(options?.decide),
    significant: options?.significant ?? false,
    hooks: internal.hooksOf(options?.hooks),
    startTimeout: options?.startTimeout,
    command: internal.commandOf(command),
    ready: options?.ready?.spec,
    liveness: options?.liveness?.spec,
    fdStoreMax: options?.fdStoreMax,
    stop: options?.stop,
    reload: internal.reloadOf(options?.reload)
  })

/** What an Effect without `ready` provides: what it succeeds with. */
interface OneShot {
  readonly "~@nursery/supervisor/OneShot": never
}

type ProvidedByEffect<P, A> = [P] extends [never] ? P : [P] extends [OneShot] ? A : P

/**
 * A child that is an Effect, run in a fiber.
 *
 * **Details**
 *
 * - Without `ready` it is ready when it has *succeeded*, and provides its value: a step that others wait for. One that goes on says by
 *   `ready` when those after it can start.
 * - It is restarted when it fails, unless `restart` says otherwise. Stopping it is an interruption, which is waited for.
 * - `startTimeout` and `liveness` make failures of their own of a fiber that hangs: `NotReady` and `Unresponsive`.
 *
 * **Example** (A step before the others)
 *
 * ```ts
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const config = Child.effect("config", Effect.succeed({ port: 8080 }))
 * const server = Child.effect(
 *   "server",
 *   ({ config }) => Effect.andThen(Effect.log(`listening on ${config.port}`), Effect.never),
 *   { after: [config], ready: Ready.immediate }
 * )
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Supervisor.start(Supervisor.make("app", [config, server]))
 *   const { children } = yield* running.snapshot
 *   return children.map((child) => child.status)
 * }).pipe(Effect.scoped)
 *
 * assert.deepEqual(await Effect.runPromise(program), ["completed", "ready"])
 * ```
 *
 * @category constructors
 */
export const effect = <
  const Name extends string,
  A,
  E,
  R,
  const After extends Dependencies = [],
  const Requires extends Dependencies = [],
  P = OneShot,
  ReadyE = never,
  ReadyR = never,
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AR = never,
  Live extends Liveness<unknown> = never,
  Limit extends Duration.Input = never,
  // Never inferred, as that of a process.
  LimitE = LimitError<Live, Limit>
>(
  name: Name,
  effect: Effect.Effect<A, E, R> | ((provided: Provided<After[number] | Requires[number]>) => Effect.Effect<A, E, R>),
  options?: EffectOptions<
    After,
    Requires,
    P,
    A,
    E | LimitE,
    ReadyE,
    ReadyR,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AR,
    Live,
    Limit
  >
): Child<
  Name,
  ProvidedByEffect<P, A>,
  A,
  E | LimitE | ReadyE | RestartE | DecideE | BE,
  Exclude<R | ReadyR | LivenessServices<Live>, Scope.Scope> | RestartR | DecideR | BR | AR,
  NameOf<After[number] | Requires[number]>,
  NeedOf<After[number] | Requires[number]>
> =>
  new internal.ChildValue(name, {
    kind: "effect",
    name,
    after: internal.dependencies(options?.after, options?.requires),
    restart: internal.restartOf(options?.restart, "onFailure"),
    policy: internal.policyOf(options?.decide),
    significant: options?.significant ?? false,
    hooks: internal.hooksOf(options?.hooks),
    startTimeout: options?.startTimeout,
    effect: internal.effectOf(effect),
    ready: options?.ready?.spec,
    liveness: options?.liveness?.spec,
    stopTimeout: options?.stopTimeout
  })

/**
 * Decides what is done when the child has ended, before its restart rule does: any code, with the typed failure in hand.
 *
 * **Details**
 *
 * Of several policies each decides about what those before it have left: ends that they answer with `default`, and failures of their
 * own, which take the place of that of the child. What the last one fails with is what the child gives up with. The option `decide` is
 * the first policy.
 *
 * **Example** (Asking a human)
 *
 * ```ts no-run
 * import { Command } from "@nursery/process"
 * import { Child } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 *
 * declare const askOnCall: (what: string) => Effect.Effect<"again" | "leave it">
 *
 * const payments = Child.process("payments", Command.make("payments")).pipe(
 *   Child.decide((exit) => {
 *     if (exit._tag !== "Failed" || exit.error._tag !== "ExitError") return Effect.succeed("default")
 *     const answer = askOnCall(exit.error.message)
 *     return Effect.map(answer, (answer) => (answer === "again" ? "restart" : "pause"))
 *   })
 * )
 * ```
 *
 * @category policies
 */
export const decide =
  <A, E, E2, R2>(f: (exit: ChildExit<E, A>) => Effect.Effect<DecisionFor<A>, E2, R2>) =>
  <Name extends string, P, R, After extends string, Needs>(
    self: Child<Name, P, A, E, R, After, Needs>
  ): Child<Name, P, A, E | E2, R | R2, After, Needs> =>
    new internal.ChildValue(self.name, internal.withDecide(internal.specOf(self), f))

/** What brings a failure back, because the child may give up with it after all. */
type Returning = "restart" | "restartGroup" | "escalate" | "default" | Replace

/**
 * Decides what is done when the child has failed with this tag; all else is left to other policies and the restart rule.
 *
 * **Details**
 *
 * The failure disappears from the type of the child where the decisions are such that the child cannot give up with it: `pause`, `stop` and
 * `ignore`, or a failure of another type. After `restart` it may come once too often, `escalate` gives up with it, and so may what
 * `default` leaves it to.
 *
 * **Example** (A failure that is no reason to end everything)
 *
 * ```ts
 * import { Child, type GaveUp, type InvalidTree, Supervisor } from "@nursery/supervisor"
 * import * as Data from "effect/Data"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * class NoLicence extends Data.TaggedError("NoLicence")<{}> {}
 *
 * const reports = Child.effect("reports", Effect.fail(new NoLicence())).pipe(
 *   Child.catchTag("NoLicence", () => Effect.succeed("ignore"))
 * )
 * const main = Child.effect("main", Effect.succeed("done"), { significant: true })
 * const run: Effect.Effect<
 *   Supervisor.Outcome,
 *   InvalidTree | GaveUp<"reports", never> | GaveUp<"main", never>
 * > = Supervisor.run(Supervisor.make("app", [reports, main]))
 *
 * assert.equal((await Effect.runPromise(run))._tag, "Significant")
 * ```
 *
 * @category policies
 */
export const catchTag =
  <
    A,
    E,
    const K extends E extends { readonly _tag: infer T extends string } ? T : never,
    D extends DecisionFor<A>,
    E2,
    R2
  >(
    tag: K,
    f: (error: Extract<E, { readonly _tag: K }>) => Effect.Effect<D, E2, R2>
  ) =>
  <Name extends string, P, R, After extends string, Needs>(
    self: Child<Name, P, A, E, R, After, Needs>
  ): Child<
    Name,
    P,
    A,
    ([Extract<D, Returning>] extends [never] ? Exclude<E, { readonly _tag: K }> : E) | E2,
    R | R2,
    After,
    Needs
  > =>
    new internal.ChildValue(self.name, internal.withTag(internal.specOf(self), tag, f))
