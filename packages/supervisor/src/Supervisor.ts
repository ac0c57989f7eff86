/**
 * Supervisors: trees of children that are started in order, watched, restarted and stopped together.
 *
 * The rules are OTP's (stdlib, `supervisor`): strategies, restart rules, intensity, significant children, and the orders of start and
 * stop. What goes beyond them: children wait until those are ready that they start after; each may have a schedule of its own; and what a
 * tree may fail with is in its type, child by child.
 *
 * **Details**
 *
 * - Children that do not depend on each other start at the same time. They stop in the reverse of the order in which they were given,
 *   each when those are gone that depend on it.
 * - A child that gives up ends its supervisor with a `GaveUp`, after everything else of it is stopped. In a tree above that is a failure
 *   like any other: restarted, decided about, or given up with.
 * - A supervisor is a child. It is ready when all of its children are.
 *
 * **Gotchas**
 *
 * A tree runs until something ends it: it is interrupted, its scope closes, a child gives up, or a significant child ends. That all of its
 * children have completed is no reason.
 */
import type { Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Child from "./Child.ts"
import type { Check } from "./internal/check.ts"
import * as handles from "./internal/handles.ts"
import * as internal from "./internal/supervisor.ts"
import type { CommonOptions, Options } from "./internal/supervisorOptions.ts"
import type { Dynamic, GaveUpOf, Outcome, Significant, Stopped, Supervisor } from "./internal/supervisorTypes.ts"
import { validateTree } from "./internal/validate.ts"
import type { Running } from "./Running.ts"
import { GaveUp, type InvalidTree } from "./SupervisorError.ts"

export type { CommonOptions, Intensity, Options } from "./internal/supervisorOptions.ts"
export type { Dynamic, GaveUpOf, Outcome, Significant, Stopped, Supervisor } from "./internal/supervisorTypes.ts"

/**
 * A tree of children.
 *
 * **Details**
 *
 * The compiler sees that every child starts after earlier ones only, that those provide what it takes of them, and that no two have
 * one name. Children that are known only when the program runs are given as an array: they are checked then, by {@link validate}.
 *
 * **Example** (A tree, and what it fails with)
 *
 * ```ts
 * import { Command, type Nursery } from "@nursery/process"
 * import { Child, type GaveUp, type InvalidTree, type ProcessFailure, Ready, Restart, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import * as Schedule from "effect/Schedule"
 *
 * const db = Child.process("db", Command.make("postgres", ["-D", "data"]), {
 *   ready: Ready.tcp(5432),
 *   startTimeout: "1 minute",
 *   stop: { signal: "SIGINT", grace: "30 seconds" }
 * })
 * const api = Child.process("api", Command.make("node", ["api.js"]), {
 *   requires: [db],
 *   ready: Ready.http("http://127.0.0.1:8080/health"),
 *   restart: Restart.always({ schedule: Schedule.exponential("100 millis"), healthyAfter: "1 minute" })
 * })
 * const app = Supervisor.make("app", [db, api], {
 *   strategy: "rest-for-one",
 *   intensity: { restarts: 5, within: "10 seconds" }
 * })
 *
 * const run: Effect.Effect<
 *   Supervisor.Outcome,
 *   InvalidTree | GaveUp<"db", ProcessFailure> | GaveUp<"api", ProcessFailure>,
 *   Nursery.Nursery
 * > = Supervisor.run(app)
 * ```
 *
 * @category constructors
 */
export const make = <
  const Name extends string,
  const C extends ReadonlyArray<Child.Any>,
  const After extends Child.Dependencies = [],
  const Requires extends Child.Dependencies = [],
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AR = never
>(
  name: Name,
  children: C & Check<C, Name>,
  options?: Options<
    After,
    Requires,
    Outcome<C[number]>,
    GaveUpOf<C[number]>,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AR
  >
): Supervisor<
  Name,
  C,
  RestartE | DecideE | BE,
  RestartR | DecideR | BR | AR,
  Child.NameOf<After[number] | Requires[number]>,
  Child.NeedOf<After[number] | Requires[number]>
> =>
  new internal.SupervisorValue(name, children, {
    ...internal.common(name, options),
    kind: "supervisor",
    strategy: options?.strategy ?? "one-for-one",
    autoShutdown: options?.autoShutdown ?? "any",
    order: options?.order ?? "dependencies",
    children: children.map(internal.specOf)
  })

/** A child of a dynamic supervisor has no siblings that it could know. */
type CheckTemplate<C> = C extends Child.Any
  ? [string extends Child.AfterOf<C> ? never : Child.AfterOf<C>] extends [never]
    ? unknown
    : `"${C["name"]}" starts after "${Child.AfterOf<C>}", but children of a dynamic supervisor start after nobody`
  : unknown

/**
 * A supervisor of children that are started at run time, each from arguments, as OTP's `simple_one_for_one`.
 *
 * **Details**
 *
 * A child is known by its key; the name that it was made with does not matter. Their number is limited by memory alone. What they fail with
 * is what the supervisor fails with: keys are data, so they are in the `path` of the `GaveUp` and not in its type.
 *
 * **Example** (A child for each job)
 *
 * ```ts
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const rooms = Supervisor.dynamic("rooms", (topic: string) =>
 *   Child.effect("room", Effect.andThen(Effect.log(topic), Effect.never), { ready: Ready.immediate }))
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Supervisor.start(Supervisor.make("chat", [rooms]))
 *   const open = running.dynamic("rooms")
 *   yield* open.start("the weather", { key: "weather" })
 *   yield* open.child("weather").restart
 *   yield* open.remove("weather")
 *   return yield* Effect.flip(open.child("weather").restart)
 * }).pipe(Effect.scoped)
 *
 * assert.equal((await Effect.runPromise(program)).reason, "unknown")
 * ```
 *
 * @category constructors
 */
export const dynamic = <
  const Name extends string,
  Args,
  C extends Child.Any,
  const After extends Child.Dependencies = [],
  const Requires extends Child.Dependencies = [],
  RestartE = never,
  RestartR = never,
  DecideE = never,
  DecideR = never,
  BE = never,
  BR = never,
  AR = never
>(
  name: Name,
  child: (args: Args) => C & CheckTemplate<C>,
  options?: CommonOptions<
    After,
    Requires,
    Stopped | Significant<string, Child.Success<C>>,
    Child.Error<C>,
    RestartE,
    RestartR,
    DecideE,
    DecideR,
    BE,
    BR,
    AR
  >
): Dynamic<
  Name,
  Args,
  C,
  RestartE | DecideE | BE,
  RestartR | DecideR | BR | AR,
  Child.NameOf<After[number] | Requires[number]>,
  Child.NeedOf<After[number] | Requires[number]>
> =>
  new internal.DynamicValue(name, {
    ...internal.common(name, options),
    kind: "dynamic",
    template: internal.templateOf(child)
  })

/** Any supervisor of these children: what its own policies add matters only in a tree above it. */
type AnySupervisor<C extends ReadonlyArray<Child.Any> = ReadonlyArray<Child.Any>> = Child.Any & { readonly children: C }

/**
 * What is wrong with a tree, if anything: what the types cannot see, and everything in a tree that is built at run time. Every start does
 * this first, and fails with the `InvalidTree`.
 *
 * **Details**
 *
 * It finds names that are empty or given twice, dependencies on children that do not exist or are given later, cycles, supervisors
 * without children, negative durations and what is none, and options that contradict each other: `significant` and restarted always,
 * `retryPermanent` without a schedule, `liveness` of an Effect without `ready`, and one name in both `after` and `requires`.
 *
 * **Example** (A tree from a list of names)
 *
 * ```ts
 * import { Command } from "@nursery/process"
 * import { Child, Supervisor } from "@nursery/supervisor"
 * import * as Result from "effect/Result"
 * import assert from "node:assert/strict"
 *
 * const names: ReadonlyArray<string> = ["worker-1", "worker-2", "worker-1"]
 * const children = names.map((name) => Child.process(name, Command.make("worker")))
 * const result = Supervisor.validate(Supervisor.make("app", children))
 *
 * assert(Result.isFailure(result))
 * assert.equal(result.failure.message, 'app: two children are named "worker-1"')
 * ```
 *
 * @category validation
 */
export const validate = (self: AnySupervisor): Result.Result<void, InvalidTree> => validateTree(internal.specOf(self))

type NameOfGaveUp<E> = E extends GaveUp<infer Name, unknown> ? Name : never
interface NamedGaveUp<out Name> {
  readonly _tag: "GaveUp"
  readonly name: Name
}
type GaveUpOfName<E, Name> = Extract<E, NamedGaveUp<Name>>

/**
 * Handles that one child has given up, and takes its `GaveUp` out of the type. The tree has ended then: to keep it running, decide about the
 * child (`Child.catchTag`).
 *
 * **Example** (Something else in place of a tree)
 *
 * ```ts
 * import { Child, type GaveUp, type InvalidTree, Restart, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const migrate = Child.effect("migrate", Effect.fail("locked"), { restart: Restart.never() })
 * const server = Child.effect("server", Effect.never, { after: [migrate] })
 * const program: Effect.Effect<unknown, InvalidTree | GaveUp<"server", never>> = Supervisor.run(
 *   Supervisor.make("app", [migrate, server])
 * ).pipe(Supervisor.catchChild("migrate", (error) => Effect.succeed(error.message)))
 *
 * assert.equal(await Effect.runPromise(program), "migrate gave up after 1 attempt: locked")
 * ```
 *
 * @category error handling
 */
export const catchChild =
  <E, const Name extends NameOfGaveUp<E>, A2, E2, R2>(
    name: Name,
    f: (error: GaveUpOfName<E, Name>) => Effect.Effect<A2, E2, R2>
  ) =>
  <A, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A | A2, Exclude<E, NamedGaveUp<Name>> | E2, R | R2> =>
    Effect.catch(
      self,
      (error): Effect.Effect<A2, Exclude<E, NamedGaveUp<Name>> | E2, R2> =>
        isOf(error, name) ? f(error) : Effect.fail(others<E, Name>(error))
    )

const isOf = <E, Name>(error: E, name: Name): error is GaveUpOfName<E, Name> =>
  error instanceof GaveUp && error.name === name

// Asked after `isOf`: what is left is of the type, which the compiler does not derive for a type parameter.
const others = <E, Name>(error: E) => error as Exclude<E, NamedGaveUp<Name>>

/**
 * Runs a tree until it ends. Interrupting this stops the tree, and waits for that.
 *
 * Succeeds when a significant child ends, with what that ended with. Fails with the `GaveUp` of a child, and with `InvalidTree`
 * before anything runs. Everything is gone in either case.
 *
 * **Example** (A job, and what it needs)
 *
 * ```ts
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const cache = Child.effect("cache", Effect.never, { ready: Ready.immediate })
 * const job = Child.effect("job", Effect.succeed(42), { after: [cache], significant: true })
 * const outcome = await Effect.runPromise(Supervisor.run(Supervisor.make("app", [cache, job])))
 *
 * assert.deepEqual(outcome, { _tag: "Significant", child: "job", value: 42 })
 * ```
 *
 * @category running
 */
export const run = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>
): Effect.Effect<Outcome<C[number]>, InvalidTree | GaveUpOf<C[number]>, Child.Services<C[number]>> =>
  handles.run<C>(self)

/**
 * Starts a tree, and returns when all of its children are ready, or have completed. The tree ends with the scope.
 *
 * Fails when it gives up before; a later end is told by `await` of the answer, and ends nothing else.
 *
 * **Example** (Restarting children of a tree that runs)
 *
 * ```ts
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import assert from "node:assert/strict"
 *
 * const worker = <const Name extends string>(name: Name) => Child.effect(name, Effect.never, { ready: Ready.immediate })
 * const app = Supervisor.make("app", [worker("a"), worker("b")])
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Supervisor.start(app)
 *   yield* running.child("a").stop
 *   yield* running.rollingRestart(["a", "b"])
 *   const { children } = yield* running.snapshot
 *   return children.map(({ incarnation, status }) => `${status} ${incarnation}`)
 * }).pipe(Effect.scoped)
 *
 * assert.deepEqual(await Effect.runPromise(program), ["ready 2", "ready 2"])
 * ```
 *
 * @category running
 */
export const start = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>
): Effect.Effect<Running<C>, InvalidTree | GaveUpOf<C[number]>, Child.Services<C[number]> | Scope.Scope> =>
  handles.start<C>(self)

/**
 * Starts a tree, and returns at once: for those who look on while it starts, by its events and snapshots, or do something else. The
 * tree ends with the scope.
 *
 * **Details**
 *
 * `ready` of the answer waits until all children are ready, and fails with the `GaveUp` when the tree gives up before: `start` is
 * `launch` and that. The events of the start are among those that a new listener gets, 256 at most.
 *
 * **Gotchas**
 *
 * A tree that gives up ends nothing else. Who asks neither `ready` nor `await` is not told.
 *
 * **Example** (What a start waits for)
 *
 * ```ts
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const cache = Child.effect("cache", Effect.never, { ready: Ready.effect(Effect.sleep("20 millis")) })
 * const server = Child.effect("server", Effect.never, { after: [cache], ready: Ready.immediate })
 *
 * const program = Effect.gen(function*() {
 *   const running = yield* Supervisor.launch(Supervisor.make("app", [cache, server]))
 *   const started = running.events.pipe(
 *     Stream.takeUntil((event) => event._tag === "TreeReady"),
 *     Stream.filter((event) => event._tag === "Changed"),
 *     Stream.map(({ child, status }) => `${child} ${status}`)
 *   )
 *   return yield* Stream.runCollect(started)
 * }).pipe(Effect.scoped)
 *
 * assert.deepEqual(await Effect.runPromise(program), ["cache starting", "cache ready", "server starting", "server ready"])
 * ```
 *
 * @category running
 */
export const launch = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>
): Effect.Effect<Running<C>, InvalidTree, Child.Services<C[number]> | Scope.Scope> => handles.launch<C>(self)

/**
 * A tree as a layer: there when all of it is ready, and ended with the layer. When the tree ends first, the fiber that built the layer is
 * interrupted, and with it all that runs with the layer; `onEnd: "ignore"` leaves it alone.
 *
 * `Layer.effect(Key, Supervisor.start(tree))` gives the `Running` to those who use it.
 *
 * **Example** (A server while the program runs)
 *
 * ```ts
 * import { Command, Nursery } from "@nursery/process"
 * import { Child, Ready, Supervisor } from "@nursery/supervisor"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 *
 * const server = Child.process("server", Command.make("sh", ["-c", "echo listening; exec sleep 60"], { stdout: "pipe" }), {
 *   ready: Ready.log(/listening/)
 * })
 * const Server = Supervisor.layer(Supervisor.make("app", [server])).pipe(Layer.provide(Nursery.layer))
 *
 * await Effect.runPromise(Effect.log("the server is there").pipe(Effect.provide(Server)))
 * ```
 *
 * @category running
 */
export const layer = <C extends ReadonlyArray<Child.Any>>(
  self: AnySupervisor<C>,
  options?: { readonly onEnd?: Process.OnEnd | undefined }
): Layer.Layer<never, InvalidTree | GaveUpOf<C[number]>, Exclude<Child.Services<C[number]>, Scope.Scope>> =>
  Layer.effectDiscard(handles.startForUser(self.name, start(self), options?.onEnd ?? "interrupt"))
