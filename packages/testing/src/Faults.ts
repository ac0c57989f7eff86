/**
 * What can go wrong with real processes, on purpose: helpers that die, starts that fail or take long.
 *
 * **Details**
 *
 * {@link layer} stands between a nursery and those who use it, and treats their starts as its rules say. {@link killKeeper},
 * {@link killGuard} and {@link killReaper} send SIGKILL to the helpers of a running process, which are its ancestors: they are found
 * by the pid that `Nursery.processes` shows as `helper`, and their parents in `/proc`.
 *
 * **Gotchas**
 *
 * Simulated processes have no helpers: see `TestNursery.loseKeeper`. The layer works on them too.
 */
import { constants } from "node:os"
import { type KeeperLost, Nursery, type SpawnReason } from "@nursery/process"
import type { SpawnRequest, Step } from "@nursery/process/Backend"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { type Errno, keeperLost } from "./internal/failures.ts"
import * as Faulty from "./internal/faulty.ts"
import * as Helpers from "./internal/helpers.ts"

/**
 * What happens to a start. Make it with {@link fail}, {@link delay}, {@link lose} or {@link dropNotifications}.
 *
 * @category models
 */
export type Fault = Faulty.Treatment

/**
 * A start that a rule decides about.
 *
 * @category models
 */
export interface Start {
  /** As the command has it; for a command with the option `shell` the shell. */
  readonly program: string
  /** All of it, the name of the program first. */
  readonly argv: ReadonlyArray<string>
  /** How often this program has been asked for, from 1. */
  readonly nth: number
  /** How many starts of any program there have been, from 1. */
  readonly count: number
}

/**
 * Decides about each start: `undefined` leaves it to the next rule, and at last to the nursery.
 *
 * @category models
 */
export type Rule = (start: Start) => Fault | undefined

/**
 * The start fails with an error of the operating system, at `exec` where no step is given. Without `reason` it is explained as any
 * such failure is.
 *
 * @category faults
 */
export const fail = (
  errno: Errno,
  options?: { readonly step?: Step | undefined; readonly reason?: SpawnReason | undefined }
): Fault => ({
  _tag: "Fail",
  failure: {
    step: options?.step ?? "exec",
    errno: constants.errno[errno],
    target: -1,
    ...(options?.reason === undefined ? undefined : { reason: options.reason })
  }
})

/**
 * The start waits before it is asked for, by Effect's Clock.
 *
 * @category faults
 */
export const delay = (duration: Duration.Input): Fault => ({ _tag: "Delay", duration })

/**
 * The start fails with `KeeperLost`, as when the keeper dies at this moment.
 *
 * @category faults
 */
export const lose = (error: KeeperLost = keeperLost): Fault => ({ _tag: "Lose", error })

/**
 * What the process tells by sd_notify(3) is lost, all of it or what `drops` says. It is given the text of each message:
 * `READY=1\nSTATUS=up`.
 *
 * **Example** (A service that seems to hang)
 *
 * ```ts
 * import { Nursery } from "@nursery/process"
 * import { Faults } from "@nursery/testing"
 * import * as Layer from "effect/Layer"
 *
 * const silent = Faults.dropNotifications((text) => text.includes("WATCHDOG=1"))
 * const layer = Faults.layer(Faults.every("my-service", silent)).pipe(Layer.provide(Nursery.layer))
 * ```
 *
 * @category faults
 */
export const dropNotifications = (drops: (text: string) => boolean = () => true): Fault => ({ _tag: "Mute", drops })

/**
 * The fault for the `n`th start of any program, or of one, counted from 1.
 *
 * @category rules
 */
export const nth =
  (n: number, fault: Fault, options?: { readonly program?: string | undefined }): Rule =>
  (start) => {
    if (options?.program === undefined) return start.count === n ? fault : undefined
    return start.program === options.program && start.nth === n ? fault : undefined
  }

/**
 * The fault for every start of a program.
 *
 * @category rules
 */
export const every =
  (program: string, fault: Fault): Rule =>
  (start) =>
    start.program === program ? fault : undefined

/**
 * A nursery whose starts are treated by rules, the first that says something about a start.
 *
 * **Example** (The second start fails)
 *
 * ```ts
 * import { Command, Nursery, Process } from "@nursery/process"
 * import { Faults } from "@nursery/testing"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import assert from "node:assert/strict"
 *
 * const faulty = Faults.layer(Faults.nth(2, Faults.fail("EMFILE"))).pipe(Layer.provide(Nursery.layer))
 *
 * const test = Effect.gen(function*() {
 *   assert.equal(yield* Process.string(Command.make`echo one`), "one\n")
 *   const error = yield* Effect.flip(Process.string(Command.make`echo two`))
 *   assert(error._tag === "SpawnError")
 *   assert.equal(error.reason._tag, "ResourcesExhausted")
 *   assert.equal(yield* Process.string(Command.make`echo three`), "three\n")
 * })
 *
 * await Effect.runPromise(Effect.provide(test, faulty))
 * ```
 *
 * @category layers
 */
export const layer = (...rules: ReadonlyArray<Rule>): Layer.Layer<Nursery.Nursery, never, Nursery.Nursery> =>
  Nursery.layerBackend(
    Effect.contextWith((context: Context.Context<Nursery.Nursery>) =>
      Effect.map(Nursery.backend, (inner) => Faulty.make(context, inner, treatmentBy(rules)))
    )
  )

const treatmentBy = (rules: ReadonlyArray<Rule>) => {
  const counts = new Map<string, number>()
  let count = 0
  return ({ argv, program }: SpawnRequest): Fault | undefined => {
    const nth = (counts.get(program) ?? 0) + 1
    counts.set(program, nth)
    count++
    for (const rule of rules) {
      const fault = rule({ program, argv, nth, count })
      if (fault !== undefined) return fault
    }
    return undefined
  }
}

/**
 * SIGKILL for the keeper that has started a process. Every process of its nursery is lost with it. Whether it was found: not where the
 * process has ended, or is no one's of this nursery.
 *
 * @category helpers
 */
export const killKeeper = (pid: number): Effect.Effect<boolean, never, Nursery.Nursery> => kill("keeper", pid)

/**
 * SIGKILL for the guard above the keeper that has started a process. What runs goes on. Whether it was found.
 *
 * @category helpers
 */
export const killGuard = (pid: number): Effect.Effect<boolean, never, Nursery.Nursery> => kill("guard", pid)

/**
 * SIGKILL for the reaper of a process, which is lost with it. Whether it was found.
 *
 * @category helpers
 */
export const killReaper = (pid: number): Effect.Effect<boolean, never, Nursery.Nursery> => kill("reaper", pid)

const kill = (helper: Helpers.Helper, pid: number): Effect.Effect<boolean, never, Nursery.Nursery> =>
  Effect.map(Nursery.processes, (all) => {
    const known = all.find((process) => process.pid === pid)
    return known !== undefined && Helpers.kill(helper, known.helper)
  })
