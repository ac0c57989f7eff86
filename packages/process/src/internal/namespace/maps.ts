/**
 * The maps of a user namespace, which are written from outside as soon as there is a process in it: by this program where it may, else by
 * newuidmap(1) and newgidmap(1), which allow what /etc/subuid and /etc/subgid grant.
 *
 * @internal
 */
import { readFileSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import * as Effect from "effect/Effect"
import * as Command from "../../Command.ts"
import type { IdMaps, IdRange, Options } from "../../Namespace.ts"
import type { Nursery } from "../../Nursery.ts"
import { type KeeperLost, NamespaceSetup } from "../../ProcessError.ts"
import type { SetupItem } from "../backend.ts"
import * as OneShots from "../process/oneshots.ts"

export const isMaps = (user: Options["user"]): user is IdMaps =>
  typeof user === "object" && "users" in user && "groups" in user

/** The kernel takes no longer maps. */
const longestMap = 340
/** All ones are no id. */
const noId = 0xffff_ffff

const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < noId

const countOf = ({ count = 1 }: IdRange): number => count

const isRange = (range: IdRange): boolean => {
  const rest = countOf(range) - 1
  return rest >= 0 && [range.inside, range.outside].every((first) => isId(first) && isId(first + rest))
}

const meet = (one: IdRange, other: IdRange, side: "inside" | "outside"): boolean =>
  one[side] < other[side] + countOf(other) && other[side] < one[side] + countOf(one)

const doMeet = (ranges: ReadonlyArray<IdRange>): boolean =>
  ranges.some((one, index) =>
    ranges.slice(index + 1).some((other) => meet(one, other, "inside") || meet(one, other, "outside"))
  )

/** What no kernel would take, which says EINVAL for all of it. */
export const problemOf = (maps: IdMaps): string | undefined => {
  for (const which of ["users", "groups"] as const) {
    const ranges = maps[which]
    if (ranges.length === 0) return `\`${which}\` maps nobody`
    if (ranges.length > longestMap) return `\`${which}\` has more than ${longestMap} ranges`
    const bad = ranges.find((range) => !isRange(range))
    if (bad !== undefined) return `\`${which}\` has a range that is none of ids: ${JSON.stringify(bad)}`
    if (doMeet(ranges)) return `the ranges of \`${which}\` overlap`
  }
  return undefined
}

const kinds = [
  { which: "groups", file: "gid_map", program: "newgidmap", grants: "/etc/subgid" },
  { which: "users", file: "uid_map", program: "newuidmap", grants: "/etc/subuid" }
] as const

type Kind = (typeof kinds)[number]

/** The name of the error, `undefined` when it is done. */
const writeDirectly = (pid: number, { file }: Kind, ranges: ReadonlyArray<IdRange>): string | undefined => {
  const text = ranges.map((range) => `${range.inside} ${range.outside} ${countOf(range)}\n`).join("")
  try {
    writeFileSync(`/proc/${pid}/${file}`, text)
    return undefined
  } catch (error) {
    return error instanceof Error && "code" in error ? `${error.code}` : "EIO"
  }
}

const failed = (errno: string, problem: string): NamespaceSetup =>
  new NamespaceSetup({ namespace: "user", step: "map", errno, problem })

const linesOf = (path: string): ReadonlyArray<string> => {
  try {
    return readFileSync(path, "utf8").split("\n")
  } catch {
    return []
  }
}

/** What this program's user may map besides itself. */
const grantsOf = ({ grants }: Kind): string => {
  const { uid, username } = userInfo()
  const own = linesOf(grants)
    .map((line) => line.split(":"))
    .filter(([name]) => name === username || name === `${uid}`)
  if (own.length === 0) {
    return `${grants} grants nothing to ${username}: add a line such as ${username}:100000:65536 to it, or run this program as root`
  }
  const ranges = own.map(([, first, count]) => `${first} to ${Number(first) + Number(count) - 1}`)
  return `${grants} grants ${ranges.join(", ")} to ${username}`
}

const writeByProgram = (
  pid: number,
  kind: Kind,
  ranges: ReadonlyArray<IdRange>
): Effect.Effect<void, NamespaceSetup | KeeperLost, Nursery> => {
  const words = [pid, ...ranges.flatMap((range) => [range.inside, range.outside, countOf(range)])]
  const missing = `only ${kind.program} maps other ids for an ordinary user, and it is not installed: on Debian \`apt install uidmap\`, or run this program as root`
  return OneShots.run(Command.make(kind.program, words.map(String), { cwd: "/" })).pipe(
    Effect.asVoid,
    Effect.catchTags({
      SpawnError: ({ errno = "EIO", message, reason }) =>
        Effect.fail(reason._tag === "ProgramNotFound" ? failed("EPERM", missing) : failed(errno, message)),
      ExitError: ({ stderr }) => {
        const said = stderr.trim().replace(`${kind.program}: `, "")
        return Effect.fail(failed("EPERM", `${kind.program} says: ${said}; ${grantsOf(kind)}`))
      },
      OutputTooLarge: ({ message }) => Effect.fail(failed("EIO", message))
    })
  )
}

/** Of the user namespace that a process is in, which has none yet. */
export const write = (pid: number, maps: IdMaps): Effect.Effect<void, NamespaceSetup | KeeperLost, Nursery> =>
  Effect.forEach(
    kinds,
    (kind) =>
      Effect.suspend(() => {
        const ranges = maps[kind.which]
        const errno = writeDirectly(pid, kind, ranges)
        if (errno === undefined) return Effect.void
        if (errno === "EPERM" || errno === "EACCES") return writeByProgram(pid, kind, ranges)
        return Effect.fail(failed(errno, `the kernel refuses the map of \`${kind.which}\``))
      }),
    { discard: true }
  )

const isMapped = (ranges: ReadonlyArray<IdRange>, outside: number): boolean =>
  ranges.some((range) => range.outside <= outside && outside < range.outside + countOf(range))

/** Who is not mapped would be nobody in there, and becomes the first of those that are. */
export const identity = ({ groups, users }: IdMaps): ReadonlyArray<SetupItem> =>
  isMapped(users, process.geteuid?.() ?? 0) && isMapped(groups, process.getegid?.() ?? 0)
    ? []
    : [{ kind: "credentials", user: users[0]?.inside, group: groups[0]?.inside, groups: [] }]
