/** What the portable layer does when the program that uses it ends. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stage from "../support/stage.ts"

const entry = pathToFileURL(join(import.meta.dirname, "../../src/index.ts")).href

/** A program that starts a process on the stage, and ends as `end` says once it is up. */
const program = (end: string): string => `
  import { Command, Nursery, Process, Stdio } from ${JSON.stringify(entry)}
  import * as Effect from "effect/Effect"
  const { NURSERY_ACTOR, NURSERY_CANARY } = process.env
  const command = Command.make(NURSERY_ACTOR, ["fork", "{", "say", "child", "sleep", "}", "say", "leader", "sleep"], {
    fds: { 9: Stdio.append(NURSERY_CANARY) }
  })
  const main = Effect.andThen(Process.spawn(command), Effect.never)
  Effect.runFork(Effect.provide(Effect.scoped(main), Nursery.layerPortable))
  process.stdin.once("data", () => { ${end} })
`

const run = (stage: Stage.Stage, end: string) =>
  Effect.gen(function* () {
    const child = spawn(process.execPath, ["--input-type=module", "-e", program(end)], {
      cwd: import.meta.dirname,
      env: { ...process.env, ...stage.environment },
      stdio: ["pipe", "ignore", "ignore"]
    })
    yield* stage.hears("child", "leader")
    child.stdin.write("end\n")
    yield* Effect.callback<void>((resume) => void child.once("exit", () => resume(Effect.void)))
  })

for (const [how, end] of [
  ["process.exit", "process.exit(3)"],
  ["an uncaught error", 'throw new Error("uncaught")']
] as const) {
  it.live(`takes its process groups along when the program ends by ${how}`, () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      yield* run(stage, end)
      // They have been sent SIGKILL before the program had ended; the kernel may take a moment to be done with them.
      while (stage.canary.isHeld()) yield* Effect.yieldNow
      expect(stage.canary.isHeld()).toBe(false)
    })
  )
}
