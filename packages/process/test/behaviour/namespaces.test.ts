/** Namespaces that several processes share: what is seen in them, who may not be started in them, and that nothing is left. */
import { readlinkSync } from "node:fs"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Command from "../../src/Command.ts"
import * as Namespace from "../../src/Namespace.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Levels from "../support/levels.ts"
import * as Stage from "../support/stage.ts"

const without = Levels.because("pid-namespace")

/** What a shell says inside, without the last line feed. */
const say = (script: string, namespaces?: Namespace.Namespace) =>
  Effect.map(
    Process.string(Command.make("/bin/sh", ["-c", script], { namespaces, cwd: "/", stderr: "null" })),
    (text) => text.trim()
  )

const linkOf = (kind: string, namespaces?: Namespace.Namespace) => say(`readlink /proc/self/ns/${kind}`, namespaces)

const own = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`)

const soon = Command.stop({ grace: "100 millis" })

describe.skipIf(without !== "")(`Namespace${without}`, () => {
  it.live("is one for all processes that are started in it, and another than this program's", () =>
    Effect.gen(function* () {
      const set = yield* Namespace.make({ network: true, ipc: true, uts: { hostname: "inside" }, cgroup: true })
      for (const kind of ["net", "ipc", "uts", "cgroup"]) {
        const first = yield* linkOf(kind, set)
        expect(first).not.toBe(own(kind))
        expect(yield* linkOf(kind, set)).toBe(first)
      }
      expect(yield* linkOf("pid", set)).toBe(own("pid"))
      expect(yield* say("hostname", set)).toBe("inside")
      // Only the loopback device is there, and it is up.
      expect(yield* say("grep -c : /proc/net/dev; cat /sys/class/net/lo/flags 2>/dev/null || true", set)).toMatch(/^1/)
      const flags = yield* say("awk '$4 ~ /lo/ || /Local/ { found = 1 } END { print found }' /proc/net/fib_trie", set)
      expect(flags).toBe("1")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("with mounts has its own: temporary, bound and read-only ones, which nobody else sees", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const options = { temporary: ["/tmp"], readOnly: ["/etc"], bind: [{ from: "/usr", to: "/mnt", readOnly: true }] }
      const set = yield* Namespace.make({ mount: options })
      expect(yield* say("ls -A /tmp | wc -l; echo kept > /tmp/file", set)).toBe("0")
      expect(yield* say("cat /tmp/file", set)).toBe("kept")
      expect(yield* say("ls /mnt", set)).toBe(yield* say("ls /usr"))
      expect(yield* say("touch /etc/nursery-test 2>/dev/null || echo read-only", set)).toBe("read-only")
      expect(yield* say("touch /mnt/nursery-test 2>/dev/null || echo read-only", set)).toBe("read-only")
      expect(yield* say("cat /tmp/file 2>/dev/null || echo missing")).toBe("missing")
      expect(stage.left().filter((entry) => !entry.includes("nursery-hold"))).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("with a user namespace keeps the user, or calls it root, which has no rights outside", () =>
    Effect.gen(function* () {
      const uid = `${process.getuid?.()}`
      const same = yield* Namespace.make({ user: true })
      expect(yield* say("id -u; wc -l < /proc/self/uid_map", same)).toBe(`${uid}\n1`)
      const root = yield* Namespace.make({ user: "root", mount: true })
      expect(yield* say("id -u; id -g", root)).toBe("0\n0")
      expect(yield* say("mount -t tmpfs none /mnt && grep -c ' /mnt ' /proc/mounts", root)).toBe("1")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("with a pid namespace shows its processes alone, whose pids here are others", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      const set = yield* Namespace.make({ pid: true })
      const inside = (words: string) => stage.play(words).pipe(Command.namespaces(set), Command.cwd("/"), soon)
      const first = yield* Process.spawn(inside("say first sleep"))
      const second = yield* Process.spawn(inside("fork { setsid say escaped sleep } say second sleep"))
      const pids = yield* stage.hears("first", "second", "escaped")
      expect(Math.max(...pids)).toBeLessThan(50)
      expect(first.pid).toBeGreaterThan(50)
      expect(yield* say("echo /proc/[0-9]* | wc -w", set)).not.toBe(yield* say("echo /proc/[0-9]* | wc -w"))
      yield* first.signal("SIGTERM")
      expect((yield* first.exit).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
      expect((yield* second.stop()).status).toMatchObject({ _tag: "Signaled", signal: "SIGTERM" })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("tells the exact status and usage, and why a program cannot be started", () =>
    Effect.gen(function* () {
      const set = yield* Namespace.make({ pid: true, network: true })
      const run = (script: string) =>
        Effect.scoped(
          Effect.flatMap(
            Process.spawn(Command.make("/bin/sh", ["-c", script], { namespaces: set, cwd: "/" })),
            (child) => child.exit
          )
        )
      expect((yield* run("exit 7")).status).toMatchObject({ _tag: "Exited", code: 7 })
      expect((yield* run("kill -SEGV $$")).status).toMatchObject({ _tag: "Signaled", signal: "SIGSEGV" })
      const error = yield* Effect.flip(Process.spawn(Command.make("/no/such", [], { namespaces: set, cwd: "/" })))
      expect(error).toMatchObject({ step: "exec", reason: { _tag: "ProgramNotFound" } })
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("ends all that was started in it when its scope closes, and lets nobody in any more", () =>
    Effect.gen(function* () {
      const stage = yield* Stage.make
      for (const options of [{ network: true }, { pid: true }]) {
        const inner = yield* Scope.make()
        const set = yield* Namespace.make(options).pipe(Scope.provide(inner))
        const words = "fork { ignore setsid say escaped sleep } say ready sleep"
        // In a scope that is still open then.
        const child = yield* Process.spawn(stage.play(words).pipe(Command.namespaces(set), Command.cwd("/"), soon))
        yield* stage.hears("escaped", "ready")
        yield* Scope.close(inner, Exit.void)
        expect(yield* child.isRunning).toBe(false)
        expect(stage.left()).toEqual([])
        const error = yield* Effect.flip(Process.spawn(Command.make("true", [], { namespaces: set })))
        expect(error).toMatchObject({ reason: { _tag: "NamespaceSetup", step: "enter" } })
        expect(error.message).toContain("its scope has closed")
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("are those of a running process, or those that paths lead to", () =>
    Effect.gen(function* () {
      const set = yield* Namespace.make({ network: true, uts: { hostname: "other" } })
      const inside = yield* Process.spawn(Command.make("sleep", ["1000"], { namespaces: set, cwd: "/" }))
      const same = yield* Namespace.ofProcess(inside)
      expect(yield* say("hostname", same)).toBe("other")
      const user =
        readlinkSync(`/proc/${inside.pid}/ns/user`) === own("user") ? undefined : `/proc/${inside.pid}/ns/user`
      const byPath = Namespace.fromPath({ user, uts: `/proc/${inside.pid}/ns/uts` })
      expect(yield* say("hostname", byPath)).toBe("other")
      const plain = yield* Process.spawn(Command.make("sleep", ["1000"]))
      const error = yield* Effect.flip(Namespace.ofProcess(plain))
      expect(error.message).toContain("namespaces of this program")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("is a typed error with the step and what it was about where it cannot be", () =>
    Effect.gen(function* () {
      const unmounted = yield* Effect.flip(Namespace.make({ mount: { temporary: ["/no/such/directory"] } }))
      expect(unmounted).toMatchObject({ _tag: "NamespaceSetup", namespace: "mount", step: "mount", errno: "ENOENT" })
      const missing = Command.make("true", [], { namespaces: Namespace.fromPath({ network: "/no/such/path" }) })
      const error = yield* Effect.flip(Process.spawn(missing))
      expect(error).toMatchObject({ step: "namespace", reason: { _tag: "NamespaceSetup", step: "enter" } })
      expect(error.message).toContain("/no/such/path")
      const set = yield* Namespace.make({ network: true })
      for (const options of [{ containment: "pid-namespace" }, { session: "owner" }] as const) {
        const both = Command.make("true", [], { namespaces: set, ...options })
        expect(yield* Effect.flip(Process.spawn(both))).toMatchObject({ reason: { _tag: "InvalidArgument" } })
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("goes with its holder: who comes then is told", () =>
    Effect.gen(function* () {
      const set = yield* Namespace.make({ pid: true })
      // All that a process of the namespace can kill, the holder among it.
      yield* Effect.ignore(say("kill -9 -1", set))
      // One that is in there at the end of the namespace is killed with it.
      const survived = Effect.catchTag(say("true", set), "ExitError", () => Effect.succeed("killed"))
      const error = yield* Effect.flip(Effect.repeat(survived, { while: () => true }))
      expect(error.message).toMatch(/has ended|was lost|ended by/)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

it.live("is Unsupported without a keeper", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Namespace.make({ network: true }))
    expect(error).toMatchObject({ _tag: "Unsupported", feature: "Namespace.make" })
    const command = Command.make("true", [], { namespaces: Namespace.fromPath({ uts: "/proc/self/ns/uts" }) })
    expect(yield* Effect.flip(Process.spawn(command))).toMatchObject({ reason: { _tag: "Unsupported" } })
  }).pipe(Effect.scoped, Effect.provide(Nursery.layerPortable))
)
