/**
 * What the programs with services on Nursery have in common: when they end, and what they answer.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Runs `effect` until SIGTERM, and ends it in good order. If it ends before, something is wrong. */
export const untilAsked = <E>(effect: Effect.Effect<unknown, E>): void => {
  const fiber = Effect.runFork(effect)
  let asked = false
  fiber.addObserver((exit) => {
    if (!asked) console.error("ended unasked", exit)
    process.exit(asked ? 0 : 1)
  })
  process.once("SIGTERM", () => {
    asked = true
    Effect.runFork(Fiber.interrupt(fiber))
  })
  // For who measures memory: a line asks for a garbage collection, a line answers.
  if (globalThis.gc === undefined) return
  process.stdin.on("data", () => {
    // Including the room that V8 keeps for new objects, which depends on how many there were and not on what is still there.
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" })
    process.stdout.write("collected\n")
  })
}
