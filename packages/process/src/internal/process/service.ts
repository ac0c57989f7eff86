/**
 * A service whose life is a process.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { OnEnd } from "../../Process.ts"
import type { ExitError, KeeperLost } from "../../ProcessError.ts"
import type { Run } from "./run.ts"

export const make = <A, E, R>(
  run: Run,
  service: Effect.Effect<A, E, R>,
  onEnd: OnEnd
): Effect.Effect<A, E | ExitError | KeeperLost, R | Scope.Scope> => {
  const exit = Deferred.await(run.exit)
  const endedTooEarly = Effect.flatMap(exit, (exit) => Effect.fail(run.errorOf(exit)))
  const made = Effect.raceFirst(service, endedTooEarly)
  if (onEnd === "ignore") return made
  return Effect.withFiber((user) =>
    Effect.tap(made, () => Effect.forkScoped(Effect.andThen(Effect.exit(exit), interrupt(run, user))))
  )
}

const interrupt = (run: Run, user: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.andThen(
    Effect.logWarning(`${run.line} (pid ${run.pid}) has ended, so what uses its service is interrupted`),
    Effect.sync(() => user.interruptUnsafe())
  )
