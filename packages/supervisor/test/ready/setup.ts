/**
 * What the tests of checks share: servers that no one here wrote, started as the shell starts children, and what a check gets to see
 * of them.
 */
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { layer, type Vitest } from "@effect/vitest"
import { Command, Nursery, Process, type SpawnError, type Stdio } from "@nursery/process"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Unresponsive } from "../../src/ChildError.ts"
import { prepare } from "../../src/internal/ready/prepare.ts"
import type { Running, Wants } from "../../src/internal/spec.ts"
import type { Liveness } from "../../src/Liveness.ts"
import type { Ready } from "../../src/Ready.ts"

/** Runs a group of tests in one nursery, with real time. */
export const inNursery = (title: string, tests: (it: Vitest.MethodsNonLive<Nursery.Nursery>) => void): void =>
  layer(Nursery.layer, { excludeTestServices: true })(title, tests)

// Debian puts servers where ordinary users do not look for programs, and PostgreSQL's where nobody does.
const folders = [
  ...(process.env["PATH"] ?? "").split(delimiter),
  "/usr/sbin",
  ...listOf("/usr/lib/postgresql").map((version) => `/usr/lib/postgresql/${version}/bin`)
]

function listOf(folder: string): ReadonlyArray<string> {
  try {
    return readdirSync(folder).sort().reverse()
  } catch {
    return []
  }
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export const find = (program: string): string | undefined =>
  folders.map((folder) => join(folder, program)).find(isExecutable)

/** For the titles of tests that are skipped. */
export const because = (problem: string | undefined): string => (problem === undefined ? "" : ` (skipped: ${problem})`)

/** The path of a program, and why what needs it is skipped. */
export const needs = (program: string): { readonly path: string; readonly problem: string | undefined } => {
  const path = find(program)
  return path === undefined ? { path: program, problem: `${program} is not installed` } : { path, problem: undefined }
}

/** A folder for the time of a scope; `owner` is a user id. */
export const folder = (owner?: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "nursery-ready-"))
      if (owner !== undefined) chownSync(path, owner, owner)
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

// Below those that the kernel chooses itself, for listeners and connections of all programs; and other ones in each test file's process.
let lastPort = 10_000 + (process.pid % 700) * 32

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = Net.createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/** A port that nobody listens at, and nobody else will. */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  lastPort = lastPort < 32_700 ? lastPort + 1 : 10_000
  const port = lastPort
  return Effect.flatMap(isFree(port), (is) => (is ? Effect.succeed(port) : freePort))
})

/** This program listens, and is silent. */
export const listen = (at: { readonly port: number } | { readonly path: string }) =>
  Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => socket.on("error", () => {}))
      server.listen({ host: "127.0.0.1", ...at }, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

/** What a server answers to a line. */
export const ask = (at: { readonly port: number } | { readonly path: string }, line: string) =>
  Effect.callback<string>((resume) => {
    const socket = Net.connect({ host: "127.0.0.1", ...at }, () => void socket.write(line))
    socket.once("data", (data) => resume(Effect.succeed(data.toString())))
    socket.once("error", (error) => resume(Effect.die(error)))
    socket.once("close", () => resume(Effect.die(new Error("it closed the connection"))))
    return Effect.sync(() => socket.destroy())
  })

export interface Child {
  readonly process: Process.ProcessBase<unknown> | undefined
  readonly running: Running
  /** What has been reported so far. */
  readonly problems: ReadonlyArray<string>
  /** Waits for so many reports. */
  readonly failed: (times: number) => Effect.Effect<void>
}

const linesOf = (process: unknown, stream: "stdout" | "stderr"): Stream.Stream<string> => {
  // The types of streams are known to whoever makes the command; these tests start commands of all kinds.
  if (!Predicate.hasProperty(process, stream) || process[stream] === undefined) return Stream.empty
  const bytes = process[stream] as Stream.Stream<Uint8Array>
  return bytes.pipe(Stream.decodeText, Stream.splitLines)
}

/** What the shell gives to checks. */
export const observe = (
  process: Process.ProcessBase<unknown> | undefined,
  notifications: Stream.Stream<Process.Notification> = Stream.never
): Child => {
  const problems: Array<string> = []
  const waiting: Array<{ readonly times: number; readonly done: Deferred.Deferred<void> }> = []
  return {
    process,
    problems,
    failed: (times) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void>()
        if (problems.length >= times) return Effect.void
        waiting.push({ times, done })
        return Deferred.await(done)
      }),
    running: {
      child: "server",
      process,
      notifications,
      findLine: (of, find) => {
        const lines =
          of === "both" ? Stream.merge(linesOf(process, "stdout"), linesOf(process, "stderr")) : linesOf(process, of)
        const found = Stream.filter(Stream.map(lines, find), Predicate.isNotUndefined)
        return Effect.flatMap(Stream.runHead(found), (first) =>
          Option.isSome(first) ? Effect.succeed(first.value) : Effect.never
        )
      },
      report: (problem) => {
        problems.push(problem)
        for (const { done, times } of waiting) {
          if (problems.length >= times) Deferred.doneUnsafe(done, Effect.void)
        }
      }
    }
  }
}

/** Starts a command as the shell does for a child with these checks. */
export const start = (
  command: Command.Command<
    Stdio.PlainInput | Stream.Stream<Uint8Array>,
    Stdio.PlainOutput,
    Stdio.PlainOutput,
    Stdio.PlainDescriptors
  >,
  ...all: ReadonlyArray<{ readonly spec: { readonly wants: Wants } }>
) =>
  Effect.gen(function* () {
    const prepared = yield* prepare(
      all.map(({ spec }) => spec.wants),
      command.pipe(Command.stop({ signal: "SIGKILL", ...command.stop }))
    )
    const process = yield* spawn(prepared)
    const said = yield* PubSub.unbounded<Process.Notification>({ replay: 64 })
    yield* Effect.forkScoped(Stream.runForEach(process.notifications, (one) => PubSub.publish(said, one)))
    return observe(process, Stream.fromPubSub(said))
  })

// The requirements of a command are those of its Streams and Sinks; these have none.
const spawn = (command: Command.Command) =>
  Process.spawn(command) as Effect.Effect<Process.ProcessBase<unknown>, SpawnError, Nursery.Nursery | Scope.Scope>

/** Runs a check as the shell does. The type of a `Ready` says what its data cannot. */
export const check = <A, E, R>(ready: Ready<A, E, R, never>, child: Child): Effect.Effect<A, E, R> =>
  ready.spec.check(child.running) as Effect.Effect<A, E, R>

/** Watches as the shell does. The type of a `Liveness` says what its data cannot. */
export const watch = <R>(liveness: Liveness<R, never>, child: Child): Effect.Effect<never, Unresponsive, R> =>
  liveness.spec.watch(child.running) as Effect.Effect<never, Unresponsive, R>

/** The sockets of this program, by descriptor. */
export const sockets = (): ReadonlyArray<string> =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith("socket:") ? [`${fd}: ${target}`] : []
    } catch {
      // The descriptor of the listing itself.
      return []
    }
  })
