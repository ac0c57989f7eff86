/** What a process hands over is there in the next life of its child, and is closed when the child stays down. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, layer } from "@effect/vitest"
import { Command, Fd, Nursery, Stdio } from "@nursery/process"
import * as Effect from "effect/Effect"
import { actor, temporary } from "../../../process/test/support/native.ts"
import * as Proc from "../../../process/test/support/proc.ts"
import { until } from "../../../process/test/support/within.ts"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Restart from "../../src/Restart.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { stands } from "../support/observed.ts"

let logs = 0

/** A process that first writes what it was given, and then does what the words say. */
const telling = (...words: ReadonlyArray<string>) => {
  const path = join(temporary(), `store-${++logs}`)
  const script = 'echo "$((LISTEN_FDS)) $LISTEN_FDNAMES"; exec "$0" "$@"'
  const command = Command.make("sh", ["-c", script, actor(), ...words], { stdout: Stdio.append(path) })
  return { command, lives: () => readFileSync(path, "utf8").split("\n").slice(0, -1) }
}

const tree = (child: Child.Child<"server", void, unknown, unknown, Nursery.Nursery>) =>
  Supervisor.start(Supervisor.make("app", [child]))

/** Of pipes that the keeper holds: all that these processes hand over is some. */
const pipesHeld = (): number => {
  const [family] = Proc.families()
  return [...Proc.descriptors(family?.keeper).values()].filter((link) => link.startsWith("pipe:")).length
}

layer(Nursery.layer, { excludeTestServices: true })("a child with fdStoreMax", (it) => {
  it.effect("finds in each life what those before it have handed over, and nothing once it was stopped", () =>
    Effect.gen(function* () {
      const { command, lives } = telling("hand", "state", "notify", "READY=1", "sleep")
      const running = yield* tree(Child.process("server", command, { ready: Ready.notify, fdStoreMax: 8 }))
      const server = running.child("server")
      const before = pipesHeld()
      yield* server.restart
      const [child] = (yield* running.snapshot).children
      // However it ends.
      Proc.kill(child?.pid ?? 0)
      yield* stands(running, "server", "ready", 3)
      expect(lives()).toEqual(["0 ", "1 state", "2 state:state"])
      expect(pipesHeld()).toBe(before + 2)
      yield* server.stop
      yield* Effect.promise(() => until("see all of it closed", () => pipesHeld() < before))
      yield* server.start
      expect(lives().at(-1)).toBe("0 ")
    }).pipe(Effect.scoped)
  )

  it.effect("has no more in it than that, and lets go of a name", () =>
    Effect.gen(function* () {
      const { command, lives } = telling(
        ...["hand", "a", "hand", "b", "hand", "c", "notify", "FDSTOREREMOVE=1\nFDNAME=a"],
        ...["barrier", "notify", "READY=1", "sleep"]
      )
      const running = yield* tree(Child.process("server", command, { ready: Ready.notify, fdStoreMax: 2 }))
      yield* running.child("server").restart
      expect(lives()).toEqual(["0 ", "1 b"])
    }).pipe(Effect.scoped)
  )

  it.effect("keeps it while it is paused, and through the restart of its siblings", () =>
    Effect.gen(function* () {
      const { command, lives } = telling("hand", "state", "notify", "READY=1", "sleep")
      const server = Child.process("server", command, {
        ready: Ready.notify,
        fdStoreMax: 8,
        decide: () => Effect.succeed("pause")
      })
      const other = Child.process("other", Command.make("sleep", ["1000"]))
      const running = yield* Supervisor.start(Supervisor.make("app", [server, other], { strategy: "one-for-all" }))
      const pidOf = (name: string) =>
        Effect.map(running.snapshot, ({ children }) => children.find((child) => child.name === name)?.pid ?? 0)
      Proc.kill(yield* pidOf("other"))
      yield* stands(running, "server", "ready", 2)
      Proc.kill(yield* pidOf("server"))
      yield* stands(running, "server", "paused")
      yield* running.child("server").start
      expect(lives()).toEqual(["0 ", "1 state", "2 state:state"])
    }).pipe(Effect.scoped)
  )

  it.effect("closes all of it with its tree, and when it has completed", () =>
    Effect.gen(function* () {
      const before = pipesHeld()
      const { command } = telling("hand", "state", "barrier", "exit", "0")
      const once = Child.process("server", command, { restart: Restart.never(), fdStoreMax: 8 })
      const running = yield* tree(once)
      yield* stands(running, "server", "completed")
      yield* Effect.promise(() => until("see it closed", () => pipesHeld() === before))
      const staying = telling("hand", "state", "notify", "READY=1", "sleep")
      yield* Effect.scoped(tree(Child.process("server", staying.command, { ready: Ready.notify, fdStoreMax: 8 })))
      yield* Effect.promise(() => until("see it closed with its tree", () => pipesHeld() === before))
    }).pipe(Effect.scoped)
  )

  it.effect("leaves alone what its command brings, and comes after what that is activated with", () =>
    Effect.gen(function* () {
      const fdStore = yield* Fd.store()
      const http = yield* Fd.listen({ tcp: 0 })
      const own = telling("hand", "mine", "notify", "READY=1", "sleep")
      const activated = Command.activation(own.command, { http })
      const options = { ready: Ready.notify, fdStoreMax: 1 }
      const running = yield* tree(Child.process("server", Command.fdStore(activated, fdStore), options))
      yield* running.child("server").restart
      yield* running.child("server").stop
      expect(own.lives()).toEqual(["1 http", "2 http:mine"])
      expect(yield* Fd.stored(fdStore)).toEqual(["mine", "mine"])
    }).pipe(Effect.scoped)
  )
})
