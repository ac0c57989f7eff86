import { chmodSync, copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { KeeperClient } from "../../src/internal/keeper/client.ts"
import * as F from "../../src/internal/keeper/frames.ts"
import type { KeeperUnavailable } from "../../src/ProcessError.ts"
import {
  folder,
  isAlive,
  keeperPath,
  openDescriptors,
  opened,
  request,
  script,
  start,
  tuning,
  until
} from "./support.ts"

const file = (bytes: Buffer | string, mode = 0o755): string => {
  const path = join(folder(), "keeper")
  writeFileSync(path, bytes)
  chmodSync(path, mode)
  return path
}

const damaged = (damage: (path: string) => void): string => {
  const path = join(folder(), "keeper")
  copyFileSync(keeperPath(), path)
  damage(path)
  return path
}

const tryClient = (path: string, readyDeadline = tuning.readyDeadline): KeeperClient =>
  new KeeperClient({ path, tuning: { ...tuning, readyDeadline }, warn: () => {} })

const fails = async (path: string, readyDeadline?: number): Promise<KeeperUnavailable> => {
  const error = await opened(tryClient(path, readyDeadline))
  if (error === undefined) throw new Error("it became ready")
  return error
}

/** A stand-in that answers the HELLO with these bytes, and then waits for its end. */
const answering = (bytes: Buffer): string =>
  script(
    process.execPath,
    `const fs = require("node:fs")
    fs.readSync(3, Buffer.alloc(100))
    fs.writeSync(3, Buffer.from("${bytes.toString("hex")}", "hex"))
    fs.readSync(3, Buffer.alloc(1))`
  )

const reply = (type: number, payload: Buffer): Buffer => {
  const frame = Buffer.alloc(F.FrameHeader.size + payload.length)
  frame.writeUInt32LE(payload.length, F.FrameHeader.at.size)
  frame.writeUInt16LE(type, F.FrameHeader.at.type)
  frame.writeUInt32LE(1, F.FrameHeader.at.id)
  payload.copy(frame, F.FrameHeader.size)
  return frame
}

const ready = (version: number): Buffer => {
  const payload = Buffer.alloc(F.Ready.size)
  payload.writeUInt32LE(version, F.Ready.at.version)
  return reply(F.Reply.ready, payload)
}

describe("a keeper that", () => {
  it("is not there", async () => {
    expect(await fails("/nowhere/keeper")).toMatchObject({ reason: "notFound", path: "/nowhere/keeper" })
  })

  it("is a directory", async () => {
    expect((await fails(folder())).reason).toBe("notExecutable")
  })

  it("may not be executed", async () => {
    const error = await fails(damaged((path) => chmodSync(path, 0o644)))
    expect(error.reason).toBe("notExecutable")
    expect(error.message).toContain("chmod 755")
  })

  it("is neither a program nor a script, and is not given to the shell", async () => {
    const proof = join(folder(), "proof")
    const error = await fails(file(`echo > ${proof}\n`))
    expect(error.reason).toBe("truncated")
    expect(() => readFileSync(proof)).toThrow()
  })

  it("is empty", async () => {
    expect((await fails(file(""))).reason).toBe("truncated")
  })

  it.each([10, 63, 64, 1000])("is cut off after %i bytes", async (size) => {
    expect((await fails(damaged((path) => truncateSync(path, size)))).reason).toBe("truncated")
  })

  it("lacks its last byte", async () => {
    const size = readFileSync(keeperPath()).length
    expect((await fails(damaged((path) => truncateSync(path, size - 1)))).reason).toBe("truncated")
  })

  it("was built for another machine", async () => {
    const bytes = readFileSync(keeperPath())
    bytes.writeUInt16LE(process.arch === "arm64" ? 62 : 183, 18)
    const error = await fails(file(bytes))
    expect(error.reason).toBe("truncated")
    expect(error.message).toContain(process.arch)
  })

  it("is damaged inside", async () => {
    const bytes = readFileSync(keeperPath())
    bytes.fill(0xff, 0x100, Math.floor(bytes.length / 2))
    expect((await fails(file(bytes))).reason).toBe("failed")
  })

  it("exits at once", async () => {
    const error = await fails(script("/bin/sh", "exit 3"))
    expect(error.reason).toBe("failed")
    expect(error.message).toContain("status 3")
  })

  it("is killed at once", async () => {
    expect((await fails(script("/bin/sh", "kill -9 $$"))).message).toContain("SIGKILL")
  })

  it("has an interpreter that is not there", async () => {
    expect(["failed", "notFound"]).toContain((await fails(script("/nowhere/sh", ""))).reason)
  })

  it("speaks garbage", async () => {
    const error = await fails(script("/bin/sh", "echo 'Hello, who are you?' >&3; cat <&3 >/dev/null"))
    expect(error.reason).toBe("failed")
    expect(error.message).toContain("protocol")
  })

  it("answers with a frame that has to come later", async () => {
    const path = answering(reply(F.Reply.done, Buffer.alloc(4)))
    expect((await fails(path, 300)).reason).toBe("timeout")
  })

  it("is of another version", async () => {
    const error = await fails(answering(ready(F.VERSION + 6)))
    expect(error.reason).toBe("version")
    expect(error.message).toContain(`version ${F.VERSION + 6}`)
  })

  it("refuses our version", async () => {
    const error = await fails(answering(reply(F.Reply.refused, Buffer.from("\u0047\0\0\0speak louder"))))
    expect(error.reason).toBe("version")
    expect(error.message).toContain("speak louder")
  })

  it("is silent, and is ended", async () => {
    const pidFile = join(folder(), "pid")
    const silent = script("/bin/sh", `echo $$ > ${pidFile}; exec sleep 1000`)
    const pid = () => Number(existsSync(pidFile) ? readFileSync(pidFile, "utf8") : "")
    // Where it is ended before it has said who it is, it gets more time.
    for (let deadline = 100; pid() === 0; deadline *= 2) expect((await fails(silent, deadline)).reason).toBe("timeout")
    await until(() => !isAlive(pid()))
  })
})

describe("after a failed start", () => {
  it("no descriptor is left", async () => {
    const path = script("/bin/sh", "exit 3")
    await fails(path)
    const before = openDescriptors()
    for (let round = 0; round < 5; round++) await fails(path)
    while (openDescriptors() > before) await new Promise((resolve) => setImmediate(resolve))
  })

  it("a spawn is told as lost, with the reason, and the next one tries again", async () => {
    const path = damaged((path) => chmodSync(path, 0o644))
    const client = tryClient(path)
    const { seen } = start(client, request(["true"]))
    const { error } = await seen.until("lost")
    await seen.until("ended")
    expect(error.message).toContain("chmod 755")
    chmodSync(path, 0o755)
    const again = start(client, request(["true"])).seen
    await again.until("ended")
    expect(again.tags).toEqual(["started", "exited", "ended"])
    await new Promise<void>((resolve) => client.dispose(resolve))
  })

  it("closing has nothing to wait for", async () => {
    const client = tryClient("/nowhere")
    await opened(client)
    await new Promise<void>((resolve) => client.dispose(resolve))
  })

  it("closing while it starts waits for the start to be undone", async () => {
    const client = tryClient(keeperPath())
    const start = opened(client)
    await new Promise<void>((resolve) => client.dispose(resolve))
    await start
  })
})
