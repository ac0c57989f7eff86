/** Landlock rulesets and filters of seccomp, given by frames. */
import { mkdirSync, writeFileSync } from "node:fs"
import { constants } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as F from "./frames.ts"
import { expectNothingLeft, native, onTargets } from "./suite.ts"
import * as Tools from "./tools.ts"

const { EACCES, EINVAL, ENOENT, EPERM } = constants.errno
const READ_FILE = 1n << 2n
const noNewPrivileges = F.setup(F.Setup.noNewPrivileges, Buffer.alloc(0))
const noLandlock = "qemu-user knows neither Landlock nor seccomp"

/** `uname` fails with EPERM, everything else is allowed. */
const SYS_uname = process.arch === "arm64" ? 160 : 63
const withoutUname = F.filter(
  [0x20, 0, 0, 0],
  [0x15, 0, 1, SYS_uname],
  [6, 0, 0, 0x0005_0000 | EPERM],
  [6, 0, 0, 0x7fff_0000]
)

onTargets(
  "a ruleset",
  native,
  (target) => {
    const folder = Tools.temporaryFolder()
    mkdirSync(join(folder, "open"))
    writeFileSync(join(folder, "open/file"), "seen")
    writeFileSync(join(folder, "closed"), "not seen")
    const allowed = [
      F.sandboxPath(join(folder, "open"), READ_FILE),
      F.sandboxPath("/usr", READ_FILE),
      F.sandboxPath("/lib64", READ_FILE, 1),
      F.sandboxPath("/etc/ld.so.cache", READ_FILE, 1)
    ]
    const cat = (path: string) => ["exec", "cat", join(folder, path)]
    const errors: ReadonlyArray<F.Fd> = [{ target: 2, kind: F.Kind.null }]

    it("is offered by this kernel, or the features say that it is not, and it is an error", async () => {
      const family = await target.start()
      const version = family.features >>> 24
      if (version > 0) {
        const setup = [noNewPrivileges, F.sandbox(READ_FILE), ...allowed, F.sandboxPath(Tools.probe(), READ_FILE)]
        expect(await family.output(cat("open/file"), { setup })).toBe("seen")
        expect(await family.output(cat("closed"), { setup, fds: errors })).toBe("")
      } else {
        const failed = await family.probe([], { setup: [noNewPrivileges, F.sandbox(READ_FILE)] }).failed()
        expect(failed).toMatchObject({ step: F.Step.sandbox, errno: constants.errno.EOPNOTSUPP, target: 1 })
      }
      await expectNothingLeft(family)
    })

    it("that names a path which is not there, or a right that nobody knows, is an error at its place", async () => {
      const family = await target.start()
      if (family.features >>> 24 === 0) return expectNothingLeft(family)
      const failed = (setup: ReadonlyArray<Buffer>) => family.probe([], { setup: [noNewPrivileges, ...setup] }).failed()
      const missing = F.sandboxPath(join(folder, "missing"), READ_FILE)
      expect(await failed([F.sandbox(READ_FILE), ...allowed, missing])).toMatchObject({
        step: F.Step.sandbox,
        errno: ENOENT,
        target: 6
      })
      expect(await failed([F.sandbox(1n << 40n)])).toMatchObject({
        step: F.Step.sandbox,
        errno: constants.errno.EOPNOTSUPP,
        target: 1
      })
      expect(await failed([F.sandbox(READ_FILE), F.sandboxPath("/usr", READ_FILE)])).toMatchObject({
        step: F.Step.exec,
        errno: EACCES
      })
      return expectNothingLeft(family)
    })

    it("is built though the process may open one descriptor only, and lets it become nobody's debugger", async () => {
      const family = await target.start()
      if (family.features >>> 24 === 0) return expectNothingLeft(family)
      const victim = family.probe(["pause"])
      const { pid } = await victim.started()
      const setup = [F.limit(7, 4n, 4n), noNewPrivileges, F.sandbox(1n << 1n), F.sandboxPath(folder, 1n << 1n)]
      const attacker = family.probe(["attach", `${pid}`], { setup })
      expect((await attacker.exited()).status >> 8).toBe(99)
      return expectNothingLeft(family)
    })
  },
  { emulation: noLandlock }
)

onTargets(
  "a filter",
  native,
  (target) => {
    it("is the last thing that is installed, and holds", async () => {
      const family = await target.start()
      const setup = [noNewPrivileges, withoutUname]
      const child = family.spawn({ argv: ["uname"], setup })
      expect(await child.exited()).toMatchObject({ status: 1 << 8 })
      expect(await family.output(["echo", "works"], { setup })).toBe("works\n")
      await expectNothingLeft(family)
    })

    it("that is no program, or comes without giving up privileges, is an error", async () => {
      const family = await target.start()
      const wrong = await family.probe([], { setup: [noNewPrivileges, F.filter([0xffff, 0, 0, 0])] }).failed()
      expect(wrong).toMatchObject({ step: F.Step.sandbox, errno: EINVAL, target: 1 })
      if (!target.root) {
        const alone = await family.probe([], { setup: [withoutUname] }).failed()
        expect(alone).toMatchObject({ step: F.Step.sandbox, errno: EACCES, target: 0 })
      }
      await expectNothingLeft(family)
    })

    it("that kills ends its own process only", async () => {
      const family = await target.start()
      const everything = F.filter([6, 0, 0, 0x8000_0000])
      const exited = await family.probe([], { setup: [noNewPrivileges, everything] }).exited()
      expect(exited.status & 0x7f).toBe(constants.signals.SIGSYS)
      expect(await family.output(["echo", "works"])).toBe("works\n")
      await expectNothingLeft(family)
    })
  },
  { emulation: noLandlock }
)
