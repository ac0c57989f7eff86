/**
 * Nursery, with things arranged before each start: descriptors, limits and credentials, or a sandbox; and without any of it.
 */
import { Command, type ExitStatus, Nursery, Process } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { serve } from "../harness/worker.ts"
import { starterOf } from "./effects.ts"
import { program, spawnRounds } from "./rounds.ts"

const runtime = ManagedRuntime.make(Nursery.layer)

const succeeded = ({ status }: ExitStatus.ProcessExit): boolean => status._tag === "Exited" && status.code === 0

const plain = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })

// Root becomes somebody else, anybody else stays who he is; all items are carried out either way.
const isRoot = process.getuid?.() === 0
const user = isRoot ? 65_534 : process.getuid?.()
const group = isRoot ? 65_534 : process.getgid?.()

const arranged = plain.pipe(
  Command.fds({ 3: "null", 9: "null" }),
  Command.limits({ core: 0, nofile: { soft: 64 }, fsize: "1 GiB", cpu: "1 hour" }),
  Command.credentials({ user, group, ...(isRoot ? { groups: [] } : undefined), noNewPrivileges: true })
)

const sandboxed = plain.pipe(Command.sandbox({ read: ["/etc"], write: ["/tmp"], execute: [] }))

const batch = (command: Command.Plain) =>
  spawnRounds(
    starterOf(
      runtime,
      Effect.scoped(Effect.flatMap(Process.spawn(command), (process) => Effect.map(process.exit, succeeded)))
    )
  ).batch

// The helpers are there before anything is measured.
await runtime.context()
serve({ plain: batch(plain), arranged: batch(arranged), sandboxed: batch(sandboxed) }, () => runtime.dispose())
