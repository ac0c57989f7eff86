/**
 * The public face of a tree that runs.
 *
 * @internal
 */
import type { Command, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Child from "../Child.ts"
import type { Running } from "../Running.ts"
import type { GaveUpOf, Outcome } from "../Supervisor.ts"
import { InvalidTree } from "../SupervisorError.ts"
import { specOf } from "./child.ts"
import type { RunningTree } from "./running.ts"
import { launchTree, runTree, startTree } from "./shell/run.ts"
import type { TreeSpec } from "./spec.ts"
import { showPath } from "./text.ts"
import { validateTree } from "./validate.ts"

type Path = ReadonlyArray<string>

/** Whatever a child is, this has what can be asked of it: the types offer what its kind can do, and the shell refuses the rest. */
const handleAt = (tree: RunningTree, path: Path): object => ({
  name: path.at(-1),
  start: tree.ask("start", path),
  stop: tree.ask("stop", path),
  restart: tree.ask("restart", path),
  await: tree.ended(path),
  provided: tree.provided(path),
  replace: (command: Command.Command) => tree.replace(path, command),
  reload: tree.reload(path),
  ...childrenAt(tree, path)
})

const childrenAt = (tree: RunningTree, path: Path) => ({
  child: (name: string) => handleAt(tree, [...path, name]),
  dynamic: (name: string) => dynamicAt(tree, [...path, name]),
  remove: (name: string) => tree.remove([...path, name]),
  rollingRestart: (names: Iterable<string>) =>
    Effect.forEach(names, (name) => tree.ask("restart", [...path, name]), { discard: true })
})

const dynamicAt = (tree: RunningTree, path: Path): object => ({
  start: (args: unknown, options?: { readonly key?: string | undefined }) => tree.startWith(path, args, options?.key),
  child: (key: string) => handleAt(tree, [...path, key]),
  remove: (key: string) => tree.remove([...path, key])
})

const runningOf = (tree: RunningTree): object => {
  const running: object = {
    ready: tree.ready,
    await: tree.await,
    events: tree.events,
    snapshot: tree.snapshot,
    add: (child: Child.Any) => Effect.as(tree.add([], specOf(child)), running),
    ...childrenAt(tree, [])
  }
  return running
}

type AnyEffect<A, E> = Effect.Effect<A, E, unknown>

/** What is to run is validated first. */
const valid = <A, E>(root: Child.Any, use: (spec: TreeSpec) => AnyEffect<A, E>): AnyEffect<A, E | InvalidTree> =>
  Effect.suspend((): AnyEffect<A, E | InvalidTree> => {
    const spec = specOf(root)
    // Only untyped code gets here with something else.
    if (spec.kind === "process" || spec.kind === "effect") {
      return Effect.fail(new InvalidTree({ path: [spec.name], problem: "is no supervisor" }))
    }
    return Effect.andThen(Effect.fromResult(validateTree(spec)), use(spec))
  })

// The boundary between the types of a tree and its data: what children provide, fail with and need is in their types alone.

type Failure<C extends ReadonlyArray<Child.Any>> = InvalidTree | GaveUpOf<C[number]>

export const run = <C extends ReadonlyArray<Child.Any>>(
  root: Child.Any
): Effect.Effect<Outcome<C[number]>, Failure<C>, Child.Services<C[number]>> =>
  valid(root, runTree) as Effect.Effect<Outcome<C[number]>, Failure<C>, Child.Services<C[number]>>

export const start = <C extends ReadonlyArray<Child.Any>>(
  root: Child.Any
): Effect.Effect<Running<C>, Failure<C>, Child.Services<C[number]> | Scope.Scope> =>
  Effect.map(valid(root, startTree), runningOf) as Effect.Effect<
    Running<C>,
    Failure<C>,
    Child.Services<C[number]> | Scope.Scope
  >

export const launch = <C extends ReadonlyArray<Child.Any>>(
  root: Child.Any
): Effect.Effect<Running<C>, InvalidTree, Child.Services<C[number]> | Scope.Scope> =>
  Effect.map(valid(root, launchTree), runningOf) as Effect.Effect<
    Running<C>,
    InvalidTree,
    Child.Services<C[number]> | Scope.Scope
  >

/** Starts a tree for the fiber that builds a layer, and interrupts that when the tree has ended. */
export const startForUser = <C extends ReadonlyArray<Child.Any>, E, R>(
  name: string,
  start: Effect.Effect<Running<C>, E, R>,
  onEnd: Process.OnEnd
): Effect.Effect<void, E, R | Scope.Scope> => {
  if (onEnd === "ignore") return Effect.asVoid(start)
  return Effect.withFiber((user) =>
    Effect.flatMap(start, (running) =>
      Effect.asVoid(Effect.forkScoped(Effect.onExit(running.await, (exit) => interrupt(name, exit, user))))
    )
  )
}

const interrupt = (
  name: string,
  exit: Exit.Exit<unknown, unknown>,
  user: Fiber.Fiber<unknown, unknown>
): Effect.Effect<void> => {
  // Its layer is being closed: nobody uses it any more.
  if (Exit.hasInterrupts(exit)) return Effect.void
  const text = `${showPath([name])} has ended, so what uses it is interrupted`
  return Effect.andThen(
    Exit.isFailure(exit) ? Effect.logError(text, exit.cause) : Effect.logWarning(text),
    Effect.sync(() => user.interruptUnsafe())
  )
}
