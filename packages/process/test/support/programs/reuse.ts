/**
 * The first process of a pid namespace, where it may choose the pid of the next process. Gives that of a leader which has been
 * collected to a stranger, and prints whether the stranger lives after all that can be done to the leader's tree.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play } from "./stage.ts"

const ATTEMPTS = 100

/** A process of the same user with this pid, the leader of a group of this number; another process may be faster. */
const strangerWith = async (pid: number): Promise<ChildProcess | undefined> => {
  writeFileSync("/proc/sys/kernel/ns_last_pid", String(pid - 1))
  const stranger = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" })
  if (stranger.pid === pid) return stranger
  stranger.kill("SIGKILL")
  await once(stranger, "exit")
  return undefined
}

/** A process whose leader has been collected and whose pid is a stranger's. */
const reused = Effect.gen(function* () {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const orphaned = yield* Process.spawn(
      play("fork { setsid sleep } exit 0").pipe(Command.stop({ grace: "50 millis" }))
    )
    yield* orphaned.exit
    const stranger = yield* Effect.promise(() => strangerWith(orphaned.pid))
    if (stranger !== undefined) return { orphaned, stranger }
    yield* orphaned.stop()
  }
  return yield* Effect.die(new Error("the pid of the leader was never free"))
})

const main = Effect.gen(function* () {
  const stranger = yield* Effect.scoped(
    Effect.gen(function* () {
      const { orphaned, stranger } = yield* reused
      const reached = [
        yield* orphaned.signal("SIGKILL"),
        yield* orphaned.signal("SIGKILL", { to: "leader" }),
        yield* orphaned.signal("SIGKILL", { to: "group" })
      ]
      console.log(`reached: ${reached.join(", ")}`)
      yield* orphaned.stop({ to: "group" })
      return stranger
    })
  )
  const alive = stranger.exitCode === null && stranger.signalCode === null && stranger.kill(0)
  console.log(`the stranger ${alive ? "lives" : "was killed"}`)
  stranger.kill("SIGKILL")
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
