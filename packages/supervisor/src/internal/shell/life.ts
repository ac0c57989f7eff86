/**
 * One life of a child: an Effect that runs from its start to its end, after which nothing of it is left. To stop a child is to
 * interrupt this Effect; the scope in it does the rest.
 *
 * @internal
 */
import { type Command, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { ExitedBeforeReady, NotReady } from "../../ChildError.ts"
import type { ChildSpec, EffectSpec, ProcessSpec, Provided, TreeSpec } from "../spec.ts"
import { listen, prepare, silent } from "./listen.ts"

/** What a life tells while it goes on. */
export interface Life {
  readonly provided: Provided
  /** In place of the command of the spec. */
  readonly command: Command.Command | undefined
  readonly spawned: (process: Process.Process) => void
  readonly ready: (value: unknown) => void
  /** Why it is not ready yet. */
  readonly report: (problem: string) => void
  /** A message of the notify protocol. */
  readonly hear: (notification: Process.Notification) => void
  /** Runs a tree as this child, until its end. */
  readonly nest: (spec: TreeSpec) => AnyEffect
}

type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>

export const live = (spec: ChildSpec, life: Life): AnyEffect => {
  const { afterStop, beforeStart } = spec.hooks
  const main = beforeStart === undefined ? lifeOf(spec, life) : Effect.andThen(beforeStart, lifeOf(spec, life))
  if (afterStop === undefined) return main
  const after = Effect.catchCause(afterStop, (cause) =>
    Effect.logWarning(`what "${spec.name}" does after its stop has failed`, cause)
  )
  return Effect.onExit(main, () => after)
}

const lifeOf = (spec: ChildSpec, life: Life): AnyEffect => {
  switch (spec.kind) {
    case "process":
      return Effect.scoped(processLife(spec, life))
    case "effect":
      return Effect.scoped(effectLife(spec, life))
    default:
      return life.nest(spec)
  }
}

const processLife = (spec: ProcessSpec, life: Life): AnyEffect =>
  Effect.gen(function* () {
    const command = yield* prepare(life.command ?? (yield* spec.command(life.provided)), spec)
    const readers: Array<Fiber.Fiber<unknown>> = []
    // Before the process is in the scope, so after its end: what it says last is heard too.
    yield* Effect.addFinalizer(() => Fiber.awaitAll(readers))
    const handle = yield* Process.spawn(command)
    // What a Stream given as input fails with comes by `success` alone.
    const process = handle as Process.Process
    life.spawned(process)
    const running = yield* listen(spec, process, readers, life)
    if (spec.ready === undefined) life.ready(undefined)
    else life.ready(yield* Effect.raceFirst(spec.ready.check(running), endedTooEarly(spec, process)))
    if (spec.liveness === undefined) return yield* handle.success
    return yield* Effect.raceFirst(handle.success, spec.liveness.watch(running))
  })

const endedTooEarly = (spec: ProcessSpec, process: Process.Process): AnyEffect<never> =>
  Effect.flatMap(process.exit, (exit) =>
    Effect.fail(new NotReady({ child: spec.name, reason: new ExitedBeforeReady({ exit }) }))
  )

const effectLife = (spec: EffectSpec, life: Life): AnyEffect => {
  const effect = Effect.suspend(() => spec.effect(life.provided))
  const { ready } = spec
  if (ready === undefined) return Effect.tap(effect, (value) => Effect.sync(() => life.ready(value)))
  return Effect.gen(function* () {
    const fiber = yield* Effect.forkScoped(effect, { startImmediately: true })
    const check = Effect.map(ready.check(silent(spec, life)), (value) => ({ value }))
    const first = yield* Effect.raceFirst(check, Effect.as(Fiber.await(fiber), undefined))
    // One that has ended was ready only if it says so: the end tells the rest.
    if (first !== undefined) life.ready(first.value)
    return yield* Fiber.join(fiber)
  })
}
