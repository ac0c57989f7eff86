/**
 * How long a start may take, and what is done after a stop.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { NotReady, ReadyTimeout, StartTimeout } from "../../ChildError.ts"
import type { ChildSpec } from "../spec.ts"
import type { Life } from "./life.ts"

type AnyEffect = Effect.Effect<unknown, unknown, unknown>

/**
 * Ends a life that is not ready in time, from its hook on. A process may ask for more time by `EXTEND_TIMEOUT_USEC=` (`sd_notify(3)`):
 * so long from then on, and never less than it had.
 */
export const startLimit = (life: Life, after: Duration.Duration): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { tell } = life.tree
    life.readyBy = life.startedAt + Duration.toMillis(after)
    for (let now = tell.now; now < life.readyBy; now = tell.now) yield* Effect.sleep(life.readyBy - now)
    life.fail(new NotReady({ child: life.entry.spec.name, reason: lateness(life, after) }))
  })

const lateness = ({ entry, problem, reason, step }: Life, after: Duration.Duration): NotReady["reason"] => {
  if (reason !== undefined) return reason
  if (step !== "ready") return new StartTimeout({ step, after })
  return new ReadyTimeout({ ready: checkOf(entry.spec), after, ...(problem === undefined ? {} : { problem }) })
}

const checkOf = (spec: ChildSpec): string => {
  switch (spec.kind) {
    case "process":
    case "effect":
      return spec.ready?.name ?? "it"
    default:
      return "the start of its children"
  }
}

/** What systemd gives to a command that runs after a stop. */
const defaultAfterStop = Duration.seconds(90)

/**
 * Runs the hook after the end of a life, which is over when that is done. Nobody can interrupt it there, so one that hangs would hold the
 * end of the whole tree: when its time is up it is interrupted, and not waited for.
 */
export const afterStop = (hook: AnyEffect, life: Life): AnyEffect =>
  Effect.gen(function* () {
    const { hooks, name } = life.entry.spec
    const limit = Duration.fromInputUnsafe(hooks.afterStopTimeout ?? defaultAfterStop)
    const fiber = yield* Effect.forkDetach(Effect.interruptible(hook), { startImmediately: true })
    const exit = yield* Effect.raceFirst(Fiber.await(fiber), Effect.as(Effect.sleep(limit), undefined))
    const what = `what "${name}" does after its stop`
    if (exit === undefined) {
      fiber.interruptUnsafe()
      life.tree.tell.child(life.entry, { _tag: "Abandoned", what: "afterStop" })
      const given = Duration.format(limit)
      yield* Effect.logWarning(`${what} was not done within ${given}: it is interrupted, and no longer waited for`)
    } else if (Exit.isFailure(exit)) {
      yield* Effect.logWarning(`${what} has failed`, exit.cause)
    }
  })
