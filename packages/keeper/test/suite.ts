/** What the tests of a running keeper have in common: which builds of it, as which users, and that nothing is left of any. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { constants } from "node:os"
import { afterAll, describe, expect, it } from "vitest"
import { Family, type Options, type Report, type Spawned } from "./driver.ts"
import * as Tools from "./tools.ts"

export interface Target {
  readonly name: string
  /** Why it cannot be run here. */
  readonly missing: Tools.Missing | undefined
  readonly root: boolean
  readonly sanitized: boolean
  readonly emulated: boolean
  readonly start: (options?: Options) => Promise<Family>
  /** A test, unless the emulator lacks what it needs: then it is skipped, and its name says why. */
  readonly unless: (lack: string) => (title: string, test: () => Promise<void>) => void
}

let started: Array<Family> = []
const reported = new Set<Family>()

/** Where a test has failed; tests that run side by side must not close each other's. */
export const closeAll = async (): Promise<void> => {
  const families = started
  started = []
  await Promise.all(families.filter((family) => !reported.has(family)).map((family) => family.close().catch(() => {})))
}

/** Also for tests without targets, which then have to call `closeAll` at their end. */
export const start = async (options: Options): Promise<Family> => {
  const family = await Family.start(options)
  started.push(family)
  return family
}

const target = (
  name: string,
  root: boolean,
  build: () => string | Tools.Missing,
  sanitized = false
): Target | undefined => {
  const keeper = build()
  const needsRoot = root && !Tools.isRoot ? new Tools.Missing("it needs root") : undefined
  const missing = keeper instanceof Tools.Missing ? keeper : needsRoot
  const uid = root ? {} : { uid: Tools.ordinaryUser }
  return {
    name: `${name} ${root ? "as root" : "as an ordinary user"}`,
    missing,
    root,
    sanitized,
    emulated: false,
    start: (options = {}) => start(typeof keeper === "string" ? { keeper, ...uid, ...options } : options),
    unless: () => it
  }
}

const emulated = (): Target => {
  const arm64 = Tools.arm64Keeper()
  const missing = arm64 instanceof Tools.Missing ? arm64 : undefined
  const keeper = arm64 instanceof Tools.Missing ? {} : { keeper: arm64.path, emulator: arm64.emulator }
  return {
    name: "arm64 under emulation",
    missing,
    root: Tools.isRoot,
    sanitized: false,
    emulated: true,
    start: (options = {}) => start({ ...keeper, ...options }),
    unless: (lack) => (title, test) => it.skip(`${title} (skipped: ${lack})`, test)
  }
}

const all = (): ReadonlyArray<Target> =>
  [
    target("release", true, Tools.releaseKeeper),
    target("release", false, Tools.releaseKeeper),
    target("sanitized", true, Tools.sanitizedKeeper, true),
    // Both differences at once only in campaigns; without root it is the only one.
    Tools.campaign || !Tools.isRoot ? target("sanitized", false, Tools.sanitizedKeeper, true) : undefined,
    emulated()
  ].filter((each) => each !== undefined)

/**
 * Runs the tests on each target that is wanted; one that cannot be run here is skipped by name, with the reason.
 * `emulation` says what qemu-user lacks for them.
 */
export const onTargets = (
  title: string,
  wanted: (target: Target) => boolean,
  tests: (target: Target) => void,
  { emulation, ...options }: { readonly concurrent?: boolean; readonly emulation?: string } = {}
): void => {
  afterAll(closeAll)
  if (emulation !== undefined) it.skip(`${title}, arm64 under emulation (skipped: ${emulation})`, () => {})
  for (const each of all().filter(wanted)) {
    const name = `${title}, ${each.name}${Tools.because(each.missing)}`
    describe.skipIf(each.missing !== undefined)(name, options, () => tests(each))
  }
}

/** What qemu-user lacks. */
export const noSubreapers = "qemu-user knows no PR_SET_CHILD_SUBREAPER, so orphans fall to the init"
export const noVfork = "qemu-user runs vfork as fork, so a failure before the exec is not seen"

export const native = (target: Target): boolean => !target.emulated
export const released = (target: Target): boolean => native(target) && !target.sanitized

/** Ends the owner's side; everything has to be gone with it, collected by helpers and not by the init, and without findings. */
export const expectNothingLeft = async (family: Family): Promise<Report> => {
  reported.add(family)
  const report = await family.close()
  const collected = family.emulated ? [] : report.collected
  expect({ ...report, collected, milliseconds: 0 }).toEqual({
    ownerStatus: 0,
    collected: [],
    left: [],
    milliseconds: 0,
    findings: ""
  })
  return report
}

/** For tests that kill the helpers themselves: who fell to the init, by name. */
export const expectNothingAlive = async (family: Family): Promise<Report> => {
  reported.add(family)
  const report = await family.report()
  expect({ left: report.left, findings: report.findings }).toEqual({ left: [], findings: "" })
  return report
}

/** The descriptors of a process, each with what it is. */
export const descriptorsOf = (pid: number): ReadonlyArray<string> =>
  readdirSync(`/proc/${pid}/fd`)
    .flatMap((name) => {
      try {
        return [`${name} ${readlinkSync(`/proc/${pid}/fd/${name}`)}`]
      } catch {
        return []
      }
    })
    .sort()

/** Fields of `/proc/<pid>/stat` from the state on, or undefined when the process is gone. */
const statOf = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1")
    return text.slice(text.lastIndexOf(")") + 2).split(" ")
  } catch {
    return undefined
  }
}

export const stateOf = (pid: number): string => statOf(pid)?.[0] ?? "gone"
export const parentOf = (pid: number): number => Number(statOf(pid)?.[1])

/** All processes whose parent it is, zombies too. */
export const childrenOf = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => parentOf(each) === pid)

/** The same of a process with one thread, and without a look at all others where the kernel has a list of them. */
export const childrenAtOnce = (pid: number): ReadonlyArray<number> => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number)
  } catch {
    return childrenOf(pid)
  }
}

/** SIGKILL, or another one, to all of them; those that have left by now need none. */
export const signalAll = (signal: number, pids: ReadonlyArray<number>): void => {
  for (const pid of pids) {
    // 0 would be this process's own group.
    if (pid <= 1) throw new Error(`no such process: ${pid}`)
    try {
      process.kill(pid, signal)
    } catch {
      // It has left.
    }
  }
}

/** Stops the keeper while something is done, and the guard too, which would kill a keeper that stays stopped for two seconds. */
export const whileStopped = async <A>(family: Family, work: () => Promise<A>): Promise<A> => {
  for (const pid of [family.guard, family.keeper]) {
    process.kill(pid, 19)
    await until(() => stateOf(pid) === "T")
  }
  try {
    return await work()
  } finally {
    for (const pid of [family.keeper, family.guard]) process.kill(pid, 18)
  }
}

/**
 * The first of these spawns that is not given up for its time. Where the limit of a test is short enough to be waited for, a machine
 * that is busy with other things may need longer for any spawn.
 */
export const inTime = async (spawn: () => Spawned): Promise<Spawned> => {
  for (;;) {
    const child = spawn()
    const answer = await child.answered()
    if (answer.type !== "failed" || answer.errno !== constants.errno.ETIMEDOUT) return child
  }
}

/** Asks again until it is so, for what the kernel tells nobody. Only what never comes takes a minute. */
export const until = async (holds: () => boolean): Promise<void> => {
  for (const end = performance.now() + 60_000; !holds(); ) {
    if (performance.now() > end) throw new Error(`not within a minute: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
