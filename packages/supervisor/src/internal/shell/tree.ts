/**
 * One supervisor at work: feeds its core with what happens, and does what the core says.
 *
 * All of it is synchronous. Fibers are only the lives of the children, and those that decide or wait for one of them; each is started
 * in the context in which the tree was.
 *
 * @internal
 */

import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { GaveUp } from "../../SupervisorError.ts"
import type { Snapshot, Status } from "../../SupervisorEvent.ts"
import type { Action, End, Input, Refusal, State, Verdict } from "../core/model.ts"
import { initial, Step } from "../core/step.ts"
import { childPlanOf, planOf } from "../plan.ts"
import type { Outcome } from "../running.ts"
import type { ChildSpec, Provided, TreeSpec } from "../spec.ts"
import { Entry } from "./entry.ts"
import type { Hub } from "./hub.ts"
import { Life } from "./life.ts"
import { startLimit } from "./limits.ts"
import { live } from "./live.ts"
import { traced } from "./observe.ts"
import { Culprit, outcomeOf } from "./outcome.ts"
import { decide, decideNow, exitOf } from "./policy.ts"
import { childrenOf } from "./snapshot.ts"
import { Teller } from "./teller.ts"
import { Work } from "./work.ts"

const nothing: Provided = Object.freeze({})

/** A life of less than so many milliseconds may have passed without a turn of the event loop. */
const hasty = 1

export class Tree {
  readonly spec: TreeSpec
  readonly path: ReadonlyArray<string>
  readonly hub: Hub
  /** What its effects run in. */
  readonly context: Context.Context<never>
  /** Every child that is to run was ready for the first time. */
  readonly allReady = Deferred.makeUnsafe<void>()
  readonly tell: Teller
  readonly #end = Deferred.makeUnsafe<Outcome, GaveUp<string, unknown>>()
  readonly #entries = new Map<string, Entry>()
  /** Those that are to be added, by the requests for it. */
  readonly #newcomers = new Map<number, Entry>()
  readonly #work = new Work(
    (input) => new Step(this.#state, input),
    (step) => this.#decided(step),
    (action) => this.#perform(action)
  )
  readonly #answers = new Map<number, (refusal: Refusal | undefined) => void>()
  #whenReady: (() => void) | undefined
  /** As was told last. */
  #told: Snapshot["state"] = "starting"
  #state: State
  #nextRequest = 0
  #lastKey = 0

  constructor(spec: TreeSpec, path: ReadonlyArray<string>, hub: Hub, context: Context.Context<never>) {
    this.spec = spec
    this.path = path
    this.hub = hub
    this.context = context
    this.tell = new Teller(path, hub, context)
    const children = spec.kind === "supervisor" ? spec.children : []
    for (const child of children) this.#entries.set(child.name, new Entry(child, path, context))
    this.#state = initial(planOf(spec))
  }

  entry(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  /** What the earlier siblings of a child have provided. */
  providedTo(spec: ChildSpec): Provided {
    if (spec.after.length === 0) return nothing
    return Object.fromEntries(spec.after.map(({ on }) => [on, this.#entries.get(on)?.provided]))
  }

  begin(): void {
    for (const entry of this.#entries.values()) this.tell.stands(entry, "waiting", 0)
    this.dispatch({ _tag: "Begin" })
  }

  /** How it ends, when nothing of it is left. */
  get awaitEnd(): Effect.Effect<Outcome, GaveUp<string, unknown>> {
    return Deferred.await(this.#end)
  }

  /** Returns when all of it is ready, or has ended before that. */
  get started(): Effect.Effect<void, GaveUp> {
    return Effect.raceFirst(Deferred.await(this.allReady), Effect.asVoid(this.awaitEnd))
  }

  get snapshot(): Snapshot {
    return {
      name: this.path.at(-1) ?? "",
      path: this.path,
      sequence: this.hub.sequence,
      state: this.#told,
      children: childrenOf(this.#entries, this.#state)
    }
  }

  /** Nothing of it runs any more, which has been told. */
  get hasEnded(): boolean {
    return this.#told === "ended"
  }

  /** Whether a child stays down. */
  isResting(id: string): boolean {
    return this.hasEnded || this.#entries.get(id)?.isResting !== false
  }

  /** A key that no child of this dynamic supervisor has. */
  freshKey(): string {
    let key: string
    do key = String(++this.#lastKey)
    while (this.#entries.has(key))
    return key
  }

  /** Ends everything, and waits for it. */
  get close(): Effect.Effect<void> {
    return Effect.andThen(
      Effect.sync(() => this.dispatch({ _tag: "Shutdown" })),
      Effect.exit(this.awaitEnd)
    )
  }

  /** Asks for something of a child; `done` gets the answer. */
  ask(what: "start" | "stop" | "restart" | "remove", id: string, done: (refusal: Refusal | undefined) => void): void {
    const request = this.#nextRequest++
    this.#answers.set(request, done)
    this.dispatch({ _tag: "Ask", request, id, what })
  }

  /** The child runs in the given context. */
  add(spec: ChildSpec, context: Context.Context<never>, done: (refusal: Refusal | undefined) => void): void {
    const request = this.#nextRequest++
    this.#answers.set(request, done)
    this.#newcomers.set(request, new Entry(spec, this.path, context))
    this.dispatch({ _tag: "Add", request, child: childPlanOf(spec, this.spec) })
  }

  dispatch(input: Input): void {
    this.#work.add(input)
  }

  #decided({ input, outcome }: Step): ReadonlyArray<Action> {
    const [state, actions] = outcome
    this.#state = state
    if (input._tag === "Add") this.#admit(input.request, input.child.id, actions)
    return actions
  }

  /** One that the core has refused is forgotten: there may be another one of its name. */
  #admit(request: number, id: string, actions: ReadonlyArray<Action>): void {
    const entry = this.#newcomers.get(request)
    this.#newcomers.delete(request)
    if (entry !== undefined && actions.some(({ _tag }) => _tag === "Added")) this.#entries.set(id, entry)
  }

  #perform(action: Action): void {
    switch (action._tag) {
      case "Start":
        this.#start(action.id, action.incarnation)
        break
      case "Stop":
        this.#stop(action.id)
        break
      case "Decide":
        this.#decide(action.id, action.incarnation)
        break
      case "Wait":
        this.#wait(action.id, action.incarnation, action.delay)
        break
      case "Forget":
        this.#existing(action.id).forget()
        break
      case "Answer":
        this.#answer(action.request, action.refusal)
        break
      case "Changed":
        this.#changed(action.id, action.incarnation, action.status)
        break
      case "Added":
        this.tell.stands(this.#existing(action.id), "waiting", 0)
        this.tell.child(this.#existing(action.id), { _tag: "Added" })
        break
      case "Removed":
        this.#removed(action.id)
        break
      case "AllReady":
        this.#told = "ready"
        this.tell.tree("TreeReady")
        Deferred.doneUnsafe(this.allReady, Effect.void)
        this.#whenReady?.()
        break
      case "Ending":
        this.#told = "stopping"
        this.tell.tree("TreeStopping")
        break
      case "Finished":
        this.#finish(action.end)
        break
    }
  }

  #start(id: string, incarnation: number): void {
    const entry = this.#existing(id)
    const before = entry.life
    const life = new Life(this, entry, incarnation)
    entry.life = life
    entry.attempts++
    // What fails at once is started again at once, and would leave nobody else the time to do anything.
    const isHasty = before !== undefined && life.startedAt - before.startedAt < hasty
    const main = traced(live(life, this.providedTo(entry.spec)), [...this.path, id], incarnation)
    const fiber = this.#fork(entry, isHasty ? Effect.andThen(Effect.yieldNow, main) : main)
    life.fiber = fiber
    fiber.addObserver((exit) => this.#over(life, exit))
    const { startTimeout } = entry.spec
    const limit = startTimeout === undefined ? Duration.infinity : Duration.fromInputUnsafe(startTimeout)
    if (life.readyAt !== undefined || life.isOver || !Duration.isFinite(limit)) return
    life.limit = this.#fork(entry, startLimit(life, limit))
  }

  /** A tree in the place of a child. */
  nest(life: Life, spec: TreeSpec): Effect.Effect<unknown, unknown, unknown> {
    return Effect.contextWith((context: Context.Context<never>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          const tree = new Tree(spec, [...this.path, spec.name], this.hub, context)
          life.nested = tree
          tree.#whenReady = () => life.ready(undefined)
          tree.begin()
          return tree
        }),
        (tree) => Effect.mapError(tree.awaitEnd, (error) => (spec.kind === "dynamic" ? new Culprit(error) : error)),
        (tree) => tree.close
      )
    )
  }

  /** Nothing of this life is left. */
  #over(life: Life, exit: Exit.Exit<unknown, unknown>): void {
    if (life.isOver) return
    life.end()
    const { entry, incarnation, uptime } = life
    const { name: id, restart } = entry.spec
    if (uptime !== undefined) {
      this.tell.metrics.wasReady(uptime)
      const { healthyAfter } = restart
      if (healthyAfter !== undefined && uptime >= Duration.toMillis(healthyAfter)) entry.recovered()
    }
    // It was interrupted for what it fails with, unless it came to another end at that moment.
    const { failure } = life
    const isFailed = failure !== undefined && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    const ended = isFailed ? ({ _tag: "Failed", error: failure } as const) : exitOf(exit)
    const culprit = ended._tag === "Failed" && ended.error instanceof Culprit ? ended.error.gaveUp : undefined
    const told = culprit?.exit ?? ended
    entry.culprit = culprit
    entry.remember(told, this.tell.time)
    this.tell.child(entry, { _tag: "Exited", exit: told, expected: life.isStopping })
    const completed = culprit === undefined && ended._tag === "Completed"
    this.dispatch({ _tag: "Ended", id, incarnation, completed })
  }

  #stop(id: string): void {
    const { life } = this.#existing(id)
    if (life === undefined) return
    life.isStopping = true
    this.interrupt(life)
  }

  /** Ends a life, and waits for that no longer than its child says. */
  interrupt(life: Life): void {
    const { entry, fiber } = life
    const { spec } = entry
    fiber?.interruptUnsafe()
    if (spec.kind !== "effect" || spec.stopTimeout === undefined || life.isOver) return
    const abandon = Effect.sync(() => {
      if (life.isOver) return
      this.tell.child(entry, { _tag: "Abandoned", what: "child" })
      this.#over(life, Exit.interrupt())
    })
    const timer = this.#fork(entry, Effect.delay(abandon, spec.stopTimeout))
    fiber?.addObserver(() => timer.interruptUnsafe())
  }

  #decide(id: string, incarnation: number): void {
    const entry = this.#existing(id)
    const exit = entry.lastExit ?? { _tag: "Completed", value: undefined }
    const wasReady = entry.life?.readyAt !== undefined
    const decided = (verdict: Verdict): void => {
      entry.pending = undefined
      if (verdict._tag === "Restart" || verdict._tag === "RestartGroup") {
        entry.restarts++
        this.tell.metrics.restarted()
      }
      this.dispatch({ _tag: "Decided", id, incarnation, verdict, now: this.tell.now })
    }
    const now = decideNow(entry, exit, wasReady)
    if (now !== undefined) {
      decided(now)
      return
    }
    const fiber = this.#fork(entry, decide(entry, exit, wasReady))
    entry.pending = fiber
    fiber.addObserver((outcome) => {
      if (entry.pending !== fiber) return
      if (Exit.isSuccess(outcome)) {
        decided(outcome.value)
      } else {
        // What a policy or a schedule fails with is what the child gives up with.
        entry.remember(exitOf(outcome), this.tell.time)
        decided({ _tag: "GiveUp" })
      }
    })
  }

  #wait(id: string, incarnation: number, delay: number): void {
    const entry = this.#existing(id)
    this.tell.child(entry, { _tag: "BackingOff", delay, attempt: entry.attempts })
    entry.pending = this.#fork(
      entry,
      Effect.delay(
        Effect.sync(() => {
          // Forgotten: another child may have the name by now.
          if (entry.pending === undefined) return
          entry.pending = undefined
          this.dispatch({ _tag: "Elapsed", id, incarnation })
        }),
        delay
      )
    )
  }

  #answer(request: number, refusal: Refusal | undefined): void {
    const done = this.#answers.get(request)
    this.#answers.delete(request)
    done?.(refusal)
  }

  #changed(id: string, incarnation: number, status: Status): void {
    const entry = this.#existing(id)
    // What is only paused is to go on where it was.
    if (status === "completed" || status === "stopped" || status === "failed") entry.keep.empty()
    this.tell.changed(entry, status, incarnation)
    entry.changes.tell()
  }

  #removed(id: string): void {
    const entry = this.#existing(id)
    entry.keep.empty()
    this.tell.child(entry, { _tag: "Removed" })
    this.#entries.delete(id)
    entry.changes.tell()
    this.tell.gone(entry)
  }

  #finish(end: End): void {
    this.#told = "ended"
    this.tell.tree("TreeEnded")
    // The trees below it tell in the same place, and have ended before.
    if (this.path.length === 1) this.hub.end()
    for (const entry of this.#entries.values()) {
      entry.keep.empty()
      entry.changes.tell()
      this.tell.gone(entry)
    }
    Deferred.doneUnsafe(
      this.#end,
      outcomeOf(end, this.spec, this.path, (id) => this.#existing(id))
    )
  }

  #existing(id: string): Entry {
    const entry = this.#entries.get(id)
    // The core knows only children that are here.
    if (entry === undefined) throw new Error(`no child ${id}`)
    return entry
  }

  // The requirements of a child are those of `run`, or of who added it, whose context this is; their types are not known here.
  #fork<A>(entry: Entry, effect: Effect.Effect<A, unknown, unknown>): Fiber.Fiber<A, unknown> {
    return Effect.runForkWith(entry.context)(effect as Effect.Effect<A, unknown>)
  }
}
