/** Limits, priority and identity of real processes, as the kernel shows them. */
import { expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Command from "../../src/Command.ts"
import { identify } from "../../src/internal/process/accounts.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Random from "../support/random.ts"
import * as Seen from "../support/status.ts"
import { onEveryWay, sh } from "./setup.ts"

const isRoot = process.getuid?.() === 0
const needsRoot = isRoot ? "" : " (skipped: needs root)"
const ownUser = process.getuid?.() ?? 0
const ownGroup = process.getgid?.() ?? 0
const sleep = Command.make("sleep", ["1000"], { stop: { grace: 0 } })

/** Looks at a running process of this command. */
const look = <A>(command: Command.Plain, at: (pid: number) => A) =>
  Effect.scoped(Effect.map(Process.spawn(command), ({ pid }) => at(pid)))

const refusal = (command: Command.Plain) => Effect.map(Effect.flip(Process.exitStatus(command)), (error) => error)

layer(Nursery.layer, { excludeTestServices: true })("limits", (it) => {
  it.effect("are those of the process", () =>
    Effect.gen(function* () {
      const limits: Command.Limits = {
        core: 0,
        cpu: { soft: "1 minute", hard: "1 hour" },
        fsize: "1 MiB",
        nofile: { soft: 64, hard: 128 },
        stack: { soft: "1 MiB" }
      }
      const seen = yield* look(sleep.pipe(Command.limits(limits)), (pid) => ({
        core: Seen.limit(pid, "core file size"),
        cpu: Seen.limit(pid, "cpu time"),
        fsize: Seen.limit(pid, "file size"),
        nofile: Seen.limit(pid, "open files"),
        stack: Seen.limit(pid, "stack size"),
        data: Seen.limit(pid, "data size")
      }))
      expect(seen).toEqual({
        core: ["0", "0"],
        cpu: ["60", "3600"],
        fsize: ["1048576", "1048576"],
        nofile: ["64", "128"],
        stack: ["1048576", Seen.limit("self", "stack size")[1]],
        data: Seen.limit("self", "data size")
      })
    })
  )

  it.effect("are enforced: a file too large ends the writer by SIGXFSZ", () =>
    Effect.gen(function* () {
      const writer = sh('f=$(mktemp) && trap "rm -f $f" EXIT && (exec head -c 100000 /dev/zero >"$f"); kill -l $?')
      expect(yield* Process.string(writer.pipe(Command.limits({ fsize: 1000 })))).toBe("XFSZ\n")
    })
  )

  it.effect("of descriptors let the child keep what it was given", () =>
    Effect.gen(function* () {
      const fds = { 3: "null", 200: "null" } as const
      const command = sh("echo /proc/self/fd/*; ulimit -n").pipe(Command.fds(fds), Command.limits({ nofile: 10 }))
      expect(yield* Process.string(command)).toMatch(/\/200\b.*\n10\n$/)
    })
  )

  it.effect("that are raised take privilege, else the error says which, and what to do", () =>
    Effect.gen(function* () {
      const lowered = yield* look(sleep.pipe(Command.limits({ nproc: 5000 })), (pid) => Seen.limit(pid, "processes"))
      expect(lowered).toEqual(["5000", "5000"])
      // A program cannot lower its own limits in Node, but a process that it starts can be one.
      const [, hard] = Seen.limit("self", "open files")
      const above = sleep.pipe(Command.limits({ nofile: Number(hard) + 1 }))
      if (Seen.isCapable(Seen.CAP_SYS_RESOURCE) && Number(hard) < 1 << 20) {
        return expect(yield* look(above, (pid) => Seen.limit(pid, "open files")[1])).toBe(String(Number(hard) + 1))
      }
      const error = yield* refusal(above)
      expect(error).toMatchObject({
        _tag: "SpawnError",
        step: "limits",
        errno: "EPERM",
        reason: { _tag: "Limits", limit: "nofile" }
      })
      return expect(error.message).toBe(
        `cannot start "sleep 1000": cannot set the limit nofile: operation not permitted: the hard limit is ${hard} here, and raising it takes CAP_SYS_RESOURCE, and nobody above fs.nr_open`
      )
    })
  )

  it.effect("that are soft, above a hard limit that is left out, are an error", () =>
    Effect.gen(function* () {
      const [, hard] = Seen.limit("self", "open files")
      const error = yield* refusal(sleep.pipe(Command.limits({ nofile: { soft: Number(hard) + 1 } })))
      expect(error.message).toContain(
        `the soft limit would be above the hard one, which is ${hard} here: give \`hard\` too`
      )
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("priority", (it) => {
  it.effect("is that of the process", () =>
    Effect.gen(function* () {
      const command = sleep.pipe(
        Command.priority({ nice: 18, policy: "batch", io: { bestEffort: 6 } }),
        Command.affinity([0]),
        Command.oomScoreAdjust(500)
      )
      const seen = yield* look(command, (pid) => ({
        nice: Seen.stat(pid, 19),
        policy: Seen.stat(pid, 41),
        cpus: Seen.status(pid, "Cpus_allowed_list"),
        oom: Seen.oomScoreAdjust(pid)
      }))
      expect(seen).toEqual({ nice: 18, policy: 3, cpus: "0", oom: 500 })
      expect(yield* Process.string(sh("ionice").pipe(Command.priority({ io: { bestEffort: 6 } })))).toBe(
        "best-effort: prio 6\n"
      )
      expect(yield* Process.string(sh("ionice").pipe(Command.priority({ io: "idle" })))).toBe("idle\n")
      expect(yield* Process.string(sh("nice").pipe(Command.priority(19)))).toBe("19\n")
    })
  )

  it.effect("names what cannot be had, and why", () =>
    Effect.gen(function* () {
      const missing = yield* refusal(sleep.pipe(Command.affinity([0, 8191])))
      expect(missing).toMatchObject({ step: "limits", errno: "EINVAL", reason: { _tag: "Limits", limit: "affinity" } })
      expect(missing.message).toContain("one of the processors is not there")
      const own = Seen.oomScoreAdjust("self")
      const lowered = sleep.pipe(Command.oomScoreAdjust(own === -1000 ? own : own - 1))
      if (own === -1000 || Seen.isCapable(Seen.CAP_SYS_RESOURCE)) {
        expect(yield* look(lowered, Seen.oomScoreAdjust)).toBe(Math.max(own - 1, -1000))
      } else {
        const error = yield* refusal(lowered)
        expect(error).toMatchObject({ reason: { _tag: "Limits", limit: "oomScoreAdjust" } })
        expect(error.message).toContain("lowering it takes CAP_SYS_RESOURCE; raising it is free")
      }
      const faster = sleep.pipe(Command.priority(-3))
      if (Seen.isCapable(Seen.CAP_SYS_NICE)) return expect(yield* look(faster, (pid) => Seen.stat(pid, 19))).toBe(-3)
      const error = yield* refusal(faster)
      expect(error).toMatchObject({ step: "limits", reason: { _tag: "Limits", limit: "priority.nice" } })
      return expect(error.message).toContain("takes CAP_SYS_NICE or RLIMIT_NICE")
    })
  )
})

const account = (user: string) => Result.getOrThrow(identify({ user }))

layer(Nursery.layer, { excludeTestServices: true })("credentials", (it) => {
  it.effect.skipIf(!isRoot)(
    `by a name alone are the account with all its groups, and nothing of root${needsRoot}`,
    () =>
      Effect.gen(function* () {
        const { group = -1, groups, user = -1 } = account("nobody")
        const command = sleep.pipe(Command.credentials({ user: "nobody" }), Command.cwd("/"))
        const seen = yield* look(command, (pid) => ({
          uid: Seen.ids(pid, "Uid"),
          gid: Seen.ids(pid, "Gid"),
          groups: Seen.groups(pid),
          permitted: Seen.capabilities(pid, "CapPrm"),
          ambient: Seen.capabilities(pid, "CapAmb")
        }))
        expect(seen).toEqual({
          uid: [user, user, user, user],
          gid: [group, group, group, group],
          groups,
          permitted: 0n,
          ambient: 0n
        })
      })
  )

  it.effect.skipIf(!isRoot)(`can keep one capability, and close the way to all others${needsRoot}`, () =>
    Effect.gen(function* () {
      const credentials: Command.Credentials = {
        user: "nobody",
        group: "nogroup",
        groups: [],
        capabilities: { keep: ["CAP_NET_BIND_SERVICE"] },
        noNewPrivileges: true
      }
      const seen = yield* look(sleep.pipe(Command.credentials(credentials), Command.cwd("/")), (pid) => ({
        sets: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((set) => Seen.capabilities(pid, set)),
        groups: Seen.groups(pid),
        locked: Seen.status(pid, "NoNewPrivs")
      }))
      expect(seen).toEqual({ sets: Array(5).fill(1n << 10n), groups: [], locked: "1" })
    })
  )

  it.effect.skipIf(!isRoot)(`leave the environment as it is, unless that of the account is asked for${needsRoot}`, () =>
    Effect.gen(function* () {
      const command = sh('echo "$HOME|$USER|$LOGNAME|$SHELL"').pipe(
        Command.cwd("/"),
        Command.env({ HOME: "/kept", USER: "me", LOGNAME: "me", SHELL: "/bin/x" })
      )
      const nobody = command.pipe(Command.credentials({ user: "nobody" }))
      expect(yield* Process.string(nobody)).toBe("/kept|me|me|/bin/x\n")
      const login = Command.make("/bin/sh", ["-c", 'echo "$HOME|$USER|$LOGNAME|$SHELL"'], {
        cwd: "/",
        env: { SHELL: "/mine" },
        credentials: { user: "nobody", loginEnvironment: true }
      })
      const { HOME } = Object.fromEntries(Result.getOrThrow(identify({ user: "nobody", loginEnvironment: true })).login)
      expect(yield* Process.string(login)).toBe(`${HOME}|nobody|nobody|/mine\n`)
    })
  )

  it.effect.skipIf(!isRoot)(`apply to what is executed and opened: root's own files are out of reach${needsRoot}`, () =>
    Effect.gen(function* () {
      const reads = Command.make("cat", ["/etc/shadow"], { cwd: "/", stderr: "null", credentials: { user: "nobody" } })
      expect(yield* Process.exitStatus(reads)).toMatchObject({ _tag: "Exited", code: 1 })
    })
  )

  it.effect("need no privilege where they change nothing but what may be given up", () =>
    Effect.gen(function* () {
      const credentials: Command.Credentials = {
        user: ownUser,
        group: ownGroup,
        groups: Seen.groups("self"),
        capabilities: { keep: [] },
        noNewPrivileges: true
      }
      const seen = yield* look(sleep.pipe(Command.credentials(credentials)), (pid) => ({
        uid: Seen.ids(pid, "Uid"),
        permitted: Seen.capabilities(pid, "CapPrm"),
        locked: Seen.status(pid, "NoNewPrivs")
      }))
      expect(seen).toEqual({ uid: Array(4).fill(ownUser), permitted: 0n, locked: "1" })
    })
  )

  it.effect("of an unknown user are an error that names the nearest one", () =>
    Effect.gen(function* () {
      const error = yield* refusal(sleep.pipe(Command.credentials({ user: "nobdy" })))
      expect(error).toMatchObject({ _tag: "SpawnError", reason: { _tag: "Credentials", option: "credentials.user" } })
      expect(error.message).toBe(
        'cannot start "sleep 1000": cannot change credentials.user: there is no user "nobdy" in /etc/passwd: did you mean "nobody"?'
      )
    })
  )

  it.effect.skipIf(isRoot)("of another user are an error without privilege, which says what it takes", () =>
    Effect.gen(function* () {
      const error = yield* refusal(sleep.pipe(Command.credentials({ user: "nobody" })))
      expect(error).toMatchObject({
        step: "credentials",
        errno: "EPERM",
        reason: { _tag: "Credentials", option: "credentials.user" }
      })
      expect(error.message).toContain("another user takes CAP_SETUID")
      const bounded = yield* refusal(sleep.pipe(Command.credentials({ capabilities: { drop: ["CAP_NET_RAW"] } })))
      expect(bounded.message).toContain("needs CAP_SETPCAP; without it, ask for noNewPrivileges too")
    })
  )
})

layer(Nursery.layer, { excludeTestServices: true })("random combinations", (it) => {
  const random = Random.make("limits and identity")
  const one = <A>(value: () => A): A | undefined => (random.below(2) === 0 ? undefined : value())
  const isCapable = [Seen.CAP_SETGID, Seen.CAP_SETUID, Seen.CAP_SETPCAP].every(Seen.isCapable)

  const [, hardCore] = Seen.limit("self", "core file size")
  // An ordinary user goes up from what it has, which is not 0 where the tests themselves are run under nice(1).
  const ownNice = Seen.stat(process.pid, 19)
  const mostCore = hardCore === "unlimited" ? Number.POSITIVE_INFINITY : Number(hardCore)

  it.effect("are what the kernel shows, and leave out what is not said", () =>
    Effect.gen(function* () {
      for (let round = 0; round < (Random.isCampaign ? 500 : 25); round++) {
        const nofile = one(() => 16 + random.below(400))
        const core = one(() => random.below(Math.min(mostCore, 1 << 20) + 1))
        const nice = one(() => ownNice + random.below(20 - ownNice))
        const oom = one(() => Seen.oomScoreAdjust("self") + random.below(1001 - Seen.oomScoreAdjust("self")))
        const user = isCapable ? one(() => 20_000 + random.below(10_000)) : undefined
        const groups = isCapable
          ? one(() => Array.from({ length: random.below(5) }, () => 30_000 + random.below(1000)))
          : undefined
        const kept = user === undefined || !isCapable ? undefined : one(() => random.below(1))
        const locked = one(() => true)
        const command = Command.make("sleep", ["1000"], {
          cwd: "/",
          stop: { grace: 0 },
          containment: random.pick(["tree", "group"]),
          priority: { nice },
          oomScoreAdjust: oom,
          limits: { nofile, core: core === undefined ? undefined : { soft: core } },
          credentials: {
            user,
            group: user,
            groups,
            capabilities: kept === undefined ? undefined : { keep: ["CAP_CHOWN"] },
            noNewPrivileges: locked
          }
        })
        const own = {
          nofile: Seen.limit("self", "open files"),
          core: Seen.limit("self", "core file size"),
          nice: ownNice
        }
        const expected = {
          nofile: nofile === undefined ? own.nofile : [`${nofile}`, `${nofile}`],
          core: core === undefined ? own.core : [`${core}`, own.core[1]],
          nice: nice ?? own.nice,
          oom: oom ?? Seen.oomScoreAdjust("self"),
          user: user ?? ownUser,
          group: user ?? ownGroup,
          groups:
            groups === undefined ? (user === undefined ? Seen.groups("self") : []) : groups.toSorted((a, b) => a - b),
          permitted: kept !== undefined ? 1n : user === undefined ? Seen.capabilities("self", "CapPrm") : 0n,
          locked: locked === true ? "1" : Seen.status("self", "NoNewPrivs")
        }
        const seen = yield* look(command, (pid) => ({
          nofile: Seen.limit(pid, "open files"),
          core: Seen.limit(pid, "core file size"),
          nice: Seen.stat(pid, 19),
          oom: Seen.oomScoreAdjust(pid),
          user: Seen.ids(pid, "Uid")[0],
          group: Seen.ids(pid, "Gid")[0],
          groups: Seen.groups(pid),
          permitted: Seen.capabilities(pid, "CapPrm"),
          locked: Seen.status(pid, "NoNewPrivs")
        }))
        expect({ round, ...seen }).toEqual({ round, ...expected })
      }
    })
  )
})

onEveryWay("what is arranged before a start", (it, way) => {
  it.effect.skipIf(!way.lacks.has("setup"))("is refused by name where it cannot be", () =>
    Effect.gen(function* () {
      const options: ReadonlyArray<readonly [name: string, command: Command.Plain]> = [
        ["limits", sleep.pipe(Command.limits({ core: 0 }))],
        ["credentials", sleep.pipe(Command.credentials({ noNewPrivileges: true }))],
        ["priority", sleep.pipe(Command.priority(1))],
        ["affinity", sleep.pipe(Command.affinity([0]))],
        ["oomScoreAdjust", sleep.pipe(Command.oomScoreAdjust(1))]
      ]
      for (const [feature, command] of options) {
        expect(yield* refusal(command)).toMatchObject({ reason: { _tag: "Unsupported", feature } })
      }
    })
  )
})
