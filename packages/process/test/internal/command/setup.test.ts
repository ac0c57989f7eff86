/** Limits, credentials and priority: what is wrong with them, what they mean, and how they are written down. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Command from "../../../src/Command.ts"
import { limitItems, nameOf } from "../../../src/internal/command/limits.ts"
import { priorityItems } from "../../../src/internal/command/priority.ts"

/** As from untyped code. */
const problemOf = (fields: object): string => {
  const result = Command.validate({ ...Command.make("x"), ...fields } as Command.Command)
  return Result.isFailure(result) ? result.failure.message : "valid"
}

describe("validate", () => {
  it.each([
    [{ limits: null }, "limits is not an object"],
    [
      { limits: { files: 3 } },
      "limits.files is no limit: they are as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack, memory.max, memory.high, memory.swap.max, memory.oom.group, cpu.max, cpu.weight, io.weight, pids.max"
    ],
    [
      { limits: { "memory.max": "1 GiB" } },
      'limits["memory.max"] is a limit of a cgroup, which only a process with containment "cgroup" has one of its own'
    ],
    [
      { containment: "cgroup", limits: { "memory.max": "much" } },
      'limits["memory.max"] is not a size: a number of bytes, or a text such as "512 MiB"'
    ],
    [{ containment: "cgroup", limits: { "memory.oom.group": 1 } }, 'limits["memory.oom.group"] is not a boolean'],
    [
      { containment: "cgroup", limits: { "cpu.max": 0 } },
      'limits["cpu.max"] is not a number of processors, from 0.01 on'
    ],
    [
      { containment: "cgroup", limits: { "cpu.max": Number.NaN } },
      'limits["cpu.max"] is not a number of processors, from 0.01 on'
    ],
    [
      { containment: "cgroup", limits: { "cpu.max": "half" } },
      'limits["cpu.max"] is neither a number of processors nor a quota'
    ],
    [
      { containment: "cgroup", limits: { "cpu.max": { quota: "1 micros" } } },
      'limits["cpu.max"] has a quota that is not from 1 ms on'
    ],
    [
      { containment: "cgroup", limits: { "cpu.max": { quota: "1 second", period: "2 seconds" } } },
      'limits["cpu.max"] has a period that is not from 1 ms to 1 second'
    ],
    [
      { containment: "cgroup", limits: { "cpu.weight": 0 } },
      'limits["cpu.weight"] is not a weight: an integer from 1 to 10000'
    ],
    [
      { containment: "cgroup", limits: { "io.weight": 10_001 } },
      'limits["io.weight"] is not a weight: an integer from 1 to 10000'
    ],
    [{ containment: "cgroup", limits: { "pids.max": 0 } }, 'limits["pids.max"] is not an integer from 1 to 4194304'],
    [
      { containment: "cgroup", limits: { "memory.max": "unlimited", "cpu.max": 0.5, "pids.max": "unlimited" } },
      "valid"
    ],
    [{ limits: { nofile: -1 } }, "limits.nofile is not an integer from 0 on"],
    [{ limits: { nofile: Number.NaN } }, "limits.nofile is not an integer from 0 on"],
    [{ limits: { nofile: 1.5 } }, "limits.nofile is not an integer from 0 on"],
    [{ limits: { nofile: "7" } }, "limits.nofile is not an integer from 0 on"],
    [{ limits: { nofile: { soft: 5, hard: 4 } } }, "limits.nofile.soft is above the hard limit"],
    [{ limits: { as: { soft: "unlimited", hard: "1 GiB" } } }, "limits.as.soft is above the hard limit"],
    [{ limits: { nofile: { soft: 5, hard: "many" } } }, "limits.nofile.hard is not an integer from 0 on"],
    [{ limits: { as: -1 } }, 'limits.as is not a size: a number of bytes, or a text such as "512 MiB"'],
    [{ limits: { as: Number.NaN } }, 'limits.as is not a size: a number of bytes, or a text such as "512 MiB"'],
    [{ limits: { as: "big" } }, 'limits.as is not a size: a number of bytes, or a text such as "512 MiB"'],
    [{ limits: { as: null } }, 'limits.as is not a size: a number of bytes, or a text such as "512 MiB"'],
    [{ limits: { as: 2n ** 63n } }, 'limits.as is too large: say "unlimited"'],
    [{ limits: { cpu: "-1 seconds" } }, "limits.cpu is negative"],
    [{ limits: { cpu: Number.NaN } }, "limits.cpu is not a duration"],
    [{ limits: { cpu: { seconds: Number.NaN } } }, "limits.cpu is not a duration"],
    [{ limits: { cpu: { soft: "2 minutes", hard: "1 minute" } } }, "limits.cpu.soft is above the hard limit"],
    [{ limits: { cpu: "Infinity", as: "unlimited", core: 0, nofile: { soft: 5 }, stack: { hard: 5n } } }, "valid"],

    [{ priority: 20 }, "priority is not a niceness: an integer from -20 to 19"],
    [{ priority: Number.NaN }, "priority is not a niceness: an integer from -20 to 19"],
    [{ priority: "high" }, "priority is neither a niceness nor an object"],
    [{ priority: { nice: -21 } }, "priority.nice is not a niceness: an integer from -20 to 19"],
    [{ priority: { niceness: 1 } }, "priority.niceness is not known: a priority has nice, policy and io"],
    [{ priority: { policy: "fifo" } }, 'priority.policy is none of "other", "batch", "idle", { fifo } and { rr }'],
    [
      { priority: { policy: { fifo: 1, rr: 1 } } },
      'priority.policy is none of "other", "batch", "idle", { fifo } and { rr }'
    ],
    [{ priority: { policy: { rr: 0 } } }, "priority.policy has no real-time priority: rr is an integer from 1 to 99"],
    [{ priority: { io: { realtime: 8 } } }, "priority.io has no level: realtime is an integer from 0 to 7"],
    [{ priority: { io: "first" } }, 'priority.io is none of "idle", { bestEffort } and { realtime }'],
    [{ affinity: [] }, "affinity is not a list of at least one processor"],
    [{ affinity: 1 }, "affinity is not a list of at least one processor"],
    [{ affinity: [0, -1] }, "affinity has something that is no processor: they are numbered from 0 on"],
    [{ affinity: [8192] }, "affinity has something that is no processor: they are numbered from 0 on"],
    [{ oomScoreAdjust: 1001 }, "oomScoreAdjust is not a score: an integer from -1000 to 1000"],
    [{ oomScoreAdjust: Number.NaN }, "oomScoreAdjust is not a score: an integer from -1000 to 1000"],

    [{ sandbox: null }, "sandbox is not an object"],
    [{ sandbox: {} }, "sandbox restricts nothing: name one of read, write, execute, connect, bind, scope"],
    [
      { sandbox: { reads: [] } },
      "sandbox.reads is not known: a sandbox has read, write, execute, connect, bind, scope"
    ],
    [{ sandbox: { read: "/usr" } }, "sandbox.read is not an array"],
    [{ sandbox: { read: ["/usr", ""] } }, "sandbox.read[1] is empty"],
    [
      { sandbox: { write: ["a\0b"] } },
      "sandbox.write[0] contains a NUL character, which the operating system cannot pass on"
    ],
    [{ sandbox: { connect: [65536] } }, "sandbox.connect[0] is not a port: an integer from 0 to 65535"],
    [{ sandbox: { bind: [Number.NaN] } }, "sandbox.bind[0] is not a port: an integer from 0 to 65535"],
    [{ sandbox: { scope: ["files"] } }, 'sandbox.scope[0] is neither "signals" nor "abstract-sockets"'],
    [{ sandbox: { scope: [] } }, "sandbox.scope is empty: leave it out"],
    [
      { notify: true, sandbox: { scope: ["abstract-sockets"] } },
      "sandbox.scope keeps the process from the socket of notify, which is an abstract one"
    ],
    [{ seccomp: [6, 0] }, "seccomp is not a Uint8Array"],
    [
      { seccomp: new Uint8Array(0) },
      "seccomp has 0 bytes: a program is whole instructions of 8 bytes each (struct sock_filter), at least one"
    ],
    [
      { seccomp: new Uint8Array(12) },
      "seccomp has 12 bytes: a program is whole instructions of 8 bytes each (struct sock_filter), at least one"
    ],
    [{ seccomp: new Uint8Array(8 * 4097) }, "seccomp has 4097 instructions: the kernel takes at most 4096"],

    [{ credentials: "root" }, "credentials is not an object"],
    [
      { credentials: { uid: 3 } },
      "credentials.uid is not known: credentials have user, group, groups, capabilities, noNewPrivileges, loginEnvironment"
    ],
    [{ credentials: { user: "" } }, "credentials.user is empty"],
    [{ credentials: { user: "a:b" } }, "credentials.user is no name: it has a colon, a line break or a NUL character"],
    [{ credentials: { user: -1 } }, "credentials.user is neither a name nor a number from 0 on"],
    [{ credentials: { user: 2 ** 32 - 1 } }, "credentials.user is neither a name nor a number from 0 on"],
    [{ credentials: { group: Number.NaN } }, "credentials.group is neither a name nor a number from 0 on"],
    [{ credentials: { groups: "all" } }, "credentials.groups is not an array"],
    [{ credentials: { groups: [0, null] } }, "credentials.groups[1] is neither a name nor a number from 0 on"],
    [{ credentials: { groups: Array(4097).fill(1) } }, "credentials.groups are too many: at most 4096"],
    [{ credentials: { capabilities: [] } }, "credentials.capabilities is neither { keep: [...] } nor { drop: [...] }"],
    [
      { credentials: { capabilities: { keep: ["CAP_FLY"] } } },
      "credentials.capabilities.keep[0] is no capability: see capabilities(7)"
    ],
    [{ credentials: { noNewPrivileges: 1 } }, "credentials.noNewPrivileges is not a boolean"],
    [{ credentials: { loginEnvironment: true } }, "credentials.loginEnvironment is that of an account: give a user too"]
  ])("%o: %s", (fields, problem) => {
    expect(problemOf(fields)).toBe(problem)
  })
})

describe("limits of cgroups", () => {
  const limits: Command.Limits = {
    "memory.max": "1 GiB",
    "memory.high": "unlimited",
    "memory.swap.max": 0,
    "memory.oom.group": true,
    "cpu.max": { quota: "5 millis", period: "20 millis" },
    "cpu.weight": 50,
    "io.weight": 10,
    "pids.max": 7
  }

  it("are what is written to the files of the kernel", () => {
    expect(limitItems(limits)).toEqual(
      [
        ["memory.max", "1073741824"],
        ["memory.high", "max"],
        ["memory.swap.max", "0"],
        ["memory.oom.group", "1"],
        ["cpu.max", "5000 20000"],
        ["cpu.weight", "50"],
        ["io.weight", "10"],
        ["pids.max", "7"]
      ].map(([file, value]) => ({ kind: "cgroupFile", file, value }))
    )
    expect(limitItems({ "cpu.max": 1.5 })).toEqual([{ kind: "cgroupFile", file: "cpu.max", value: "150000 100000" }])
  })

  it("mean the same after a round through JSON", () => {
    const command = Command.make("x", [], { containment: "cgroup", limits })
    const encoded = JSON.parse(JSON.stringify(Schema.encodeSync(Command.Command)(command)))
    expect(limitItems(Schema.decodeSync(Command.Command)(encoded).limits)).toEqual(limitItems(limits))
  })
})

describe("limits", () => {
  it("are in the units of the kernel, rounded up, and what is left out stays", () => {
    const items = limitItems({
      as: "1 KiB",
      core: { hard: 0 },
      cpu: "1500 millis",
      rttime: { soft: Duration.nanos(1n), hard: "Infinity" },
      nofile: { soft: 7 },
      nproc: "unlimited",
      stack: undefined
    })
    expect(items.map((item) => (item.kind === "limit" ? [nameOf(item.resource), item.soft, item.hard] : item))).toEqual(
      [
        ["as", 1024n, 1024n],
        ["core", "keep", 0n],
        ["cpu", 2n, 2n],
        ["rttime", 1n, "unlimited"],
        ["nofile", 7n, "keep"],
        ["nproc", "unlimited", "unlimited"]
      ]
    )
  })

  it("are written down in bytes and in texts of time, and read as they were", () => {
    const limits: Command.Limits = {
      as: "1 KiB",
      data: 2n ** 60n,
      cpu: { soft: "1 minute", hard: "Infinity" },
      rttime: "5 millis",
      nofile: { hard: 9 }
    }
    const encoded = Schema.encodeSync(Command.Command)(Command.make("x", [], { limits }))
    expect(encoded.limits).toEqual({
      as: 1024,
      data: "1152921504606846976 B",
      cpu: { soft: "60 seconds", hard: "unlimited" },
      rttime: "5000 micros",
      nofile: { hard: 9 }
    })
    expect(limitItems(Schema.decodeSync(Command.Command)(encoded).limits)).toEqual(limitItems(limits))
  })

  it("that mean nothing are not read", () => {
    const decode = Schema.decodeUnknownSync(Command.Command)
    expect(() => decode({ program: "x", limits: { nofile: "many" } })).toThrow("limits.nofile is not an integer")
    expect(() => decode({ program: "x", limits: { files: 1 } })).toThrow("limits.files is no limit")
  })
})

describe("priority", () => {
  it("is what the kernel calls it, the policy first", () => {
    expect(priorityItems(3)).toEqual([{ kind: "nice", value: 3 }])
    expect(priorityItems({ nice: 3, policy: { fifo: 9 }, io: { bestEffort: 4 } })).toEqual([
      { kind: "scheduler", policy: 1, priority: 9 },
      { kind: "nice", value: 3 },
      { kind: "ioPriority", value: (2 << 13) | 4 }
    ])
  })
})
