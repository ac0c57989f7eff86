/** A child that is not ready tells why, while it is waited for. */
import { rmSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Command, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Stage from "../../../process/test/support/stage.ts"
import { until } from "../../../process/test/support/within.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"

it.live("a snapshot tells why a child is not ready yet, and no longer when it is", () =>
  Effect.gen(function* () {
    const { folder } = yield* Stage.make
    const path = join(folder, "socket")
    const listen = Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((socket) => socket.destroy())
      server.listen(path, () => resume(Effect.succeed(server)))
    })
    const close = (server: ReturnType<typeof createServer>) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        rmSync(path, { force: true })
      })
    const first = yield* listen
    const child = Child.process("a", Command.make("sleep", ["600"]), { ready: Ready.unix(path, { owner: "any" }) })
    const running = yield* Supervisor.start(Supervisor.make("app", [child]))
    const problem = () => Effect.runSync(running.snapshot).children[0]?.problem
    yield* close(first)
    yield* Effect.forkScoped(running.child("a").restart)
    yield* Effect.promise(() => until("see a problem", () => problem() !== undefined))
    expect(problem()).toBe("no such file or directory")
    const second = yield* Effect.acquireRelease(listen, close)
    yield* running.child("a").restart
    expect(second.listening).toBe(true)
    expect(problem()).toBeUndefined()
  }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
)
