/** A fiber is interrupted at any point between asking for a process and holding it: nothing of the attempt is left. */
import { expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Command from "../../src/Command.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import type { KeeperLost, SpawnError } from "../../src/ProcessError.ts"
import * as Proc from "../support/proc.ts"
import * as Random from "../support/random.ts"
import * as Stage from "../support/stage.ts"

const ROUNDS = Random.isCampaign ? 20_000 : 600
const AT_ONCE = 20

/** Lets a random time pass: none, some microtasks, some turns of the event loop, or a few milliseconds; or until the spawn is done. */
const pause = (random: Random.Random, done: Effect.Effect<unknown>): Effect.Effect<unknown> => {
  const count = random.below(12)
  switch (random.below(5)) {
    case 0:
      return Effect.void
    case 1:
      return Effect.promise(async () => {
        for (let passed = 0; passed < count; passed++) await undefined
      })
    case 2:
      return Effect.promise(async () => {
        for (let passed = 0; passed < count; passed++) await new Promise((resolve) => setImmediate(resolve))
      })
    case 3:
      return Effect.sleep(count / 3)
    default:
      // However slow this machine is, some of them come so far.
      return done
  }
}

const commands = (stage: Stage.Stage): readonly [Command.Plain, ...ReadonlyArray<Command.Plain>] => {
  const atOnce = Command.stop({ grace: 0 })
  const inGroup = [stage.play("sleep"), stage.play("fork { sleep } exit 0"), stage.command("/no/such/program", [])]
  const others = [
    ...inGroup,
    stage.play("fork { setsid fork { close sleep } exit 0 } wait sleep"),
    stage.play("ignore fork { setsid sleep } exit 1")
  ].map(atOnce)
  const piped = others.map((command) => command.pipe(Command.stdin("pipe"), Command.stdout("pipe")))
  return [
    stage.play("exit 0"),
    ...others,
    ...piped,
    // What leaves its group there ends with the nursery only.
    ...inGroup.map((command) => command.pipe(atOnce, Command.containment("group")))
  ]
}

/** What a round came to: whether the process had been there. */
type Outcome = "interrupted" | "started" | "failed"

const round = (command: Command.Plain, random: Random.Random) =>
  Effect.gen(function* () {
    let outcome: Outcome = "interrupted"
    const done = yield* Deferred.make<void>()
    const spawning: Effect.Effect<never, SpawnError | KeeperLost, Nursery.Nursery> = Effect.scoped(
      Effect.gen(function* () {
        yield* Process.spawn(command)
        outcome = "started"
        yield* Deferred.succeed(done, undefined)
        return yield* Effect.never
      })
    ).pipe(Effect.onError(() => Deferred.succeed(done, undefined)))
    const fiber = yield* Effect.forkChild(spawning, { startImmediately: random.below(2) === 0 })
    yield* pause(random, Deferred.await(done))
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    // A program that is not there fails before the interruption, or not at all.
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      outcome = "failed"
      expect(Exit.findErrorOption(exit)).toMatchObject({ value: { reason: { _tag: "ProgramNotFound" } } })
    }
    return outcome
  })

it.live(`nothing is left of ${ROUNDS} interrupted spawns`, () =>
  Effect.gen(function* () {
    const random = Random.make("interrupt")
    const stage = yield* Stage.make
    const all = commands(stage)
    const warmUp = Effect.scoped(Effect.flatMap(Process.spawn(Command.make("true")), ({ exit }) => exit))
    yield* warmUp
    const [family] = Proc.families()
    const before = Proc.descriptors()
    const keeperBefore = Proc.descriptors(family?.keeper)
    const outcomes = yield* Effect.all(
      Array.from({ length: ROUNDS }, () => Effect.suspend(() => round(random.pick(all), random))),
      { concurrency: AT_ONCE }
    )
    expect(stage.left()).toEqual([])
    expect(yield* Nursery.processes).toEqual([])
    // The interruption came before, in between and after: otherwise this shows nothing.
    expect(new Set(outcomes)).toEqual(new Set<Outcome>(["interrupted", "started", "failed"]))
    // Answered after everything that was asked before it.
    yield* warmUp
    expect(Proc.descriptors()).toEqual(before)
    expect(Proc.descriptors(family?.keeper)).toEqual(keeperBefore)
    expect(Proc.families().map(({ keeper }) => keeper)).toEqual([family?.keeper])
  }).pipe(Effect.provide(Nursery.layer))
)
