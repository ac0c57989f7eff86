/** A program that starts processes by the drop-in spawner; see owner.test.ts for what it is asked to do. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Nursery from "../../../src/Nursery.ts"

const [backend, scenario] = process.argv.slice(2)

const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const

const say = (line: string | number) => Effect.sync(() => process.stdout.write(`${line}\n`))

const output = (command: ChildProcess.Command) =>
  Effect.flatMap(command, (handle) => handle.stdout.pipe(Stream.decodeText, Stream.mkString))

type Program = Effect.Effect<unknown, unknown, ChildProcessSpawner | Scope.Scope>

const scenarios: Record<string, Program> = {
  /** Ends while an unreferenced child lives. Its scope has been closed, and so is the nursery. */
  unref: Effect.gen(function* () {
    const { pid, unref } = yield* ChildProcess.make("sleep", ["1000"], quiet)
    yield* Effect.asVoid(unref)
    yield* say(pid)
  }),

  /** The same, with pipes that nobody reads. Nothing is closed: the event loop has to run empty. */
  "unref with pipes": Effect.gen(function* () {
    const { pid, unref } = yield* ChildProcess.make("sh", ["-c", "echo unread; exec sleep 1000"])
    yield* Effect.asVoid(unref)
    yield* say(pid)
    return yield* Effect.never
  }),

  /** Waits for the child, because it holds the event loop again. */
  reref: Effect.gen(function* () {
    const handle = yield* ChildProcess.make("cat", { ...quiet, stdin: "inherit" })
    const reref = yield* handle.unref
    yield* reref
    yield* say(handle.pid)
    const code = yield* handle.exitCode
    yield* say(`exited ${code}`)
  }),

  /** An unreferenced child and one that is not, without any limit. Waits to be killed. */
  killed: Effect.gen(function* () {
    const free = yield* ChildProcess.make("sleep", ["1000"], quiet)
    yield* Effect.asVoid(free.unref)
    yield* ChildProcess.make("sh", ["-c", "trap '' TERM; echo ready >&2; sleep 1000 & wait"], {
      ...quiet,
      stderr: "inherit"
    })
    yield* say(free.pid)
    return yield* Effect.never
  }),

  /** The child tells the flags of the descriptors that it inherits, which this program uses without blocking. */
  inherit: Effect.gen(function* () {
    process.stdin.resume()
    const script = "for fd in 0 1 2; do grep flags /proc/self/fdinfo/$fd; done"
    const handle = yield* ChildProcess.make("sh", ["-c", script], {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit"
    })
    yield* handle.exitCode
    process.stdin.destroy()
  }),

  /** Starts one process as root, and one as somebody else. */
  setuid: Effect.gen(function* () {
    const id = ChildProcess.make("sh", ["-c", "echo $(id -u) $(id -g)"], { env: { PATH: "/usr/bin:/bin" } })
    yield* say((yield* output(id)).trim())
    process.setgid?.(65534)
    process.setuid?.(65534)
    yield* say((yield* output(id)).trim())
  })
}

const program = scenarios[scenario ?? ""]
if (program === undefined) throw new Error(`no scenario ${scenario}`)
const nursery = backend === "keeper" ? Nursery.layer : Nursery.layerPortable
const layer = Nursery.layerChildProcessSpawner.pipe(Layer.provide(nursery))
await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(layer)))
