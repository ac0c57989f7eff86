/** Runs a process to its end in a nursery that is never closed, says `done`, and has nothing else to do. */
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import { play, sayNow } from "./stage.ts"

const runtime = ManagedRuntime.make(Nursery.layer)
const text = await runtime.runPromise(Process.string(play("write hello").pipe(Command.stdout("pipe"))))
const status = await runtime.runPromise(
  Effect.scoped(Effect.flatMap(Process.spawn(play("exit 3")), ({ exit }) => exit))
)
if (text === "hello" && status.status._tag === "Exited") sayNow("done")
