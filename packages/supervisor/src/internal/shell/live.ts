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
import type { ChildSpec, EffectSpec, LivenessSpec, ProcessSpec, Provided, ReadySpec, Running } from "../spec.ts"
import type { Life } from "./life.ts"
import { afterStop } from "./limits.ts"
import { isHeard, listen, prepare, silent } from "./listen.ts"

type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>

/** `provided`: by its earlier siblings. */
export const live = (life: Life, provided: Provided): AnyEffect => {
  const { spec } = life.entry
  const { hooks } = spec
  const main =
    hooks.beforeStart === undefined
      ? ownLife(spec, life, provided)
      : Effect.andThen(
          hooks.beforeStart,
          Effect.suspend(() => ownLife(spec, life, provided))
        )
  if (hooks.afterStop === undefined) return main
  const after = afterStop(hooks.afterStop, life)
  return Effect.onExit(main, () => after)
}

const ownLife = (spec: ChildSpec, life: Life, provided: Provided): AnyEffect => {
  life.step = spec.kind === "process" ? "command" : "ready"
  switch (spec.kind) {
    case "process":
      return Effect.scoped(Effect.suspend(() => processLife(spec, life, provided)))
    case "effect":
      return Effect.scoped(effectLife(spec, life, provided))
    default:
      return life.nest(spec)
  }
}

const processLife = (spec: ProcessSpec, life: Life, provided: Provided): AnyEffect =>
  Effect.flatMap(commandOf(spec, life, provided), (command) =>
    spec.ready === undefined && spec.liveness === undefined && !isHeard(command)
      ? quietLife(life, command)
      : Effect.flatten(heardLife(spec, life, command))
  )

const commandOf = (spec: ProcessSpec, life: Life, provided: Provided): AnyEffect<Command.Command> =>
  Effect.flatMap(life.command === undefined ? spec.command(provided) : Effect.succeed(life.command), (command) =>
    Effect.flatMap(prepare(command, spec), (prepared) => life.entry.keep.into(prepared, spec))
  )

const spawn = (life: Life, command: Command.Command) => {
  life.step = "spawn"
  return Effect.map(Process.spawn(command), (handle) => {
    life.step = "ready"
    // What a Stream given as input fails with comes by `success` alone.
    const process = handle as Process.Process
    life.spawned(process)
    return process
  })
}

/** One of which nobody wants to know more than when it ends: the most frequent of all, so nothing else is kept of it. */
const quietLife = (life: Life, command: Command.Command): AnyEffect =>
  Effect.flatMap(spawn(life, command), (process) => {
    life.ready(undefined)
    return process.success
  })

/** Done when it is ready: what follows is to wait for its end. */
const heardLife = Effect.fnUntraced(function* (spec: ProcessSpec, life: Life, command: Command.Command) {
  const readers: Array<Fiber.Fiber<unknown>> = []
  // Before the process is in the scope, so after its end: what it says last is heard too.
  if (isHeard(command)) yield* Effect.addFinalizer(() => Fiber.awaitAll(readers))
  const process = yield* spawn(life, command)
  const { isReady, running } = yield* listen(spec, process, readers, life)
  if (spec.ready === undefined) life.ready(undefined)
  else life.ready(yield* Effect.raceFirst(spec.ready.check(running), endedTooEarly(spec, process)))
  isReady()
  return spec.liveness === undefined ? process.success : Effect.raceFirst(process.success, spec.liveness.watch(running))
})

const endedTooEarly = (spec: ProcessSpec, process: Process.Process): AnyEffect<never> =>
  Effect.flatMap(process.exit, (exit) =>
    Effect.fail(new NotReady({ child: spec.name, reason: new ExitedBeforeReady({ exit }) }))
  )

const effectLife = (spec: EffectSpec, life: Life, provided: Provided): AnyEffect => {
  const effect = Effect.suspend(() => spec.effect(provided))
  const { ready } = spec
  if (ready === undefined) return Effect.tap(effect, (value) => Effect.sync(() => life.ready(value)))
  return Effect.flatten(checkedLife(spec, ready, effect, life))
}

/** Done when it is ready, or has ended before: what follows is to wait for its end. */
const checkedLife = Effect.fnUntraced(function* (spec: EffectSpec, ready: ReadySpec, effect: AnyEffect, life: Life) {
  const fiber = yield* Effect.forkScoped(effect, { startImmediately: true })
  const running = silent(spec, life)
  const check = Effect.map(ready.check(running), (value) => ({ value }))
  const first = yield* Effect.raceFirst(check, Effect.as(Fiber.await(fiber), undefined))
  // One that has ended was ready only if it says so: the end tells the rest.
  if (first !== undefined) {
    life.ready(first.value)
    if (spec.liveness !== undefined) yield* Effect.forkScoped(watched(spec.liveness, running, life))
  }
  return Fiber.join(fiber)
})

/** A fiber that is alive no longer may hold up its own end too: its `stopTimeout` counts from here on. */
const watched = ({ watch }: LivenessSpec, running: Running, life: Life): AnyEffect =>
  Effect.catch(watch(running), (failure) => Effect.sync(() => life.fail(failure)))
