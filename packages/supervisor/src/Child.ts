/**
 * The children of supervisors: processes, Effects and supervisors, as descriptions.
 *
 * A child is immutable plain data and has no effects; `Supervisor.run` and its relatives start it. Its type says what it provides to
 * those that start after it, what it may fail with and what it needs, so that a whole tree is checked before it runs.
 *
 * **Gotchas**
 *
 * A child is not checked when it is made. What the types cannot see, such as a negative number, is found by `Supervisor.validate` and
 * before each start.
 */
import type { Command, Nursery, Process, Signal, Stdio } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Pipeable } from "effect/Pipeable"
import type * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import type { ChildExit, ProcessFailure } from "./ChildExit.ts"
import * as internal from "./internal/child.ts"
import type { ChildSpec } from "./internal/spec.ts"
import type { Liveness } from "./Liveness.ts"
import type { Ready } from "./Ready.ts"
import type { Restart } from "./Restart.ts"

/**
 * What marks a child.
 *
 * @category models
 */
export type TypeId = "~@nursery/supervisor/Child"

/**
 * A description of a child.
 *
 * `Provides` is what those that start after it get of it, `A` what it ends with when it ends as it should, `E` what it fails with,
 * `R` what it needs, `After` the names of those that it starts after, and `Needs` what it takes of them.
 *
 * @category models
 */
export interface Child<
  out Name extends string = string,
  out Provides = unknown,
  out A = unknown,
  out E = unknown,
  out R = unknown,
  out After extends string = string,
  out Needs = unknown
> extends Pipeable {
  readonly [id]: {
    /** @internal */
    readonly spec: ChildSpec
    readonly _Provides: Types.Covariant<Provides>
    readonly _A: Types.Covariant<A>
    readonly _E: Types.Covariant<E>
    readonly _R: Types.Covariant<R>
    readonly _After: Types.Covariant<After>
    readonly _Needs: Types.Covariant<Needs>
  }
  readonly name: Name
}

declare const id: TypeId

/**
 * Any child.
 *
 * @category models
 */
// Structural, without the type parameters: a constraint of `Child<string, any, ...>` would be what inline children are inferred from.
export interface Any {
  readonly name: string
  readonly [id]: { readonly spec: ChildSpec }
}

/**
 * Other children, by value or by name.
 *
 * @category models
 */
export type Dependencies = ReadonlyArray<string | Any>

/**
 * The name of what is given by value or by name.
 *
 * @category utility types
 */
export type NameOf<T> = T extends string ? T : T extends { readonly name: infer N extends string } ? N : never

/**
 * What a child provides to those that start after it.
 *
 * @category utility types
 */
export type ProvidedBy<T> = T extends { readonly [id]: { readonly _Provides: Types.Covariant<infer P> } } ? P : never

/**
 * What a child ends with when it ends as it should.
 *
 * @category utility types
 */
export type Success<T> = T extends { readonly [id]: { readonly _A: Types.Covariant<infer A> } } ? A : never

/**
 * What a child fails with.
 *
 * @category utility types
 */
export type Error<T> = T extends { readonly [id]: { readonly _E: Types.Covariant<infer E> } } ? E : never

/**
 * What a child needs.
 *
 * @category utility types
 */
export type Services<T> = T extends { readonly [id]: { readonly _R: Types.Covariant<infer R> } } ? R : never

/**
 * The names of those that a child starts after.
 *
 * @category utility types
 */
export type AfterOf<T> = T extends { readonly [id]: { readonly _After: Types.Covariant<infer A extends string> } }
  ? A
  : never

/**
 * What a child takes of those that it starts after.
 *
 * @category utility types
 */
export type NeedsOf<T> = T extends { readonly [id]: { readonly _Needs: Types.Covariant<infer N> } } ? N : never

/**
 * What a child takes of another one that it starts after.
 *
 * @category models
 */
export interface Need<out Name extends string = string, out Provides = unknown> {
  readonly name: Name
  readonly provides: Provides
}

/**
 * What is taken of a child that is given by value. Of a name nothing is.
 *
 * @category utility types
 */
// Name and type only, and taken apart here: a child whose type holds on to those before it makes a row of them too deep for the compiler.
export type NeedOf<T> = T extends {
  readonly name: infer Name extends string
  readonly [id]: { readonly _Provides: Types.Covariant<infer Provides> }
}
  ? Need<Name, Provides>
  : never

/**
 * What those that a child starts after provide, by name. What is given by name only is of unknown type.
 *
 * @category models
 */
export type Provided<T extends string | Any> = {
  readonly [D in T as NameOf<D>]: D extends string ? unknown : ProvidedBy<D>
}

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
 *
 * @category models
 */
export type Decision = "restart" | "restartGroup" | "pause" | "stop" | "escalate" | "ignore" | Replace

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
export const replace = (command: Command.Plain): Replace => ({ _tag: "replace", command })

/**
 * Run around each life of a child.
 *
 * @category models
 */
export interface Hooks<out BE, out BR, out AE, out AR> {
  /** Before each start; the child starts when it has succeeded. What it fails with the child fails with. */
  readonly beforeStart?: Effect.Effect<unknown, BE, BR> | undefined
  /** After each end, however it came, when nothing of the child is left. */
  readonly afterStop?: Effect.Effect<unknown, AE, AR> | undefined
}

interface Common<After extends Dependencies, Requires extends Dependencies, BE, BR, AE, AR> {
  /**
   * Earlier siblings that have to be ready before this child starts: by value, which gives what they provide to its function, or by
   * name. Their failures later on do not matter.
   */
  readonly after?: After | undefined
  /**
   * As `after`, and this child runs only while they are ready: when one is not any more, this child is stopped, and started again when
   * it is back.
   */
  readonly requires?: Requires | undefined
  /** Whether the end of this child ends the tree: see `autoShutdown` of `Supervisor.make`. Not for those that are restarted always. */
  readonly significant?: boolean | undefined
  readonly hooks?: Hooks<BE, BR, AE, AR> | undefined
}

/**
 * How a child that is a process is run.
 *
 * @category models
 */
export interface ProcessOptions<
  After extends Dependencies,
  Requires extends Dependencies,
  P,
  E,
  ReadyE,
  ReadyR,
  LivenessR,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AE,
  AR,
  ReloadE,
  ReloadR
> extends Common<After, Requires, BE, BR, AE, AR> {
  /** When it is ready, and what it provides then. Without it: as soon as its program runs. */
  readonly ready?: Ready<P, ReadyE, ReadyR, Process.Process> | undefined
  /** How long it may take to be ready: the same as `Ready.timeout`. */
  readonly startTimeout?: Duration.Input | undefined
  /** Whether it is still alive, once it was ready. */
  readonly liveness?: Liveness<LivenessR, Process.Process> | undefined
  /** When it is started again. Without it: always, at once. */
  readonly restart?:
    | Restart<ChildExit<ProcessFailure | NoInfer<E | ReadyE | BE | AE>, ProcessExit>, RestartE, RestartR>
    | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<ProcessFailure | NoInfer<E | ReadyE | BE | AE>, ProcessExit>
      ) => Effect.Effect<Decision, DecideE, DecideR>)
    | undefined
  /** How it is ended: changes what its command says. */
  readonly stop?: Command.StopOptions | undefined
  /**
   * How it is told to read its configuration anew. `"notify"`: by SIGHUP, and it says by systemd's notify protocol when it has done so.
   * A signal: by that, without an answer.
   */
  readonly reload?:
    | "notify"
    | Signal.Signal
    | ((process: Process.Process) => Effect.Effect<unknown, ReloadE, ReloadR>)
    | undefined
}

/**
 * Any command, whatever it is connected to.
 *
 * @category models
 */
// As a constraint this leaves the compiler nothing to infer those types from but the command itself.
export type AnyCommand = Omit<Command.Command, "stdin" | "stdout" | "stderr" | "fds">

/** What spawning a command needs, and what its Streams fail with. */
type CommandServices<C> =
  C extends Command.Command<infer In, infer Out, infer Err, infer Fds> ? Stdio.Requirements<In, Out, Err, Fds> : never
type CommandError<C> =
  C extends Command.Command<infer In, infer _Out, infer _Err, infer Fds> ? Stdio.InputError<In, Fds> : never

/**
 * A child that is a process.
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
  AE = never,
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
    AE,
    AR,
    ReloadE,
    ReloadR
  >
): Child<
  Name,
  P,
  ProcessExit,
  ProcessFailure | CommandE | StreamE | ReadyE | RestartE | DecideE | BE | AE,
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
    policies: internal.policiesOf(options?.decide),
    significant: options?.significant ?? false,
    hooks: { beforeStart: options?.hooks?.beforeStart, afterStop: options?.hooks?.afterStop },
    command: internal.commandOf(command),
    ready: internal.readyOf(options?.ready, options?.startTimeout),
    liveness: options?.liveness?.spec,
    stop: options?.stop,
    reload: internal.reloadOf(options?.reload)
  })

/** What an Effect without `ready` provides: what it succeeds with. */
interface OneShot {
  readonly "~@nursery/supervisor/OneShot": never
}

type ProvidedByEffect<P, A> = [P] extends [never] ? P : [P] extends [OneShot] ? A : P

/**
 * How a child that is an Effect is run.
 *
 * @category models
 */
export interface EffectOptions<
  After extends Dependencies,
  Requires extends Dependencies,
  P,
  A,
  E,
  ReadyE,
  ReadyR,
  RestartE,
  RestartR,
  DecideE,
  DecideR,
  BE,
  BR,
  AE,
  AR
> extends Common<After, Requires, BE, BR, AE, AR> {
  /**
   * When it is ready, and what it provides then, for one that goes on. Without it: when it has succeeded, and it provides its value.
   */
  readonly ready?: Ready<P, ReadyE, ReadyR> | undefined
  /** When it is started again. Without it: on failure, at once. */
  readonly restart?: Restart<ChildExit<NoInfer<E | ReadyE | BE | AE>, NoInfer<A>>, RestartE, RestartR> | undefined
  /** What is done when it has ended; asked before `restart`. */
  readonly decide?:
    | ((
        exit: ChildExit<NoInfer<E | ReadyE | BE | AE>, NoInfer<A>>
      ) => Effect.Effect<Exclude<Decision, Replace>, DecideE, DecideR>)
    | undefined
  /** How long it is waited for when it is interrupted; then it is left alone. Without it: for as long as it takes. */
  readonly stopTimeout?: Duration.Input | undefined
}

/**
 * A child that is an Effect, run in a fiber.
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
  AE = never,
  AR = never
>(
  name: Name,
  effect: Effect.Effect<A, E, R> | ((provided: Provided<After[number] | Requires[number]>) => Effect.Effect<A, E, R>),
  options?: EffectOptions<
    After,
    Requires,
    P,
    A,
    E,
    ReadyE,
    ReadyR,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AE,
    AR
  >
): Child<
  Name,
  ProvidedByEffect<P, A>,
  A,
  E | ReadyE | RestartE | DecideE | BE | AE,
  Exclude<R | ReadyR, Scope.Scope> | RestartR | DecideR | BR | AR,
  NameOf<After[number] | Requires[number]>,
  NeedOf<After[number] | Requires[number]>
> =>
  new internal.ChildValue(name, {
    kind: "effect",
    name,
    after: internal.dependencies(options?.after, options?.requires),
    restart: internal.restartOf(options?.restart, "onFailure"),
    policies: internal.policiesOf(options?.decide),
    significant: options?.significant ?? false,
    hooks: { beforeStart: options?.hooks?.beforeStart, afterStop: options?.hooks?.afterStop },
    effect: internal.effectOf(effect),
    ready: options?.ready?.spec,
    stopTimeout: options?.stopTimeout
  })

/**
 * Decides what is done when the child has ended, before its restart rule does: any code, with the typed failure in hand.
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
type Returning = "restart" | "restartGroup" | "escalate" | Replace

/**
 * Decides what is done when the child has failed with this tag.
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
