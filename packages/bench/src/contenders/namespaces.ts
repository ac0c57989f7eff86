/**
 * Nursery, with its processes in namespaces: at level `pid-namespace` each in a new one, or all of them in one set; or each in a cgroup.
 */
import { Command, type ExitStatus, Namespace, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import { serve } from "../harness/worker.ts"
import { starterOf } from "./effects.ts"
import { program, spawnRounds } from "./rounds.ts"

const runtime = ManagedRuntime.make(Nursery.layer)
const scope = Scope.makeUnsafe()
const make = (options: Namespace.Options) => runtime.runPromise(Scope.provide(Namespace.make(options), scope))

const silent = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
const commands: Readonly<Record<string, () => Promise<typeof silent>>> = {
  plain: async () => silent,
  level: async () => Command.containment(silent, "pid-namespace"),
  cgroup: async () => Command.containment(silent, "cgroup"),
  set: async () => Command.namespaces(silent, await make({ network: true, mount: true, ipc: true, uts: true })),
  pidSet: async () => Command.namespaces(silent, await make({ pid: true }))
}

const mode = process.argv[2] ?? ""
const command = await commands[mode]?.()
if (command === undefined) throw new Error(`no such mode: ${mode}`)

const succeeded = ({ status }: ExitStatus.ProcessExit): boolean => status._tag === "Exited" && status.code === 0
const one = Effect.scoped(Effect.flatMap(Process.spawn(command), (child) => Effect.map(child.exit, succeeded)))

serve(spawnRounds(starterOf(runtime, one)), () => runtime.dispose())
