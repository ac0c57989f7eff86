/** The stage of a test, as the programs that it starts see it. */
import { writeFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Command from "../../../src/Command.ts"
import * as Stdio from "../../../src/Stdio.ts"

const variable = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: this program is started by a test`)
  return value
}

/** A line for the test. */
export const sayNow = (name: string): void => writeFileSync(variable("NURSERY_NEWS"), `${name} ${process.pid}\n`)

export const say = (name: string): Effect.Effect<void> => Effect.sync(() => sayNow(name))

// From the beginning, for the signal may come as soon as the program has said that it is ready.
const ordered = new Promise<void>((resolve) => process.once("SIGUSR2", () => resolve()))

/** Waits for a SIGUSR2, by which the test says that it has seen enough. */
export const order: Effect.Effect<void> = Effect.promise(() => ordered)

/** A command of the words of `actor.c`, which holds the canary. */
export const play = (words: string, actor = variable("NURSERY_ACTOR")) =>
  Command.make(actor, words.split(" "), { fds: { 9: Stdio.append(variable("NURSERY_CANARY")) } })
