/**
 * What users of a running tree may ask of it.
 *
 * @internal
 */
import type { Process } from "@nursery/process"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ChildExit } from "../../ChildExit.ts"
import { ChildRefused, type InvalidTree, ReloadFailed } from "../../SupervisorError.ts"
import type { Refusal } from "../core/model.ts"
import type { RunningTree } from "../running.ts"
import type { ChildSpec } from "../spec.ts"
import { validateTree } from "../validate.ts"
import type { Entry } from "./entry.ts"
import type { Tree } from "./tree.ts"

type Path = ReadonlyArray<string>
type Found<A> = Effect.Effect<A, ChildRefused>

const refuse = (path: Path, reason: ChildRefused["reason"]): Found<never> =>
  Effect.fail(new ChildRefused({ child: path.join("/"), reason }))

/** The tree at a path: the root's is empty. */
const treeAt = (root: Tree, path: Path, asked: Path = path): Found<Tree> => {
  const [name, ...rest] = path
  if (name === undefined) return Effect.succeed(root)
  const entry = root.entry(name)
  if (entry === undefined) return refuse(asked, "unknown")
  if (entry.spec.kind === "process" || entry.spec.kind === "effect") return refuse(asked, "unsupported")
  const nested = entry.life?.nested
  return nested === undefined ? refuse(asked, "down") : treeAt(nested, rest, asked)
}

interface Place {
  readonly tree: Tree
  readonly name: string
  readonly entry: Entry
}

const placeOf = (root: Tree, path: Path): Found<Place> =>
  Effect.flatMap(treeAt(root, path.slice(0, -1), path), (tree) => {
    const name = path.at(-1) ?? ""
    const entry = tree.entry(name)
    return entry === undefined ? refuse(path, "unknown") : Effect.succeed({ tree, name, entry })
  })

const ask = (root: Tree, what: "start" | "stop" | "restart" | "remove", path: Path): Found<void> =>
  Effect.flatMap(placeOf(root, path), ({ name, tree }) => answered(path, (done) => tree.ask(what, name, done)))

const answered = (path: Path, request: (done: (refusal: Refusal | undefined) => void) => void): Found<void> =>
  Effect.callback((resume) => request((refusal) => resume(refusal === undefined ? Effect.void : refuse(path, refusal))))

/** How a child ended that stays down, or that there is no such child any more; `undefined` while it may run. */
const endOf = ({ entry, name, tree }: Place, path: Path): Found<ChildExit> | undefined => {
  if (tree.entry(name) !== entry) return refuse(path, "unknown")
  if (!tree.isResting(name)) return undefined
  return entry.lastExit === undefined ? refuse(path, "down") : Effect.succeed(entry.lastExit)
}

/** What a child provides, or that it does not; `undefined` while it may do so later. */
const provisionOf = ({ entry, name, tree }: Place, path: Path): Found<unknown> | undefined => {
  if (tree.entry(name) !== entry) return refuse(path, "unknown")
  const status = entry.told?.status
  // One that has completed without having been ready has nothing to provide.
  const isProvided = status === "ready" || (status === "completed" && entry.life?.readyAt !== undefined)
  if (isProvided) return Effect.succeed(entry.provided)
  return tree.isResting(name) ? refuse(path, "down") : undefined
}

/** Looks at a child each time that it stands differently, until something is found. */
const found = <A>(root: Tree, path: Path, look: (place: Place, path: Path) => Found<A> | undefined): Found<A> =>
  Effect.flatMap(placeOf(root, path), (place) =>
    Effect.callback((resume) => {
      const { changes } = place.entry
      const listener = (): void => {
        const found = look(place, path)
        if (found === undefined) return
        changes.remove(listener)
        resume(found)
      }
      changes.add(listener)
      listener()
      return Effect.sync(() => changes.remove(listener))
    })
  )

export const runningOf = (root: Tree): RunningTree => ({
  ready: root.started,
  await: root.awaitEnd,
  events: root.hub.events,
  snapshot: Effect.sync(() => root.snapshot),
  ask: (what, path) => ask(root, what, path),
  ended: (path) => found(root, path, endOf),
  provided: (path) => found(root, path, provisionOf),
  replace: (path, command) =>
    Effect.flatMap(placeOf(root, path), ({ entry }) => {
      if (entry.spec.kind !== "process") return refuse(path, "unsupported")
      entry.command = command
      return ask(root, "restart", path)
    }),
  reload: (path) => Effect.flatMap(placeOf(root, path), ({ entry }) => reload(path, entry)),
  add: (path, child) => Effect.flatMap(treeAt(root, path), (tree) => add(tree, [...path, child.name], child)),
  remove: (path) => ask(root, "remove", path),
  startWith: (path, args, key) =>
    Effect.flatMap(treeAt(root, path), (tree) => {
      const { spec } = tree
      if (spec.kind !== "dynamic") return refuse(path, "unsupported")
      const name = key ?? tree.freshKey()
      // In the context of the tree: what its template needs, the tree needs.
      const start = Effect.suspend(() => {
        const child = { ...spec.template(args), name }
        return added(tree, [...path, name], child, tree.context)
      })
      return Effect.as(start, name)
    })
})

const add = (tree: Tree, path: Path, child: ChildSpec): Effect.Effect<void, ChildRefused | InvalidTree> =>
  Effect.contextWith((context: Context.Context<never>) => added(tree, path, child, context))

const added = (
  tree: Tree,
  path: Path,
  child: ChildSpec,
  context: Context.Context<never>
): Effect.Effect<void, ChildRefused | InvalidTree> =>
  Effect.andThen(
    Effect.fromResult(validateTree(child, tree.path)),
    answered(path, (done) => tree.add(child, context, done))
  )

/** How long a process may take to read its configuration, until it says that it has. */
const reloadTimeout = Duration.seconds(90)

const reload = (path: Path, entry: Entry): Effect.Effect<void, ChildRefused | ReloadFailed> => {
  const { context, life, spec } = entry
  if (spec.kind !== "process" || spec.reload === undefined) return refuse(path, "unsupported")
  const process = life?.process
  if (process === undefined) return refuse(path, "down")
  const failed = (cause: unknown) => Effect.fail(new ReloadFailed({ child: path.join("/"), cause }))
  if (spec.reload !== "notify") {
    // Its requirements are those of the tree, in whose context it runs.
    const effect = spec.reload(process) as Effect.Effect<unknown, unknown>
    return effect.pipe(Effect.asVoid, Effect.provideContext(context), Effect.catch(failed))
  }
  const ended = Effect.andThen(process.exit, Effect.fail("it ended"))
  return Effect.raceFirst(acknowledged(entry, process), ended).pipe(
    Effect.timeoutOrElse({
      duration: reloadTimeout,
      orElse: () => Effect.fail("it did not say that it was ready again")
    }),
    Effect.catch(failed)
  )
}

/** systemd's `notify-reload`: SIGHUP, which is answered by RELOADING=1 and, when that is done, by READY=1. */
const acknowledged = (entry: Entry, process: Process.Process): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let reloading = false
    const hearer = (fields: Process.Notification["fields"]): void => {
      if (fields["RELOADING"] === "1") reloading = true
      if (fields["READY"] !== "1" || !reloading) return
      entry.words.remove(hearer)
      resume(Effect.void)
    }
    entry.words.add(hearer)
    const signal = Effect.runForkWith(entry.context)(process.signal("SIGHUP"))
    return Effect.sync(() => {
      entry.words.remove(hearer)
      signal.interruptUnsafe()
    })
  })
