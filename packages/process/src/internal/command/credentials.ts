/**
 * Who a process is: what can be said, and what is wrong with it. What names mean is found out when the process is started.
 *
 * @internal
 */

/**
 * User, groups and privileges of a process (`credentials(7)`, `capabilities(7)`). What is left out is that of this program.
 *
 * **Details**
 *
 * Names are looked up in `/etc/passwd` and `/etc/group` at each start, a number stands for itself. Where `user` is given alone, the
 * group is that of its account and the supplementary groups are all that list it, as after a login (`initgroups(3)`). A user by a
 * number that has no account needs a `group`, and has no supplementary groups.
 *
 * A process that becomes another user than root leaves all capabilities behind, but those that `capabilities` keeps.
 *
 * **Gotchas**
 *
 * - Becoming another user takes privilege (`CAP_SETUID`, `CAP_SETGID`), and ending it too (`CAP_KILL`): see `docs/guarantees.md`.
 * - `HOME`, `USER` and `LOGNAME` stay as they are, unless `loginEnvironment` is set.
 * - Accounts that only a directory service knows (LDAP, systemd-homed) are not found by their names: give their numbers.
 * - Files of stdio are opened by the new user.
 */
export interface Credentials {
  readonly user?: string | number | undefined
  readonly group?: string | number | undefined
  /** All supplementary groups; an empty list drops them. */
  readonly groups?: ReadonlyArray<string | number> | undefined
  /**
   * `keep`: these and no others, also across the change of the user and the exec, and no exec gains others (they are the permitted,
   * effective, inheritable, ambient and bounding set). `drop`: all but these. Without privilege (`CAP_SETPCAP`) it takes
   * `noNewPrivileges` too, for the bounding set cannot be changed then.
   */
  readonly capabilities?:
    | { readonly keep: ReadonlyArray<Capability> }
    | { readonly drop: ReadonlyArray<Capability> }
    | undefined
  /** No exec of it or of its descendants gains privileges: set-user-ID programs run without (`PR_SET_NO_NEW_PRIVS`). */
  readonly noNewPrivileges?: boolean | undefined
  /** Sets `HOME`, `USER`, `LOGNAME` and `SHELL` as the account of `user` has them, but for those that `env` names. */
  readonly loginEnvironment?: boolean | undefined
}

/** In the order of their numbers. */
export const capabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE"
] as const

/**
 * A capability, by its name in `capabilities(7)`.
 */
export type Capability = (typeof capabilities)[number]

const numbers: ReadonlyMap<unknown, number> = new Map(capabilities.map((name, number) => [name, number]))

/** The set of capabilities as the kernel takes it. */
export const capabilitySet = (names: ReadonlyArray<Capability>): bigint =>
  names.reduce((set, name) => set | (1n << BigInt(numbers.get(name) ?? 0)), 0n)

/** All ones mean "as it is" to the kernel. */
const largestId = 0xffff_fffe

const idProblem = (id: unknown): string | undefined => {
  if (typeof id === "string") {
    if (id === "") return "is empty"
    return /[:\n\0]/.test(id) ? "is no name: it has a colon, a line break or a NUL character" : undefined
  }
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id <= largestId
    ? undefined
    : "is neither a name nor a number from 0 on"
}

type CredentialsProblem = readonly [keys: ReadonlyArray<string | number>, problem: string]

const capabilitiesProblem = (option: unknown): CredentialsProblem | undefined => {
  const entries = typeof option === "object" && option !== null ? Object.entries(option) : []
  const [mode, names] = entries[0] ?? []
  if (entries.length !== 1 || (mode !== "keep" && mode !== "drop") || !Array.isArray(names)) {
    return [["capabilities"], "is neither { keep: [...] } nor { drop: [...] }"]
  }
  const unknown = names.findIndex((name) => !numbers.has(name))
  return unknown === -1 ? undefined : [["capabilities", mode, unknown], "is no capability: see capabilities(7)"]
}

const known = new Set(["user", "group", "groups", "capabilities", "noNewPrivileges", "loginEnvironment"])

export const credentialsProblem = (credentials: unknown): CredentialsProblem | undefined => {
  if (typeof credentials !== "object" || credentials === null) return [[], "is not an object"]
  const given: { readonly [key: string]: unknown } = { ...credentials }
  const unknown = Object.keys(given).find((key) => !known.has(key))
  if (unknown !== undefined) return [[unknown], `is not known: credentials have ${Array.from(known).join(", ")}`]
  const { groups, loginEnvironment, noNewPrivileges } = given
  for (const key of ["user", "group"]) {
    const problem = given[key] === undefined ? undefined : idProblem(given[key])
    if (problem !== undefined) return [[key], problem]
  }
  if (groups !== undefined) {
    if (!Array.isArray(groups)) return [["groups"], "is not an array"]
    // What the frames to the keeper have room for, and more than any file server passes on.
    if (groups.length > groupsLimit) return [["groups"], `are too many: at most ${groupsLimit}`]
    for (let i = 0; i < groups.length; i++) {
      const problem = idProblem(groups[i])
      if (problem !== undefined) return [["groups", i], problem]
    }
  }
  const wrong = given["capabilities"] === undefined ? undefined : capabilitiesProblem(given["capabilities"])
  if (wrong !== undefined) return wrong
  for (const [key, value] of Object.entries({ noNewPrivileges, loginEnvironment })) {
    if (value !== undefined && typeof value !== "boolean") return [[key], "is not a boolean"]
  }
  return loginEnvironment === true && given["user"] === undefined
    ? [["loginEnvironment"], "is that of an account: give a user too"]
    : undefined
}

export const groupsLimit = 4096
