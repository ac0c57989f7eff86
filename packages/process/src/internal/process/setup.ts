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
import * as Accounts from "./accounts.ts"

/** `login`: variables of the account that the process gets. */
export interface Setup {
  readonly items: ReadonlyArray<SetupItem>
  readonly login: Accounts.Identity["login"]
}

const nothing: Result.Result<Setup, never> = Result.succeed({ items: [], login: [] })

export const isEmpty = (command: Command.Command): boolean =>
  command.credentials === undefined &&
  command.priority === undefined &&
  command.affinity === undefined &&
  command.oomScoreAdjust === undefined &&
  Object.keys(command.limits).length === 0

/** Whether the meaning of a command depends on more than itself: names may mean something else at the next start. */
export const isLasting = ({ credentials }: Command.Command): boolean =>
  credentials === undefined ||
  (credentials.user === undefined && credentials.group === undefined && credentials.groups === undefined)

/** What is arranged for the process of a command without a problem. */
export const setup = (command: Command.Command): Result.Result<Setup, Credentials> => {
  if (isEmpty(command)) return nothing
  const items: Array<SetupItem> = [...limitItems(command.limits)]
  if (command.priority !== undefined) items.push(...priorityItems(command.priority))
  if (command.affinity !== undefined) items.push({ kind: "affinity", cpus: command.affinity })
  if (command.oomScoreAdjust !== undefined) items.push({ kind: "oomScore", value: command.oomScoreAdjust })
  const wanted = command.credentials
  if (wanted === undefined) return Result.succeed({ items, login: [] })
  return Result.map(Accounts.identify(wanted), ({ group, groups, login, user }) => {
    if (user !== undefined || group !== undefined || groups !== undefined) {
      items.push({ kind: "credentials", user, group, groups })
    }
    if (wanted.capabilities !== undefined)
      items.push(capabilitiesItem(wanted.capabilities, wanted.noNewPrivileges === true))
    if (wanted.noNewPrivileges === true) items.push({ kind: "noNewPrivileges" })
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
