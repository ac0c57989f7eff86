/** Starts processes in two sets of namespaces, one with a pid namespace, says `ready`, and waits. */
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Namespace from "../../../src/Namespace.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play, say } from "./stage.ts"

const main = Effect.gen(function* () {
  const sets = [
    yield* Namespace.make({ network: true, mount: { temporary: ["/mnt"] } }),
    yield* Namespace.make({ pid: true, ipc: true })
  ]
  for (const set of sets) {
    const words = "fork { ignore setsid say escaped sleep } ignore say started sleep"
    yield* Process.spawn(play(words).pipe(Command.namespaces(set), Command.cwd("/"), Command.stop({ grace: 0 })))
  }
  yield* say("ready")
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
