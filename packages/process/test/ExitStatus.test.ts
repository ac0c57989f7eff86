import { spawnSync } from "node:child_process"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Equal from "effect/Equal"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as ExitStatus from "../src/ExitStatus.ts"
import { makeExit } from "../src/internal/usage.ts"

const { exited, signaled } = ExitStatus

const raw = {
  userTime: 1_500,
  systemTime: 2_000_000,
  maxResidentSet: 4_096_000,
  minorFaults: 1,
  majorFaults: 2,
  blockInput: 3,
  blockOutput: 4,
  voluntarySwitches: 5,
  involuntarySwitches: 6
}

describe("fromWaitStatus", () => {
  it.each([
    [0x0000, exited(0)],
    [0x0100, exited(1)],
    [0xff00, exited(255)],
    [0x0009, signaled("SIGKILL")],
    [0x000f, signaled("SIGTERM")],
    [0x008b, signaled("SIGSEGV", { coreDumped: true })],
    [0x0020, signaled("SIG32")],
    [0x0025, signaled("SIGRTMIN+3")],
    [0x0040, signaled("SIGRTMAX")]
  ])("reads %i", (status, expected) => {
    expect(ExitStatus.fromWaitStatus(status)).toEqual(expected)
  })

  it("refuses the status of a process that was stopped or continued, and numbers that are no signals", () => {
    for (const status of [0x137f, 0xffff, 0x0041]) expect(() => ExitStatus.fromWaitStatus(status)).toThrow(RangeError)
  })
})

describe("toShellCode", () => {
  it.each([
    ["exit 0", exited(0)],
    ["exit 7", exited(7)],
    ["exit 255", exited(255)],
    ["kill -TERM $$", signaled("SIGTERM")],
    ["kill -KILL $$", signaled("SIGKILL")],
    ["kill -40 $$", signaled("SIGRTMIN+6")]
  ])("is what a shell tells of: %s", (script, status) => {
    const { stdout } = spawnSync("/bin/sh", ["-c", `/bin/sh -c '${script}' 2>/dev/null; echo $?`], { encoding: "utf8" })
    expect(stdout.trim()).toBe(String(ExitStatus.toShellCode(status)))
  })
})

describe("ExitStatus", () => {
  it("keeps the lowest 8 bits of a code", () => {
    expect(exited(256)).toEqual(exited(0))
    expect(exited(-1)).toEqual(exited(255))
  })

  it("compares by what it says", () => {
    expect(Equal.equals(signaled("SIGINT"), signaled("SIGINT"))).toBe(true)
    expect(Equal.equals(signaled("SIGINT"), signaled("SIGINT", { coreDumped: true }))).toBe(false)
    expect(Equal.equals(exited(1), { _tag: "Exited", code: 1 })).toBe(true)
  })

  it("tells success by the codes that are one", () => {
    expect(ExitStatus.isSuccess(exited(0))).toBe(true)
    expect(ExitStatus.isSuccess(exited(1))).toBe(false)
    expect(ExitStatus.isSuccess(exited(1), [0, 1])).toBe(true)
    expect(ExitStatus.isSuccess(exited(0), [1])).toBe(false)
    expect(ExitStatus.isSuccess(signaled("SIGTERM"), [0, 15, 143])).toBe(false)
  })

  it("tells the kinds apart", () => {
    expect([exited(1), signaled("SIGHUP")].map(ExitStatus.isExited)).toEqual([true, false])
    expect([exited(1), signaled("SIGHUP")].map(ExitStatus.isSignaled)).toEqual([false, true])
    const cases = {
      Exited: ({ code }: ExitStatus.Exited) => code,
      Signaled: ({ signal }: ExitStatus.Signaled) => signal
    }
    expect(ExitStatus.match(exited(3), cases)).toBe(3)
    expect(ExitStatus.match(cases)(signaled("SIGHUP"))).toBe("SIGHUP")
  })

  it("says it in words", () => {
    expect(ExitStatus.format(exited(2))).toBe("exited with code 2")
    expect(ExitStatus.format(signaled("SIGKILL"))).toBe("was killed by SIGKILL")
    expect(ExitStatus.format(signaled("SIGABRT", { coreDumped: true }))).toBe("was killed by SIGABRT (core dumped)")
  })

  it("decodes no code that a process cannot have", () => {
    const decode = Schema.decodeUnknownOption(ExitStatus.ExitStatus)
    expect(decode({ _tag: "Exited", code: 255 })._tag).toBe("Some")
    for (const code of [-1, 256, 1.5]) expect(decode({ _tag: "Exited", code })._tag).toBe("None")
    expect(decode({ _tag: "Signaled", signal: "SIGNOT", coreDumped: false })._tag).toBe("None")
  })
})

describe("ProcessExit", () => {
  it("is made from the figures of wait4, which are microseconds and bytes", () => {
    const { status, usage } = makeExit(0x0200, raw)
    expect(status).toEqual(exited(2))
    expect(Duration.toMillis(usage.userTime)).toBe(1.5)
    expect(Duration.toSeconds(usage.systemTime)).toBe(2)
    expect(usage.maxResidentSet).toBe(ByteSize.kilobytes(4096))
    expect([usage.minorFaults, usage.majorFaults, usage.blockInput, usage.blockOutput]).toEqual([1, 2, 3, 4])
    expect([usage.voluntarySwitches, usage.involuntarySwitches]).toEqual([5, 6])
  })

  it("goes through JSON", () => {
    const codec = Schema.fromJsonString(Schema.toCodecJson(ExitStatus.ProcessExit))
    const exit = makeExit(0x0089, raw)
    expect(Schema.decodeSync(codec)(Schema.encodeSync(codec)(exit))).toEqual(exit)
  })
})

describe("OutOfMemory", () => {
  const { outOfMemory } = ExitStatus
  const cgroup = {
    cpuTime: 5,
    userTime: 2,
    systemTime: 3,
    throttledTime: undefined,
    memory: undefined,
    memoryPeak: 4096,
    readBytes: undefined,
    writtenBytes: undefined,
    oomKills: 1,
    outOfMemory: true
  }

  it("is what a SIGKILL was that the kernel sent for want of memory, and only that", () => {
    const exit = makeExit(9, { ...raw, cgroup })
    expect(exit.status).toEqual(outOfMemory)
    expect(exit.usage.cgroup).toEqual({
      userTime: Duration.micros(2n),
      systemTime: Duration.micros(3n),
      memoryPeak: ByteSize.bytes(4096),
      oomKills: 1
    })
    expect(makeExit(9, { ...raw, cgroup: { ...cgroup, outOfMemory: false } }).status).toEqual(signaled("SIGKILL"))
    expect(Schema.decodeSync(ExitStatus.ProcessExit)(Schema.encodeSync(ExitStatus.ProcessExit)(exit))).toEqual(exit)
  })

  it("is no success, no signal and no exit, and to a shell the SIGKILL that it was", () => {
    expect(ExitStatus.isSuccess(outOfMemory)).toBe(false)
    expect(ExitStatus.isSignaled(outOfMemory)).toBe(false)
    expect(ExitStatus.isExited(outOfMemory)).toBe(false)
    expect(ExitStatus.isOutOfMemory(outOfMemory)).toBe(true)
    expect(ExitStatus.toShellCode(outOfMemory)).toBe(137)
    expect(ExitStatus.format(outOfMemory)).toBe("was killed for want of memory")
  })

  it("has a case of its own in a match, or that of the signal", () => {
    const cases = { Exited: () => "exited", Signaled: ({ signal }: ExitStatus.Signaled) => signal }
    expect(ExitStatus.match(outOfMemory, cases)).toBe("SIGKILL")
    expect(ExitStatus.match(outOfMemory, { ...cases, OutOfMemory: () => "memory" })).toBe("memory")
  })
})
