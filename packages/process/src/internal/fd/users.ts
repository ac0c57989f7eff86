/**
 * Numbers of users and groups by their names.
 *
 * Node has no getpwnam(3). `/etc/passwd` and `/etc/group` have nearly all; `getent` asks the other places that a machine may have
 * (`nsswitch.conf(5)`).
 *
 * @internal
 */
import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"

export type Database = "passwd" | "group"

const numberIn = (text: string, name: string): number | undefined => {
  for (const line of text.split("\n")) {
    const [key, , number] = line.split(":")
    if (key === name && number !== undefined && /^\d+$/.test(number)) return Number(number)
  }
  return undefined
}

const asked = (database: Database, name: string): Promise<string> =>
  new Promise((resolve) => {
    execFile("getent", [database, "--", name], { timeout: 5_000 }, (_error, stdout) => resolve(stdout))
  })

/** `undefined` where there is none of that name. */
export const numberOf = async (database: Database, name: string): Promise<number | undefined> => {
  const text = await readFile(`/etc/${database}`, "utf8").catch(() => "")
  return numberIn(text, name) ?? numberIn(await asked(database, name), name)
}
