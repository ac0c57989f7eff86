/**
 * A policy in a test: simulated processes, and time that the test moves. An hour takes milliseconds.
 */
import assert from "node:assert/strict"
import { Command } from "@nursery/process"
import { Child, Restart, Supervisor } from "@nursery/supervisor"
import { Program, TestNursery } from "@nursery/testing"
import { Effect, Fiber, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"

// What is tested: the tree of the application.
const worker = Child.process("worker", Command.make("worker"), {
  restart: Restart.always({
    schedule: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 4 })),
    healthyAfter: "30 minutes"
  })
})
const app = Supervisor.make("app", [worker])

const test = Effect.gen(function* () {
  const run = yield* Effect.forkChild(Effect.flip(Supervisor.run(app)))
  yield* TestClock.adjust("2 hours")

  // The second life was long enough to begin anew with one second.
  const starts = (yield* TestNursery.started).map(({ time }) => time / 1000)
  assert.deepEqual(starts, [0, 1, 3602, 3604, 3608, 3616])
  const error = yield* Fiber.join(run)
  assert.match(error.message, /^worker gave up after 5 attempts/)
})

// Crashes at once, but for its second life.
const programs = TestNursery.layer({
  worker: ({ nth }) => (nth === 2 ? Program.exits(1, { after: "1 hour" }) : Program.exits(1))
})

await Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(Layer.provideMerge(programs, TestClock.layer()))))
console.log("it held")
