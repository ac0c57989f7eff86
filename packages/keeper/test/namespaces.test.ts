/** Namespaces that are made, furnished, entered and joined by items of a spawn, given by frames. */
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import type { Family, Spawned } from "./driver.ts"
import * as F from "./frames.ts"
import * as Items from "./namespaceItems.ts"
import { expectNothingAlive, expectNothingLeft, native, onTargets, signalAll } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EEXIST, EINVAL, ENODEV, ENOENT, ERANGE, ESRCH } = constants.errno
const N = Items.Namespace
const files = {
  user: "user",
  pid: "pid",
  mount: "mnt",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup"
} as const
const kinds = ["user", "pid", "mount", "network", "ipc", "uts", "cgroup"] as const
type Kind = (typeof kinds)[number]
const output: ReadonlyArray<F.Fd> = [
  { target: 0, kind: F.Kind.null },
  { target: 1, kind: F.Kind.pipeOut }
]
const step = F.Step.namespace

const linkOf = (pid: number, kind: Kind): string => readlinkSync(`/proc/${pid}/ns/${files[kind]}`)

/** A process that stays, and is in there when this returns. */
const hold = async (family: Family, setup: ReadonlyArray<Buffer>, spawn: Partial<F.Spawn> = {}) => {
  const child = family.probe(["pause"], { cwd: "/", setup, ...spawn })
  return { child, pid: (await child.started()).pid }
}

const say = (family: Family, script: string, setup: ReadonlyArray<Buffer>, spawn: Partial<F.Spawn> = {}) =>
  family.output(["exec", "/bin/sh", "-c", script], { cwd: "/", setup, ...spawn })

/** The user of the family is the same inside, or root. */
const made = (uid: number, ...flags: ReadonlyArray<number>): Buffer =>
  Items.namespaces(
    flags.reduce((all, flag) => all | flag, 0),
    uid,
    uid
  )

/** All that there is to do with other networks and mounts takes privilege in a user namespace. */
const isolated = (uid: number, ...flags: ReadonlyArray<number>): Buffer => made(uid, N.user, ...flags)

const refusedText = async (family: Family, child: Spawned): Promise<string> =>
  (await family.only(child.id, "refused", ["started", "failed"])).text

onTargets("namespaces of a child", native, (target) => {
  const uid = target.root ? 0 : Tools.ordinaryUser

  it.each([
    [[N.network], ["network"]],
    [
      [N.mount, N.uts, N.ipc, N.cgroup],
      ["mount", "uts", "ipc", "cgroup"]
    ],
    [[N.user], ["user"]]
  ] as const)("of the flags %j are new ones, and the others are the owner's", async (flags, wanted) => {
    const family = await target.start()
    const { pid } = await hold(family, [made(uid, ...flags)])
    const differing = kinds.filter((kind) => linkOf(pid, kind) !== readlinkSync(`/proc/self/ns/${files[kind]}`))
    // Without privilege there is a user namespace in any case.
    const expected = kinds.filter((kind) => wanted.some((each) => each === kind) || (kind === "user" && !target.root))
    expect(differing).toEqual(expected)
    await expectNothingLeft(family)
  })

  it("have their mounts in the order that was asked for, a name, and a loopback device that is up", async () => {
    const family = await target.start()
    const folder = Tools.temporaryFolder()
    for (const name of ["source", "target"]) mkdirSync(join(folder, name))
    writeFileSync(join(folder, "source/file"), "bound\n")
    const setup = [
      isolated(0, N.mount, N.uts, N.network),
      Items.mount(Items.Mount.bind, join(folder, "source"), join(folder, "target")),
      // Over the one before it.
      Items.mount(Items.Mount.tmpfs, "", join(folder, "source")),
      Items.mount(Items.Mount.readOnly, "", join(folder, "target")),
      F.setup(F.Setup.hostname, Buffer.from("inside")),
      F.setup(F.Setup.loopback, Buffer.alloc(0))
    ]
    const script = `cat ${folder}/target/file; ls ${folder}/source | wc -l; touch ${folder}/source/new && echo written
      touch ${folder}/target/new 2>/dev/null || echo read-only; uname -n; cat /sys/class/net/lo/flags 2>/dev/null; id -u
      grep -c 'LOCAL' /proc/net/fib_trie`
    const lines = (await say(family, script, setup)).split("\n")
    expect(lines.slice(0, 5)).toEqual(["bound", "0", "written", "read-only", "inside"])
    // 127.0.0.1 is there only while the device is up.
    expect(Number(lines.at(-2))).toBeGreaterThan(0)
    expect(readFileSync(join(folder, "source/file"), "utf8")).toBe("bound\n")
    await expectNothingLeft(family)
  })

  it("are entered by the number of a process that is in them, or by their paths", async () => {
    const family = await target.start()
    const uts = F.setup(F.Setup.hostname, Buffer.from("held"))
    const { child, pid } = await hold(family, [isolated(uid, N.uts, N.network, N.mount, N.ipc), uts])
    const flags = N.user | N.uts | N.network | N.mount | N.ipc
    const inside = await hold(family, [Items.enter(child.id, flags)])
    for (const kind of ["user", "uts", "network", "mount", "ipc"] as const) {
      expect(linkOf(inside.pid, kind)).toBe(linkOf(pid, kind))
    }
    const paths = [Items.enterPath(N.user, `/proc/${pid}/ns/user`), Items.enterPath(N.uts, `/proc/${pid}/ns/uts`)]
    expect(await say(family, "uname -n", paths)).toBe("held\n")
    await expectNothingLeft(family)
  })

  it.each([
    ["of a set", N.pid | N.mount],
    ["of a user namespace", N.user | N.pid | N.mount]
  ])("pids %s are entered by the program's own process, which tells its status", async (_, flags) => {
    const family = await target.start()
    const setup = [Items.namespaces(flags, uid, uid)]
    const { child } = await hold(family, setup, { level: F.Level.pidNamespace })
    const entered = flags | (target.root ? 0 : N.user)
    const script = "echo $$ $PPID; exit 7"
    for (let round = 0; round < 3; round++) {
      const inside = family.spawn({
        argv: ["/bin/sh", "-c", script],
        cwd: "/",
        fds: output,
        setup: [Items.enter(child.id, entered)]
      })
      const started = await inside.started()
      // Its parent is the reaper, which is outside.
      expect(await family.read(started)).toMatch(/^\d{1,2} 0\n$/)
      expect(await inside.exited()).toMatchObject({ status: 7 << 8, ended: true })
    }
    const failed = family.spawn({ argv: ["/no/such"], cwd: "/", setup: [Items.enter(child.id, entered)] })
    expect(await failed.failed()).toMatchObject({ step: F.Step.exec, errno: ENOENT })
    // The reaper that has been there is itself where it was.
    expect(await family.output(["exec", "/bin/sh", "-c", "readlink /proc/self/ns/pid"])).toBe(
      `${readlinkSync("/proc/self/ns/pid")}\n`
    )
    child.cancel()
    await child.ended()
    const late = family.probe([], { setup: [Items.enter(child.id, entered)] })
    expect(await late.failed()).toMatchObject({ step, errno: ESRCH, target: 0 })
    await expectNothingLeft(family)
  })

  const noTime = existsSync("/proc/self/ns/time") ? "" : " (skipped: this kernel has none)"
  it.skipIf(noTime !== "")(`of time have clocks of their own, also for those who come later${noTime}`, async () => {
    const family = await target.start()
    const setup = [Items.namespaces(N.user | N.time, uid, uid, { monotonic: [100, 0], boottime: [-1, 500_000_000] })]
    const { child, pid } = await hold(family, setup)
    const script = "readlink /proc/self/ns/time; tr -s ' ' < /proc/self/timens_offsets"
    const lines = (await say(family, script, [Items.enter(child.id, N.user | N.time)])).split("\n")
    expect(lines).toEqual([readlinkSync(`/proc/${pid}/ns/time`), "monotonic 100 0", "boottime -1 500000000", ""])
    const early = Items.namespaces(N.user | N.time, uid, uid, { monotonic: [-4_000_000_000, 0], boottime: [0, 0] })
    const failed = family.probe([], { setup: [early], fds: output })
    expect(await failed.failed()).toMatchObject({ step, errno: ERANGE, target: 0 })
    await expectNothingLeft(family)
  })

  it("of users are mapped by the owner where that is asked for", async () => {
    const family = await target.start()
    const { child, pid } = await hold(family, [isolated(F.keepId, N.uts)])
    expect(readFileSync(`/proc/${pid}/uid_map`, "utf8")).toBe("")
    if (target.root) {
      for (const map of ["gid_map", "uid_map"]) writeFileSync(`/proc/${pid}/${map}`, "0 700000 10\n")
      const setup = [Items.enter(child.id, N.user | N.uts), F.credentials(3, 4, [5])]
      expect(await say(family, "id -u; id -g; id -G", setup)).toBe("3\n4\n4 5\n")
    }
    await expectNothingLeft(family)
  })

  it("are joined by a pair of devices, of which nothing is left where a later item fails", async () => {
    const family = await target.start()
    const one = await hold(family, [isolated(uid, N.network)])
    const other = await hold(family, [Items.enter(one.child.id, N.user), Items.namespaces(N.network, uid, uid)])
    const near = Items.enter(one.child.id, target.root ? N.network : N.user | N.network)
    const ends = [Items.address("a", 4, [10, 1, 0, 1], 24), Items.linkUp("a")]
    const far = [Items.enter(other.child.id, N.network), Items.linkUp("b"), Items.address("b", 4, [10, 1, 0, 2], 24)]
    const wire = [near, Items.veth(other.child.id, "a", "b"), ...ends, ...far]
    const route = Items.route("b", 4, [10, 2, 0, 0], 16, [10, 1, 0, 1])
    const failed = family.probe([], { setup: [...wire, route, route] })
    expect(await failed.failed()).toMatchObject({ step, errno: EEXIST, target: 8 })
    const here = [Items.enter(one.child.id, N.user | N.network)]
    const there = [Items.enter(other.child.id, N.user | N.network)]
    const devices = "grep -o '[ab]:' /proc/net/dev"
    expect(await say(family, devices, here)).toBe("")
    expect(await family.probe([], { cwd: "/", setup: [...wire, route] }).exited()).toMatchObject({ status: 0 })
    expect(await say(family, devices, here)).toBe("a:\n")
    expect(await say(family, devices, there)).toBe("b:\n")
    expect(await say(family, "cut -f 1-3 /proc/net/route", there)).toContain("b\t0000020A\t0100010A")
    expect(await family.probe([], { setup: wire }).failed()).toMatchObject({ step, errno: EEXIST, target: 1 })
    one.child.cancel()
    await one.child.ended()
    await expectNothingLeft(family)
  })
})

onTargets("a setup of namespaces that fails", native, (target) => {
  const uid = target.root ? 0 : Tools.ordinaryUser
  const own = isolated(uid, N.mount, N.network)
  const cases: ReadonlyArray<readonly [what: string, setup: ReadonlyArray<Buffer>, errno: number]> = [
    ["a mount at a path that is not there", [own, Items.mount(Items.Mount.tmpfs, "", "/no/such")], ENOENT],
    ["a source that is not there", [own, Items.mount(Items.Mount.bind, "/no/such", "/mnt")], ENOENT],
    ["a path of no namespace", [Items.enterPath(N.network, "/no/such")], ENOENT],
    ["a path of something else", [Items.enterPath(N.network, "/dev/null")], EINVAL],
    ["a process that is not there", [own, Items.enter(999, N.network)], ESRCH],
    ["a device that is not there", [own, Items.linkUp("none")], ENODEV],
    ["an address for it", [own, Items.address("none", 4, [10, 0, 0, 1], 8)], ENODEV],
    ["a route by it", [own, Items.route("none", 6, [], 0, undefined)], ENODEV],
    ["a wire to a process that is not there", [own, Items.veth(999, "a", "b")], ESRCH]
  ]
  it.each(cases)("tells the step and which item it was: %s", async (_, setup, errno) => {
    const family = await target.start()
    const failed = await family.probe([], { setup: [...setup, F.number(F.Setup.nice, 5)] }).failed()
    expect(failed).toMatchObject({ step, errno, target: setup.length - 1 })
    expect(await family.output(["echo", "unharmed"])).toBe("unharmed\n")
    await expectNothingLeft(family)
  })

  const item = (kind: number, ...bytes: ReadonlyArray<Buffer>) => F.setup(kind, Buffer.concat(bytes))
  const malformed: ReadonlyArray<readonly [item: Buffer, says: RegExp]> = [
    [item(F.Setup.namespaces, F.u32(1, 0)), /wrong size/],
    [Items.namespaces(256, 0, 0), /unknown kind/],
    [Items.namespaces(1, F.keepId, 0), /only one of the maps/],
    [Items.namespaces(1, 0, 0, { monotonic: [0, 1_000_000_000], boottime: [0, 0] }), /clock/],
    [item(F.Setup.mount, F.u32(9), F.strings("", "/tmp")), /unknown kind/],
    [item(F.Setup.mount, F.u32(0), F.strings("", "tmp")), /not absolute/],
    [item(F.Setup.mount, F.u32(0), F.strings("/usr")), /malformed/],
    [item(F.Setup.hostname, Buffer.alloc(65, "x")), /too long/],
    [item(F.Setup.loopback, F.u8(1)), /something to it/],
    [item(F.Setup.enter, F.u32(1)), /wrong size/],
    [Items.enter(1, 0), /unknown kind/],
    [Items.enterPath(3, "/run/x"), /unknown kind/],
    [Items.enterPath(N.uts, "run/x"), /not absolute/],
    [Items.veth(1, "a", ""), /wrong length/],
    [Items.veth(1, "x".repeat(16), "b"), /wrong length/],
    [item(F.Setup.veth, F.u32(1), F.strings("a")), /malformed/],
    [Items.address("a", 4, [10], 33), /out of range/],
    [Items.address("a", 7, [10], 3), /out of range/],
    [item(F.Setup.linkUp), /malformed/],
    [item(F.Setup.route, F.u32(0)), /cut off/]
  ]
  it("because it is malformed is refused, and says what is wrong", async () => {
    const family = await target.start()
    for (const [bytes, says] of malformed) {
      expect(await refusedText(family, family.probe([], { setup: [bytes] }))).toMatch(says)
    }
    expect(await family.output(["echo", "unharmed"])).toBe("unharmed\n")
    await expectNothingLeft(family)
  })
})

onTargets(
  "namespaces whose helpers are killed",
  (target) => native(target) && !target.sanitized,
  (target) => {
    const uid = target.root ? 0 : Tools.ordinaryUser

    it.each(["keeper", "owner", "guard"] as const)("leave nothing behind: the %s", async (who) => {
      const family = await target.start()
      const held = await hold(family, [Items.namespaces(N.pid | N.mount | N.network, uid, uid)], {
        level: F.Level.pidNamespace
      })
      const flags = N.pid | N.mount | N.network | (target.root ? 0 : N.user)
      const words = ["fork", "{", "setsid", "ignore", "pause", "}", "echo", "ready", "pause"]
      const child = family.probe(words, { cwd: "/", fds: output, setup: [Items.enter(held.child.id, flags)] })
      const lines = family.lines(await child.started())
      await lines.find("ready")
      signalAll(9, [family[who]])
      if (who === "guard") family.end()
      await lines.ended
      await expectNothingAlive(family)
    })
  }
)
