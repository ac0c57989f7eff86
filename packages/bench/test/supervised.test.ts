import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { withArena } from "../src/harness/arena.ts"
import { marked } from "../src/harness/marker.ts"
import { compile, type Native } from "../src/harness/native.ts"
import { type Launch, Stage, type Supervisor } from "../src/harness/supervised.ts"

let native: Native

beforeAll(() => {
  native = compile()
})

afterAll(() => native.remove())

/** A supervisor as small as can be: a shell that starts each service for ever, and leaves all of them when it is ended. */
const shell = (script: string, options: Partial<Launch> = {}): Supervisor => ({
  who: "a shell",
  prepare: (_folder, program, services) => ({
    program: "/bin/sh",
    args: ["-c", script, program, String(services)],
    end: "SIGTERM",
    services: "leaves them",
    ...options
  })
})

const forever = 'for n in $(seq "$1"); do (while :; do "$0"; done) & done; wait'

describe("supervised", () => {
  it("knows the services from the supervisor and its helpers, and how long they took", () =>
    withArena(async (arena) => {
      const stage = new Stage(arena, shell(forever), native.service.static, 5)
      const running = await stage.start()
      const { helpers, services } = running.processes()
      expect(services).toHaveLength(5)
      expect(helpers[0]).toBe(running.pid)
      expect(helpers).toHaveLength(6)
      expect(running.took).toBeGreaterThan(0)
      await running.end()
      expect(marked(arena.folder)).toEqual([])
      stage.close()
    }))

  it("measures until another service runs in the place of the one that it has killed", () =>
    withArena(async (arena) => {
      const stage = new Stage(arena, shell(forever), native.service.static, 3)
      const running = await stage.start()
      const before = running.processes().services
      const latencies = [await running.killOne(0), await running.killOne(0), await running.killOne(0)]
      const after = running.processes().services
      expect(Math.min(...latencies)).toBeGreaterThan(0)
      expect(after).toHaveLength(3)
      // The one that has run longest is killed, so each of the first ones was.
      expect(after.filter((pid) => before.includes(pid))).toEqual([])
      await running.end()
      stage.close()
    }))

  it("can be started again on the same stage", () =>
    withArena(async (arena) => {
      const stage = new Stage(arena, shell(forever), native.service.static, 2)
      for (let round = 0; round < 2; round++) {
        const running = await stage.start()
        expect(running.processes().services).toHaveLength(2)
        await running.end()
      }
      stage.close()
    }))

  it("fails with the supervisor's own words where services are missing, and leaves nothing", () =>
    withArena(async (arena) => {
      const stage = new Stage(arena, shell('"$0" & "$0" & echo no more >&2; exit 3'), native.service.static, 4)
      await expect(stage.start()).rejects.toThrow(/of 4 services run: it has ended with 3\nno more/)
      expect(marked(arena.folder)).toEqual([])
      stage.close()
    }))

  it("fails where a supervisor that promises to end its services does not", () =>
    withArena(async (arena) => {
      const promises = shell(forever, { services: "has ended all of them before" })
      const stage = new Stage(arena, promises, native.service.static, 2)
      const running = await stage.start()
      await expect(running.end()).rejects.toThrow(/a shell has left \d+ processes/)
      expect(marked(arena.folder)).toEqual([])
      stage.close()
    }))
})

describe("arena", () => {
  it("ends everything where a step takes too long", () =>
    withArena(async ({ folder, step }) => {
      const orphan = spawn("sleep", ["600"], {
        stdio: "ignore",
        env: { ...process.env, MARKER: folder },
        detached: true
      })
      const end = once(orphan, "exit")
      step(0.1)
      expect(await end).toEqual([null, "SIGKILL"])
    }))

  it("leaves nothing where the benchmark is killed", async () => {
    const harness = join(import.meta.dirname, "..", "src", "harness")
    // The service holds the standard output of the benchmark too: its end of file proves that both are dead.
    const benchmark = `
      import { spawn } from "node:child_process"
      import { withArena } from ${JSON.stringify(join(harness, "arena.ts"))}
      await withArena(async ({ folder }) => {
        spawn("/bin/sh", ["-c", "echo; exec sleep 600"], {
          stdio: ["ignore", "inherit", "inherit"], env: { MARKER: folder }, detached: true
        })
        await new Promise(() => {})
      })`
    const child = spawn(process.execPath, ["--input-type=module", "-e", benchmark], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    await once(child.stdout, "data")
    const closed = once(child.stdout, "close")
    child.kill("SIGKILL")
    await closed
  })
})
