/**
 * Tries what cannot be, one thing after the other, and writes what comes of each: a line of JSON. The cases are those named in its
 * arguments, or all.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Command from "../../../src/Command.ts"
import * as Fd from "../../../src/Fd.ts"
import * as Namespace from "../../../src/Namespace.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import * as Stdio from "../../../src/Stdio.ts"

type Case = Effect.Effect<unknown, unknown, Nursery.Nursery | Scope.Scope>

const folder = Fs.mkdtempSync(join(tmpdir(), "nursery-bad-"))
process.on("exit", () => {
  Fs.chmodSync(closedFolder, 0o700)
  Fs.rmSync(folder, { recursive: true, force: true })
})

const file = (name: string, mode: number): string => {
  const path = join(folder, name)
  Fs.writeFileSync(path, "#!/bin/sh\n")
  Fs.chmodSync(path, mode)
  return path
}

const fifo = (name: string): string => {
  const path = join(folder, name)
  execFileSync("mkfifo", [path])
  return path
}

const closedFolder = join(folder, "closed")
Fs.mkdirSync(closedFolder)
Fs.writeFileSync(join(closedFolder, "file"), "")
Fs.chmodSync(closedFolder, 0)

/** A socket that somebody had listened on who left no time to remove it. */
const staleSocket = Effect.promise(
  () =>
    new Promise<string>((resolve) => {
      const path = join(folder, "stale")
      const server = createServer().listen(join(folder, "live"), () => {
        Fs.linkSync(join(folder, "live"), path)
        server.close(() => resolve(path))
      })
    })
)

type Options = Command.Options<
  Stdio.PlainInput | Fd.Fd<"readable">,
  Stdio.PlainOutput,
  Stdio.PlainOutput,
  { readonly [descriptor: number]: Stdio.PlainDescriptor }
>

const run = (options: Options, program = "true") => Process.spawn(Command.make(program, [], options))

const closedPipe = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const { read } = yield* Scope.provide(Fd.pipe(), scope)
  yield* Scope.close(scope, yield* Effect.exit(Effect.void))
  return read
})

const cases: Readonly<Record<string, Case>> = {
  "an address in use": Effect.flatMap(Fd.listen({ tcp: 0 }), ({ address }) =>
    Fd.listen({ tcp: address._tag === "Tcp" ? address.port : 0 })
  ),
  "an abstract address in use": Effect.andThen(Fd.listen({ abstract: folder }), Fd.listen({ abstract: folder })),
  "a unix socket in use": Effect.andThen(
    Fd.listen({ unix: join(folder, "used") }),
    Fd.listen({ unix: join(folder, "used"), replaceStale: true })
  ),
  "an address of another machine": Fd.listen({ tcp: { host: "192.0.2.1", port: 0 } }),
  "a privileged port": Fd.listen({ tcp: 1 }),
  "a path too long for a unix socket": Fd.listen({ unix: join(folder, "x".repeat(120)) }),
  "a stale socket": Effect.flatMap(staleSocket, (unix) => Fd.listen({ unix })),
  "a file where a socket is to be": Fd.listen({ unix: file("file", 0o644), replaceStale: true }),
  "a socket in a folder that is not there": Fd.listen({ unix: join(folder, "nowhere", "socket") }),
  "a socket in a folder without permission": Fd.listen({ unix: join(closedFolder, "socket") }),
  "a socket of an unknown user": Fd.listen({ unix: join(folder, "user"), user: "nobdy" }),
  "a socket of another user": Fd.listen({ unix: join(folder, "user"), user: 1 }),
  "a socket of an unknown group": Fd.listen({ unix: join(folder, "group"), group: "nogrup" }),
  "an unknown user": run({ credentials: { user: "nobdy" } }),
  "an unknown group": run({ credentials: { group: "nogrup" } }),
  "another user": run({ credentials: { user: 1 } }),
  "a soft limit above the hard one": run({ limits: { nofile: { soft: 100, hard: 50 } } }),
  "a limit above what there is": run({ limits: { nofile: 2 ** 40 } }),
  "a niceness below one's own": run({ priority: -20 }),
  "a user namespace": Namespace.make({ user: true }),
  "namespaces without privilege": Namespace.make({ user: true, network: true, mount: true }),
  "the level pid-namespace": run({ containment: "pid-namespace" }),
  "a descriptor whose scope has closed": Effect.flatMap(closedPipe, (read) => run({ stdin: read })),
  "a descriptor that was given away": Effect.flatMap(Fd.pipe(), ({ read }) =>
    Effect.andThen(run({ stdin: Fd.give(read) }), run({ stdin: read }))
  ),
  "a directory as an Fd to write": Fd.file(folder, { access: "write" }),
  "a directory as stdout": run({ stdout: Stdio.append(folder) }),
  "a directory as a program": run({}, folder),
  "a file as working directory": run({ cwd: file("cwd", 0o644) }),
  "a FIFO without a reader as an Fd": Fd.file(fifo("fd.fifo"), { access: "write" }),
  "a FIFO without a reader as stdout": run({ stdout: Stdio.append(fifo("stdout.fifo")) }),
  "a FIFO without a writer as stdin": run({ stdin: Stdio.read(fifo("stdin.fifo")) }),
  "a file that is not there as an Fd": Fd.file(join(folder, "nothing")),
  "a file that is there already": Fd.file(file("there", 0o644), { access: "write", create: "always" }),
  "a file without permission as an Fd": Fd.file(file("fd", 0), { access: "write" }),
  "a file without permission as stdin": run({ stdin: Stdio.read(file("stdin", 0)) }),
  "a file in a folder without permission": Fd.file(join(closedFolder, "file")),
  "a program without permission": run({}, file("program", 0o644)),
  "a working directory without permission": run({ cwd: closedFolder }),
  "more descriptors than a process can be given": run({
    fds: Object.fromEntries(Array.from({ length: 300 }, (_, index) => [index + 3, "null" as const]))
  }),
  "a number that no descriptor can have": run({ fds: { 2000000: "null" } })
}

/** Long enough for all but what waits for ever. */
const hangs = (name: string): boolean => name.startsWith("a FIFO")

const layerOf = (name: string) => (hangs(name) ? Nursery.layerWith({ spawnDeadline: "300 millis" }) : Nursery.layer)

const wanted = process.argv.slice(2)

const tell = (name: string, attempt: Case) =>
  Effect.match(Effect.scoped(attempt), {
    onFailure: (error) => console.log(JSON.stringify({ ...described(error), name })),
    onSuccess: () => console.log(JSON.stringify({ name, tag: "none", message: "" }))
  }).pipe(Effect.provide(layerOf(name)))

const described = (error: unknown): object => {
  if (!(error instanceof Error)) return { tag: "none", message: String(error) }
  const { _tag: tag, errno, message, reason, step } = error as Error & Record<string, unknown>
  return { tag, step, errno, reason: (reason as { readonly _tag: string } | undefined)?._tag, message }
}

const main = Effect.forEach(
  Object.entries(cases).filter(([name]) => wanted.length === 0 || wanted.includes(name)),
  ([name, attempt]) => tell(name, attempt),
  { discard: true }
)

await Effect.runPromise(main)
