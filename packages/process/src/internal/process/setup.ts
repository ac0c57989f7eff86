/**
 * From the options of a command that are arranged before its program starts to what a backend needs.
 *
 * @internal
 */
import * as Result from "effect/Result"
import type * as Command from "../../Command.ts"
import type { Credentials } from "../../ProcessError.ts"
import type { SetupItem } from "../backend.ts"
import { capabilitySet } from "../command/credentials.ts"
import { limitItems } from "../command/limits.ts"
import { priorityItems } from "../command/priority.ts"
import { isValue as isFd } from "../fd/value.ts"
import * as Accounts from "./accounts.ts"
import { type Start, sandboxItems, startFiles } from "./rules.ts"

/** `login`: variables of the account that the process gets. */
interface Arranged {
  readonly items: ReadonlyArray<SetupItem>
  readonly login: Accounts.Identity["login"]
}

export interface Setup extends Arranged {
  /** Whether the names and paths of the command mean what they meant then. */
  readonly isCurrent: () => boolean
}

const always = (): boolean => true

const nothing: Result.Result<Setup, never> = Result.succeed({ items: [], login: [], isCurrent: always })

export const isEmpty = (command: Command.Command): boolean =>
  command.credentials === undefined &&
  command.priority === undefined &&
  command.affinity === undefined &&
  command.oomScoreAdjust === undefined &&
  command.sandbox === undefined &&
  command.seccomp === undefined &&
  !takesTerminal(command) &&
  Object.keys(command.limits).length === 0

/** Whether its stdin becomes its controlling terminal. */
const takesTerminal = ({ controllingTerminal, foreground, session, stdin }: Command.Command): boolean =>
  session === "new" && !foreground && (controllingTerminal ?? (isFd(stdin) && stdin.kind === "terminal"))

/** Whether names of users and groups mean what they mean now. */
const accountsStay = ({ credentials }: Command.Command): (() => boolean) => {
  if (credentials === undefined || !Accounts.isLookedUp(credentials)) return always
  const [accounts, groups] = Accounts.known()
  return () => {
    const now = Accounts.known()
    return now[0] === accounts && now[1] === groups
  }
}

const isSame = (some: ReadonlyArray<string>, others: ReadonlyArray<string>): boolean =>
  some.length === others.length && some.every((each, index) => each === others[index])

/** The rules of a sandbox, and whether they would be the same now. */
const sandboxed = (
  sandbox: Command.Sandbox | undefined,
  start: () => Start
): { readonly items: ReadonlyArray<SetupItem>; readonly isCurrent: () => boolean } => {
  if (sandbox === undefined) return { items: [], isCurrent: always }
  const then = start()
  const here = then.absolute(".")
  const files = startFiles(sandbox, then)
  return {
    items: sandboxItems(sandbox, then, files),
    isCurrent: () => {
      const now = start()
      return now.absolute(".") === here && isSame(startFiles(sandbox, now), files)
    }
  }
}

/** What is arranged for the process of a command without a problem. */
export const setup = (command: Command.Command, start: () => Start): Result.Result<Setup, Credentials> => {
  if (isEmpty(command)) return nothing
  const items: Array<SetupItem> = [...limitItems(command.limits)]
  if (command.priority !== undefined) items.push(...priorityItems(command.priority))
  if (command.affinity !== undefined) items.push({ kind: "affinity", cpus: command.affinity })
  if (command.oomScoreAdjust !== undefined) items.push({ kind: "oomScore", value: command.oomScoreAdjust })
  const accounts = accountsStay(command)
  return Result.map(identity(command), ({ items: identified, login }) => {
    items.push(...identified)
    if (
      command.credentials?.noNewPrivileges === true ||
      command.sandbox !== undefined ||
      command.seccomp !== undefined
    ) {
      items.push({ kind: "noNewPrivileges" })
    }
    if (takesTerminal(command)) items.push({ kind: "terminal", target: 0 })
    const sandbox = sandboxed(command.sandbox, start)
    items.push(...sandbox.items)
    if (command.seccomp !== undefined) items.push({ kind: "filter", instructions: command.seccomp })
    return { items, login, isCurrent: () => accounts() && sandbox.isCurrent() }
  })
}

const identity = ({ credentials, sandbox, seccomp }: Command.Command): Result.Result<Arranged, Credentials> => {
  if (credentials === undefined) return nothing
  // With it nothing can be gained by what stays in the bounding set.
  const bounded = credentials.noNewPrivileges === true || sandbox !== undefined || seccomp !== undefined
  return Result.map(Accounts.identify(credentials), ({ group, groups, login, user }) => {
    const items: Array<SetupItem> = []
    if (user !== undefined || group !== undefined || groups !== undefined) {
      items.push({ kind: "credentials", user, group, groups })
    }
    if (credentials.capabilities !== undefined) items.push(capabilitiesItem(credentials.capabilities, bounded))
    return { items, login }
  })
}

const capabilitiesItem = (
  capabilities: NonNullable<Command.Credentials["capabilities"]>,
  bounded: boolean
): SetupItem =>
  "keep" in capabilities
    ? { kind: "capabilities", mode: "keep", set: capabilitySet(capabilities.keep), bounded }
    : { kind: "capabilities", mode: "drop", set: capabilitySet(capabilities.drop), bounded }
