/** What limits of cgroups do on a kernel that has them: run by `run.ts` in a virtual machine, in three places. */
import assert from "node:assert/strict"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Command, Nursery, Process } from "../../src/index.ts"

const place = process.argv[2] ?? "here"
const inGroup = { containment: "cgroup" } as const
const node = (script: string, limits: Command.Limits) =>
  Command.make(process.execPath, ["-e", script], { ...inGroup, limits })

const ownGroup = (): string =>
  `/sys/fs/cgroup${/^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? ""}`

const checks: ReadonlyArray<readonly [what: string, check: Effect.Effect<void, unknown, Nursery.Nursery>]> = [
  [
    "the level is available",
    Effect.gen(function* () {
      const { levels } = yield* Nursery.guarantees
      assert.deepEqual(
        levels.find(({ level }) => level === "cgroup"),
        { level: "cgroup", available: true, reason: "" }
      )
    })
  ],
  [
    "who needs more memory than it may have is OutOfMemory",
    Effect.gen(function* () {
      const script = "const all = []; for (;;) all.push(Buffer.alloc(8 << 20, 1))"
      const { status, usage } = yield* Process.run(node(script, { "memory.max": "96 MiB", "memory.swap.max": 0 })).pipe(
        Effect.catchTag("ExitError", (error) => Effect.succeed(error))
      )
      assert.equal(status._tag, "OutOfMemory")
      assert.equal(usage.cgroup?.oomKills, 1)
      const peak = Number(usage.cgroup?.memoryPeak)
      assert(peak > 90 << 20 && peak <= 96 << 20, `${peak}`)
    })
  ],
  [
    "with memory.oom.group all of them are killed, otherwise one",
    Effect.gen(function* () {
      const hungry = `${process.execPath} -e 'const all = []; for (;;) all.push(Buffer.alloc(8 << 20, 1))'`
      const shell = (group: boolean) =>
        Command.make("/bin/sh", ["-c", `${hungry}; exit 7`], {
          ...inGroup,
          limits: { "memory.max": "96 MiB", "memory.swap.max": 0, "memory.oom.group": group }
        })
      assert.equal((yield* Process.exitStatus(shell(true)))._tag, "OutOfMemory")
      assert.deepEqual(yield* Process.exitStatus(shell(false)), { _tag: "Exited", code: 7 })
    })
  ],
  [
    "a SIGKILL that was asked for is one",
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* Process.spawn(node("setInterval(() => {}, 1e6)", { "memory.max": "200 MiB" }))
        yield* process.signal("SIGKILL")
        assert.deepEqual((yield* process.exit).status, { _tag: "Signaled", signal: "SIGKILL", coreDumped: false })
      })
    )
  ],
  [
    "no more processes than pids.max",
    Effect.gen(function* () {
      const script = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do (sleep 5) & done; wait"
      const command = Command.make("/bin/sh", ["-c", script], { ...inGroup, limits: { "pids.max": 6 }, stderr: "pipe" })
      const stderr = yield* Process.run(command).pipe(
        Effect.map((output) => String(output.stderr)),
        Effect.catchTag("ExitError", (error) => Effect.succeed(String(error.stderr)))
      )
      assert.match(stderr, /fork/i)
    })
  ],
  [
    "processor time is held back by cpu.max, and told as throttled",
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* Process.spawn(node("for (;;);", { "cpu.max": 0.2, "cpu.weight": 50 }))
        yield* Effect.sleep("3 seconds")
        const { cgroup } = yield* process.usage
        assert(Duration.toMillis(cgroup?.throttledTime ?? Duration.zero) > 500, `${cgroup?.throttledTime}`)
        assert(Duration.toMillis(cgroup?.userTime ?? Duration.zero) < 2000)
        const tree = yield* process.treeUsage
        assert.equal(tree.source, "cgroup")
        assert(Number(tree.memory) > 1 << 20)
        const pressure = yield* process.pressure
        assert.equal(pressure.source, "cgroup")
        assert(Duration.toMillis(pressure.cpu?.some.total ?? Duration.zero) > 100)
      })
    )
  ],
  [
    "all files are written",
    Effect.scoped(
      Effect.gen(function* () {
        const limits = {
          "memory.max": "300 MiB",
          "memory.high": "200 MiB",
          "cpu.max": { quota: "30 millis", period: "60 millis" },
          "cpu.weight": 200,
          "io.weight": 300,
          "pids.max": 40
        } as const
        const command = Command.make("/bin/sh", ["-c", "read line < /proc/self/cgroup; echo $line; exec sleep 100"], {
          ...inGroup,
          limits,
          stdout: "pipe"
        })
        const process = yield* Process.spawn(command)
        const lines = yield* Effect.promise(async () => {
          const nurseries = readdirSync(groupOf()).filter(
            (name) => name.startsWith("nursery-") && name !== "nursery-program"
          )
          const group = `${groupOf()}/${nurseries[0]}`
          const [name = ""] = readdirSync(group, { withFileTypes: true }).flatMap((each) =>
            each.isDirectory() ? [each.name] : []
          )
          return Object.fromEntries(
            Object.keys(limits).map((file) => [file, readFileSync(`${group}/${name}/${file}`, "utf8").trim()])
          )
        })
        assert.deepEqual(lines, {
          "memory.max": String(300 << 20),
          "memory.high": String(200 << 20),
          "cpu.max": "30000 60000",
          "cpu.weight": "200",
          "io.weight": "default 300",
          "pids.max": "40"
        })
        yield* process.stop()
      })
    )
  ]
]

/** In which this program was started. */
const groupOf = (): string =>
  ownGroup()
    .replace(/\/nursery-program$/, "")
    .replace(/\/$/, "")

const program = Effect.gen(function* () {
  for (const [what, check] of checks) {
    yield* check
    console.log(`ok ${place}: ${what}`)
  }
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(program)
assert.deepEqual(
  readdirSync(groupOf()).filter((name) => name.startsWith("nursery-") && name !== "nursery-program"),
  []
)
// With the last nursery the program is back where it was.
assert.equal(existsSync(`${groupOf()}/nursery-program`), false)
assert.equal(ownGroup(), groupOf() === "/sys/fs/cgroup" ? "/sys/fs/cgroup/" : groupOf())
