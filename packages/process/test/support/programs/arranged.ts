/**
 * Starts processes as fast as it can that are held in sandboxes, are other users (where that is permitted), or are in namespaces, of
 * which some escape; says `loading` once, and goes on until it is killed. Its argument names a device for the network of this machine.
 */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Namespace from "../../../src/Namespace.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play, sayNow } from "./stage.ts"

const isRoot = process.getuid?.() === 0
const [device] = process.argv.slice(2)
const user = 41_000

const scenes = [
  "exit 0",
  "fork { ignore setsid sleep } sleep",
  "ignore fork { fork { setsid sleep } exit 0 } sleep"
].map((words) => play(words).pipe(Command.cwd("/"), Command.stop({ grace: "20 millis" })))

const main = Effect.gen(function* () {
  const one = yield* Namespace.make({ user: true, network: true, mount: { temporary: ["/mnt"] } })
  const other = yield* Namespace.make({ user: one, network: true })
  const pids = yield* Namespace.make({ pid: true, ipc: true, uts: { hostname: "arranged" } })
  yield* Namespace.veth({ namespace: one }, { namespace: other })
  // Seen by the test.
  if (device !== undefined) yield* Namespace.veth({ namespace: one, name: "outside" }, { name: device })
  const arrangements = [
    Command.sandbox({ read: ["/"], write: ["/"], execute: ["/"] }),
    Command.namespaces(one),
    Command.namespaces(other),
    Command.namespaces(pids),
    Command.containment("pid-namespace"),
    Command.limits({ nofile: 64 }),
    ...(isRoot ? [Command.credentials({ user, group: user, groups: [] })] : [])
  ]
  const commands = scenes.flatMap((scene) => arrangements.map((arrange) => arrange(scene)))
  const loop = (turn: number): Effect.Effect<never, unknown, Nursery.Nursery> =>
    Effect.gen(function* () {
      for (let round = turn; ; round += 5) {
        const command = commands[round % commands.length]
        if (command !== undefined) yield* Effect.scoped(Effect.andThen(Process.spawn(command), Effect.sleep(round % 7)))
      }
    })
  for (const command of commands) yield* Process.spawn(command)
  sayNow("loading")
  yield* Effect.all([loop(0), loop(1), loop(2)], { concurrency: "unbounded" })
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
