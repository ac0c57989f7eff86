/**
 * Starts the actor of its first argument, which becomes root, and writes what it can tell of what that uses: while it runs, of it alone
 * and of its tree, and when it has ended. One line each.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import type { KeeperLost, UsageHidden } from "../../../src/ProcessError.ts"

const [actor = ""] = process.argv.slice(2)
const command = Command.make(actor, ["become", "write", "up", "read", "exit", "0"], { stdin: "pipe", stdout: "pipe" })

const tell = <A>(usage: Effect.Effect<A, KeeperLost | UsageHidden>, words: (usage: A) => string) =>
  Effect.map(Effect.match(usage, { onFailure: ({ message }) => message, onSuccess: words }), (line) =>
    console.log(line)
  )

const main = Effect.gen(function* () {
  const child = yield* Process.spawn(command)
  yield* Stream.runHead(child.stdout)
  yield* tell(child.usage, ({ blockInput }) => `shown, and blocks ${blockInput}`)
  yield* tell(child.treeUsage, ({ hidden, processes, source }) => `${source}: ${processes}, hidden ${hidden}`)
  yield* Stream.run(Stream.empty, child.stdin)
  yield* child.exit
  yield* tell(child.treeUsage, ({ memory, processes, source }) => `${source}: ${processes}, memory ${memory}`)
}).pipe(Effect.scoped, Effect.provide(Nursery.layer))

await Effect.runPromise(main)
