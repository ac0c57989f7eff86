/**
 * What the names of users and groups mean: `/etc/passwd` and `/etc/group`, read when a process is started and kept until they
 * change.
 *
 * @internal
 */
import * as Fs from "node:fs"
import * as Result from "effect/Result"
import { Credentials } from "../../ProcessError.ts"
import { groupsLimit, type Credentials as Wanted } from "../command/credentials.ts"
import { nearest } from "../text.ts"

/** A line of passwd(5). */
export interface Account {
  readonly name: string
  readonly user: number
  readonly group: number
  readonly home: string
  readonly shell: string
}

/** A line of group(5). */
export interface Group {
  readonly name: string
  readonly group: number
  readonly members: ReadonlyArray<string>
}

const isId = (text: string | undefined): text is string => text !== undefined && /^[0-9]+$/.test(text)

/** The accounts of a text; lines that are none, such as those of NIS, are passed over. */
export const parseAccounts = (text: string): ReadonlyArray<Account> =>
  text.split("\n").flatMap((line) => {
    const [name = "", , user, group, , home = "", shell = ""] = line.split(":")
    if (name === "" || !isId(user) || !isId(group)) return []
    return [{ name, user: Number(user), group: Number(group), home, shell: shell === "" ? "/bin/sh" : shell }]
  })

export const parseGroups = (text: string): ReadonlyArray<Group> =>
  text.split("\n").flatMap((line) => {
    const [name = "", , group, members = ""] = line.split(":")
    if (name === "" || !isId(group)) return []
    return [{ name, group: Number(group), members: members.split(",").filter((member) => member !== "") }]
  })

/** What a file contains, read again when it is another one or has changed. */
const lasting = <A>(path: string, parse: (text: string) => A) => {
  let stamp = ""
  let known: A | undefined
  return (): A => {
    try {
      const { ctimeMs, ino, mtimeMs, size } = Fs.statSync(path)
      const now = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
      if (known === undefined || now !== stamp) {
        known = parse(Fs.readFileSync(path, "utf8"))
        stamp = now
      }
      return known
    } catch {
      // A system without the file knows numbers only.
      known = undefined
      return parse("")
    }
  }
}

const accounts = lasting("/etc/passwd", parseAccounts)
const groups = lasting("/etc/group", parseGroups)

/** What the system knows of accounts and groups: the same two things until that changes. */
export const known = (): readonly [ReadonlyArray<Account>, ReadonlyArray<Group>] => [accounts(), groups()]

/** What names and numbers come to; `undefined` stays as it is. */
export interface Identity {
  readonly user: number | undefined
  readonly group: number | undefined
  readonly groups: ReadonlyArray<number> | undefined
  readonly login: ReadonlyArray<readonly [name: string, value: string]>
}

type Looked<A> = Result.Result<A, Credentials>

const failed = (option: string, problem: string): Looked<never> => Result.fail(new Credentials({ option, problem }))

const unknown = (option: string, kind: "user" | "group", name: string, names: ReadonlyArray<string>): Looked<never> => {
  const file = kind === "user" ? "/etc/passwd" : "/etc/group"
  const near = nearest(name, names)
  const advice =
    near === undefined
      ? `create it, or give its number if only a directory service knows it`
      : `did you mean ${JSON.stringify(near)}?`
  return failed(option, `there is no ${kind} ${JSON.stringify(name)} in ${file}: ${advice}`)
}

const accountOf = (user: string | number): Looked<Account | undefined> => {
  const all = accounts()
  if (typeof user === "number") return Result.succeed(all.find((account) => account.user === user))
  const found = all.find((account) => account.name === user)
  return found === undefined
    ? unknown(
        "credentials.user",
        "user",
        user,
        all.map(({ name }) => name)
      )
    : Result.succeed(found)
}

const groupOf = (option: string, group: string | number): Looked<number> => {
  if (typeof group === "number") return Result.succeed(group)
  const all = groups()
  const found = all.find(({ name }) => name === group)
  return found === undefined
    ? unknown(
        option,
        "group",
        group,
        all.map(({ name }) => name)
      )
    : Result.succeed(found.group)
}

const listedGroups = (account: Account | undefined, group: number): ReadonlyArray<number> => {
  if (account === undefined) return []
  const listing = groups().filter(({ members }) => members.includes(account.name))
  return Array.from(new Set([group, ...listing.map((each) => each.group)]))
}

const loginOf = ({ home, name, shell }: Account): Identity["login"] => [
  ["HOME", home],
  ["USER", name],
  ["LOGNAME", name],
  ["SHELL", shell]
]

const primaryOf = (wanted: Wanted, account: Account | undefined): Looked<number | undefined> => {
  if (wanted.group !== undefined) return groupOf("credentials.group", wanted.group)
  if (wanted.user === undefined || account !== undefined) return Result.succeed(account?.group)
  return failed(
    "credentials.user",
    `user ${wanted.user} has no account in /etc/passwd, so its group is not known: give group too`
  )
}

const isName = (id: unknown): boolean => typeof id === "string"

/** Whether the files are asked at all: numbers alone stand for themselves. */
export const isLookedUp = ({ group, groups, loginEnvironment, user }: Wanted): boolean =>
  isName(user) ||
  isName(group) ||
  groups?.some(isName) === true ||
  loginEnvironment === true ||
  (user !== undefined && (group === undefined || groups === undefined))

/** What the credentials of a command come to, here and now. */
export const identify = (wanted: Wanted): Looked<Identity> =>
  Result.gen(function* () {
    const account = wanted.user === undefined || !isLookedUp(wanted) ? undefined : yield* accountOf(wanted.user)
    const user = typeof wanted.user === "number" ? wanted.user : account?.user
    const group = yield* primaryOf(wanted, account)
    let all: ReadonlyArray<number> | undefined
    if (wanted.groups !== undefined) {
      const given: Array<number> = []
      for (const [index, each] of wanted.groups.entries())
        given.push(yield* groupOf(`credentials.groups[${index}]`, each))
      all = given
    } else if (user !== undefined && group !== undefined) {
      all = listedGroups(account, group)
      if (all.length > groupsLimit) {
        return yield* failed(
          "credentials.user",
          `the account is in ${all.length} groups, more than ${groupsLimit}: give groups`
        )
      }
    }
    if (wanted.loginEnvironment !== true) return { user, group, groups: all, login: [] }
    if (account === undefined) {
      return yield* failed(
        "credentials.loginEnvironment",
        `user ${wanted.user} has no account in /etc/passwd that could say its HOME: set it by env`
      )
    }
    return { user, group, groups: all, login: loginOf(account) }
  })
