/** What the tests of terminals share. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Command from "../../src/Command.ts"
import type * as Fd from "../../src/Fd.ts"
import * as Proc from "../support/proc.ts"

type Terminal = Fd.Fd<"duplex", "terminal">

/** All three standard streams. */
export const on = (terminal: Terminal) => ({ stdin: terminal, stdout: terminal, stderr: terminal })

export const sh = (script: string, options: Omit<Command.Options<Terminal, Terminal, Terminal>, "fds">) =>
  Command.make("sh", ["-c", script], options)

export const failure = <A, E>(exit: Exit.Exit<A, E>): E | undefined =>
  Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined

/** The relays of a keeper, oldest first. */
export const relays = (keeper: number): ReadonlyArray<number> =>
  Proc.table()
    .filter(({ name, parent }) => parent === keeper && name === "nursery-relay")
    .toSorted((one, other) => one.startTime - other.startTime || one.pid - other.pid)
    .map(({ pid }) => pid)

/** For programs that draw. */
export const screen = { TERM: "xterm", LESS: undefined, LINES: undefined, COLUMNS: undefined }

/** Of a dialogue: only what never comes takes it. */
export const patience = { timeout: "100 seconds" } as const
