/**
 * The way from a command to a run in the scope of the caller.
 *
 * The finalizer is in the scope before the process is asked for: no point lies between the two at which an interruption would
 * leave something behind.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Command } from "../../Command.ts"
import { Nursery } from "../../Nursery.ts"
import * as Reason from "../../ProcessError.ts"
import { insideOf } from "../fd/store.ts"
import type { SandboxGuarantee } from "../guarantees.ts"
import type { Member, Value as Namespaces } from "../namespace/value.ts"
import type { NurseryInternal } from "../registry.ts"
import * as Diagnose from "./diagnose.ts"
import { type Capture, type Plan, plan } from "./request.ts"
import { Run, type Started } from "./run.ts"
import * as Trace from "./trace.ts"

export type Spawning = Effect.Effect<Run, Reason.SpawnError | Reason.KeeperLost, Nursery | Scope.Scope>

/** Starts a command; its Streams and Sinks run from then on. */
export const spawn = (command: Command, capture: Capture): Spawning =>
  Effect.withFiber((fiber) => {
    const context: Context.Context<never> = fiber.context
    const { internal } = Context.getUnsafe(context, Nursery)
    const planned = plan(command, capture)
    if (Result.isFailure(planned)) return refuse(internal, command, planned.failure)
    const unavailable =
      containmentProblem(internal, planned.success) ??
      notifyProblem(internal, planned.success) ??
      heldProblem(internal, planned.success) ??
      setupProblem(internal, planned.success) ??
      namespaceProblem(internal, planned.success)
    if (unavailable !== undefined) return refuse(internal, command, unavailable)
    const scope = Scope.forkUnsafe(Context.getUnsafe(context, Scope.Scope))
    for (const { fd } of planned.success.held) fd.slot.use(fd.isGift)
    const run = new Run(planned.success, internal, scope)
    const { namespaces } = planned.success
    const begun =
      namespaces === undefined ? begin(run, scope) : Effect.andThen(join(namespaces, run, scope), begin(run, scope))
    const connected = planned.success.isLive ? Effect.tap(begun, connect) : begun
    if (!Trace.isWanted(fiber)) return connected
    return Effect.flatMap(Trace.watch(fiber, planned.success), (watcher) => {
      run.watcher = watcher
      return connected
    })
  })

const begin = (run: Run, scope: Scope.Scope): Started =>
  Effect.andThen(
    Scope.addFinalizerExit(scope, (exit) => run.close(exit)),
    run.begin
  )

const refuse = (
  internal: NurseryInternal,
  command: Command,
  reason: Reason.SpawnReason
): Effect.Effect<never, Reason.SpawnError> => {
  const error = Diagnose.refuse(command, reason)
  internal.registry.failed(error)
  return Effect.fail(error)
}

/** `tree` and `group` are always there, in the strength that `Nursery.guarantees` says. */
const containmentProblem = (internal: NurseryInternal, { request }: Plan): Reason.Containment | undefined => {
  if (request.level === "tree" || request.level === "group") return undefined
  const found = internal.backend.guarantees().levels.find((known) => known.level === request.level)
  if (found?.available === true) return undefined
  return new Reason.Containment({ level: request.level, problem: found?.reason ?? "it is not known here" })
}

const notifyProblem = (internal: NurseryInternal, { request }: Plan): Reason.Unsupported | undefined => {
  if (request.notify !== true || internal.backend.guarantees().notifications) return undefined
  return new Reason.Unsupported({ feature: "notify", problem: "only the keeper (Nursery.layer) has sockets for it" })
}

/** A descriptor that is not there any more. That its keeper is gone is found out when the spawn is sent. */
const heldProblem = (
  internal: NurseryInternal,
  { command, held }: Plan
): Reason.Descriptor | Reason.InvalidArgument | undefined => {
  if (command.fdStore !== undefined && insideOf(command.fdStore).isClosed) {
    return new Reason.InvalidArgument({
      option: "fdStore",
      problem: "is closed with its scope: make it in a longer one"
    })
  }
  for (const { fd, target } of held) {
    const problem = fd.slot.refusal(internal.backend)
    if (problem !== undefined) return new Reason.Descriptor({ descriptor: target, errno: "EBADF", problem })
  }
  return undefined
}

const setupProblem = (internal: NurseryInternal, { command, request }: Plan): Reason.Unsupported | undefined => {
  if (request.setup === undefined || request.setup.length === 0) return undefined
  const { sandbox, setup } = internal.backend.guarantees()
  if (setup) return sandboxProblem(command, sandbox)
  const options = [
    "limits",
    "credentials",
    "priority",
    "affinity",
    "oomScoreAdjust",
    "sandbox",
    "seccomp",
    "namespaces",
    "controllingTerminal"
  ] as const
  const feature = options.find((option) => {
    const value = command[option]
    return option === "limits" ? Object.keys(command.limits).length > 0 : value !== undefined
  })
  return new Reason.Unsupported({
    feature: feature ?? "the command",
    problem: "only the keeper (Nursery.layer) arranges it before the program starts"
  })
}

/** The first thing that a command wants to be held back and that is not here. */
const sandboxProblem = (
  { sandbox, seccomp }: Command,
  offered: ReadonlyArray<SandboxGuarantee>
): Reason.Unsupported | undefined => {
  const { scope = [], ...listed } = sandbox ?? {}
  const wanted = new Map(
    Object.entries(listed).flatMap(([key, list]) => (list === undefined ? [] : [[key, `sandbox.${key}`]]))
  )
  for (const each of scope) wanted.set(each, `sandbox.scope ${JSON.stringify(each)}`)
  if (seccomp !== undefined) wanted.set("seccomp", "seccomp")
  for (const { available, feature, reason } of offered) {
    const option = wanted.get(feature)
    if (option !== undefined && !available) return new Reason.Unsupported({ feature: option, problem: reason })
  }
  return undefined
}

const namespaceProblem = (internal: NurseryInternal, { namespaces }: Plan): Reason.NamespaceSetup | undefined => {
  const problem = namespaces?.refusal(internal.backend)
  return problem === undefined ? undefined : new Reason.NamespaceSetup({ step: "enter", errno: "EBADF", problem })
}

/** When the namespaces close it ends, if its scope has not closed before. */
const join = (namespaces: Namespaces, run: Run, scope: Scope.Closeable): Effect.Effect<void> => {
  const member: Member = { close: () => run.close(Exit.void) }
  return Effect.andThen(
    Effect.sync(() => namespaces.join(member)),
    Scope.addFinalizer(
      scope,
      Effect.sync(() => namespaces.leave(member))
    )
  )
}

/** Starts the fibers of the Streams and Sinks that the command carries. */
const connect = (run: Run): Effect.Effect<void> =>
  Effect.forEach(
    run.plan.ends,
    ({ target, role }) => {
      if (role._tag === "Pump") return pump(run, target, withoutServices(role.stream))
      if (role._tag === "Consumer" && run.ends.sources.get(target)?.isClaimed === false) {
        return consume(run, target, withoutServicesSink(role.sink))
      }
      return Effect.void
    },
    { discard: true }
  )

const pump = (run: Run, target: number, stream: Stream.Stream<Uint8Array, unknown>): Effect.Effect<void> => {
  const writer = run.ends.targets.get(target)
  if (writer === undefined) return Effect.void
  run.ends.inputFailure ??= Deferred.makeUnsafe<never, unknown>()
  const failure = run.ends.inputFailure
  const write = Stream.run(
    stream,
    Sink.fromTransform((upstream) => writer.write(upstream))
  )
  return Effect.map(
    Effect.forkDetach(
      Effect.onExit(write, (exit) =>
        Effect.sync(() => {
          // A process that does not read on, or that has ended, is no failure of the Stream.
          if (Exit.isFailure(exit) && !run.isEnded && !writer.isCauseOf(exit.cause)) {
            Deferred.doneUnsafe(failure, Exit.failCause(exit.cause))
          }
        })
      ),
      { startImmediately: true }
    ),
    (fiber) => run.ends.addPump(fiber, run)
  )
}

const consume = (
  run: Run,
  target: number,
  sink: Sink.Sink<unknown, Uint8Array, unknown, unknown>
): Effect.Effect<void> => {
  const source = run.ends.sources.get(target)
  if (source === undefined) return Effect.void
  return Effect.map(Effect.forkDetach(Stream.run(source.stream, sink), { startImmediately: true }), (fiber) =>
    run.ends.addConsumer(target, fiber, run)
  )
}

// The requirements of the Streams and Sinks of a command are those of `Process.spawn`, whose fiber has them; their types are not
// known here.
const withoutServices = (stream: Stream.Stream<Uint8Array, unknown, unknown>) =>
  stream as Stream.Stream<Uint8Array, unknown>
const withoutServicesSink = (sink: Sink.Sink<unknown, Uint8Array, unknown, unknown, unknown>) =>
  sink as Sink.Sink<unknown, Uint8Array, unknown, unknown>
