/**
 * Effect's own `ChildProcessSpawner` on a nursery: it starts what `effect/process` describes.
 *
 * @internal
 */

import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import type { KeeperLost } from "../../ProcessError.ts"
import type { Joined, SpawnFailure, SpawnRequest } from "../backend.ts"
import * as Errno from "../errno.ts"
import * as Diagnose from "../process/diagnose.ts"
import type { NurseryInternal } from "../registry.ts"
import { Child } from "./child.ts"
import * as Errors from "./errors.ts"
import { type Descriptor, type Input, type Resolved, resolve, toRequest } from "./options.ts"
import * as Pipeline from "./pipeline.ts"
import type { Stdio } from "./stdio.ts"

type Handle = ChildProcessSpawner.ChildProcessHandle
type Spawned = Effect.Effect<Handle, PlatformError.PlatformError, Scope.Scope>

/** What starts a command of `effect/process`. */
export const make =
  (nursery: NurseryInternal) =>
  (command: ChildProcess.Command): Spawned =>
    Effect.suspend(() => {
      const { commands, pipes } = Pipeline.flatten(command)
      const resolved = Result.all(commands.map(resolve))
      if (Result.isFailure(resolved)) return Effect.fail(resolved.failure)
      const [only, ...others] = resolved.success
      if (only !== undefined && others.length === 0) return Effect.map(spawn(nursery, only), ({ handle }) => handle)
      return spawnPipeline(nursery, Pipeline.plan(resolved.success, pipes, nursery.backend.pipe !== undefined))
    })

interface Running {
  readonly child: Child
  readonly handle: Handle
}

/** Starts one process in the current scope. Interrupted at any point, it leaves nothing. */
const spawn = Effect.fnUntraced(function* (
  nursery: NurseryInternal,
  resolved: Resolved
): Effect.fn.Return<Running, PlatformError.PlatformError, Scope.Scope> {
  const cwd = yield* absolute(resolved.cwd)
  const request = toRequest(resolved, cwd)
  const scope = Scope.forkUnsafe(yield* Effect.scope)
  const child = new Child(nursery, resolved, request, scope)
  return yield* Effect.uninterruptibleMask((restore) =>
    restore(child.start).pipe(
      Effect.onInterrupt(() => child.cancel),
      Effect.catch((failure) => Effect.flatMap(explain(nursery, resolved, request, failure), Effect.fail)),
      Effect.tap(() => Scope.addFinalizer(scope, child.release)),
      Effect.tap((stdio) => feedAll(child, stdio, resolved)),
      Effect.map((stdio) => ({ child, handle: makeHandle(child, stdio) }))
    )
  )
})

/** The working directory of this program is told apart by an empty string. */
const absolute = (cwd: string | undefined): Effect.Effect<string, PlatformError.PlatformError> => {
  if (cwd === undefined) return Effect.succeed("")
  if (cwd === "") return Effect.fail(Errors.inaccessible(cwd, enoent))
  return Effect.try({
    try: () => Path.resolve(cwd),
    // The directory that it is relative to has been removed.
    catch: () => Errors.inaccessible(cwd, enoent)
  })
}

const enoent = 2

/** Why nothing was started, in the words of Effect's contract. */
const explain = (
  nursery: NurseryInternal,
  resolved: Resolved,
  request: SpawnRequest,
  failure: SpawnFailure | KeeperLost
): Effect.Effect<PlatformError.PlatformError> => {
  const { command, cwd, program, words } = resolved
  if ("_tag" in failure) return Effect.succeed(Errors.fromCause("spawn", failure, command))
  const attempt = { command: Command.make(program, words.slice(1)), request }
  return Effect.flatMap(Diagnose.diagnose(attempt, failure), (error) => {
    nursery.registry.failed(error)
    const spawnFailed = Errors.spawnFailed(failure.errno, program, command, error.reason.message)
    // Whatever the step: the portable backend cannot tell a missing directory from a missing program.
    return cwd === undefined
      ? Effect.succeed(spawnFailed)
      : Effect.map(inaccessible(cwd), (problem) => problem ?? spawnFailed)
  })
}

/** The contract's check of a working directory, which is made here only after a spawn has failed. */
const inaccessible = (cwd: string): Effect.Effect<PlatformError.PlatformError | undefined> =>
  Effect.callback((resume) => {
    Fs.access(cwd, (error) => {
      const errno = Errno.toNumber(error?.code ?? "")
      resume(Effect.succeed(errno === undefined ? undefined : Errors.inaccessible(cwd, errno)))
    })
  })

/** Writes the Streams of the command to the child, in the background and until the scope closes. */
const feedAll = (child: Child, stdio: Stdio, resolved: Resolved): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(
    resolved.descriptors.values(),
    ({ input, request }) =>
      input?.stream === undefined
        ? Effect.void
        : Effect.forkScoped(
            Stream.run(
              Stream.tapError(input.stream, (error) => Effect.sync(() => child.inputFailed(error))),
              stdio.sink(request.target)
            )
          ),
    { discard: true }
  )

const makeHandle = (child: Child, stdio: Stdio): Handle => {
  const stdout = stdio.stream(1)
  const stderr = stdio.stream(2)
  return ChildProcessSpawner.makeHandle({
    pid: ChildProcessSpawner.ProcessId(child.pid),
    exitCode: child.exitCode,
    isRunning: child.isRunning,
    kill: (options) => child.kill(options),
    stdin: stdio.sink(0),
    stdout,
    stderr,
    all: Stream.merge(stdout, stderr),
    getInputFd: (fd) => (fd < 3 ? Sink.drain : stdio.sink(fd)),
    getOutputFd: (fd) => (fd < 3 ? Stream.empty : stdio.stream(fd)),
    unref: child.unref
  })
}

/** Starts the stages one after the other. When one cannot be started, nothing is left of those before it. */
const spawnPipeline = Effect.fnUntraced(function* (
  nursery: NurseryInternal,
  stages: ReadonlyArray<Pipeline.Stage>
): Effect.fn.Return<Handle, PlatformError.PlatformError, Scope.Scope> {
  const running: Array<Running> = []
  const pipes = new Set<Joined>()
  const drop = (pipe: Joined) => {
    pipes.delete(pipe)
    pipe.drop()
  }
  const startAll = Effect.gen(function* () {
    let before: Joined | undefined
    for (const [index, stage] of stages.entries()) {
      const next = stages[index + 1]?.link
      const after = next?.kind === "kernel" ? nursery.backend.pipe?.() : undefined
      if (after !== undefined) pipes.add(after)
      const reading = readFrom(stage, before, running[index - 1]?.handle)
      running.push(yield* spawn(nursery, writeTo(reading, next, after)))
      // Both neighbours have their ends: end of file comes when the writer's is closed.
      if (before !== undefined) drop(before)
      before = after
    }
  })
  yield* startAll.pipe(
    Effect.onError(() =>
      Effect.forEach(running, ({ child }) => child.cancel, { concurrency: "unbounded", discard: true })
    ),
    Effect.onError(() => Effect.sync(() => pipes.forEach(drop)))
  )
  return pipelineHandle(running.map(({ handle }) => handle))
})

const readFrom = (stage: Pipeline.Stage, pipe: Joined | undefined, before: Handle | undefined): Resolved => {
  const { link, resolved } = stage
  if (link === undefined) return resolved
  const { target } = link
  if (link.kind === "kernel") {
    if (pipe === undefined) return resolved
    return replace(resolved, {
      request: { target, kind: "joined", pipe, end: "read" },
      input: undefined,
      output: undefined
    })
  }
  const stream = before === undefined ? Stream.empty : sourceOf(before, link.source)
  const configured = resolved.descriptors.get(target)
  const input = { ...link.input, stream }
  return configured?.request.kind === "duplex"
    ? replace(resolved, { ...configured, input })
    : replace(resolved, { request: { target, kind: "pipeIn" }, input, output: undefined })
}

const writeTo = (resolved: Resolved, link: Pipeline.Link | undefined, pipe: Joined | undefined): Resolved =>
  link?.kind !== "kernel" || pipe === undefined
    ? resolved
    : replace(
        resolved,
        ...link.sources.map(
          (target): Descriptor => ({
            request: { target, kind: "joined", pipe, end: "write" },
            input: undefined,
            output: undefined
          })
        )
      )

const replace = (resolved: Resolved, ...descriptors: ReadonlyArray<Descriptor>): Resolved => ({
  ...resolved,
  descriptors: new Map([
    ...resolved.descriptors,
    ...descriptors.map((descriptor) => [descriptor.request.target, descriptor] as const)
  ])
})

const sourceOf = (handle: Handle, source: Pipeline.Source): NonNullable<Input["stream"]> => {
  switch (source) {
    case "stdout":
      return handle.stdout
    case "stderr":
      return handle.stderr
    case "all":
      return handle.all
    default:
      return handle.getOutputFd(source)
  }
}

/** The input of the first, the output and exit of the last; signals and references are for all. */
const pipelineHandle = (handles: ReadonlyArray<Handle>): Handle => {
  const [first = noStage(), ...rest] = handles
  const last = rest.at(-1) ?? first
  const reversed = handles.toReversed()
  return ChildProcessSpawner.makeHandle({
    ...last,
    stdin: first.stdin,
    kill: (options) =>
      Effect.forEach(reversed, (handle) => Effect.ignore(handle.kill(options)), {
        concurrency: "unbounded",
        discard: true
      }),
    unref: Effect.map(
      Effect.forEach(handles, (handle) => handle.unref),
      (rerefs) => Effect.forEach(rerefs.toReversed(), (reref) => reref, { discard: true })
    )
  })
}

const noStage = (): never => {
  throw new Error("a pipeline has at least one command")
}
