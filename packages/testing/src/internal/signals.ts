/**
 * What signals do to a process that has said nothing about them (`signal(7)`).
 *
 * @internal
 */
import { Signal } from "@nursery/process"

export type Action = "terminate" | "ignore" | "stop" | "continue"

export const SIGKILL = Signal.toNumber("SIGKILL")
export const SIGPIPE = Signal.toNumber("SIGPIPE")
export const SIGCONT = Signal.toNumber("SIGCONT")
const SIGSTOP = Signal.toNumber("SIGSTOP")

const named = (...names: ReadonlyArray<Signal.Signal>): ReadonlySet<number> => new Set(names.map(Signal.toNumber))

const ignored = named("SIGCHLD", "SIGURG", "SIGWINCH")
const stopping = named("SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU")

export const defaultAction = (signal: number): Action => {
  if (signal === SIGCONT) return "continue"
  if (stopping.has(signal)) return "stop"
  return ignored.has(signal) ? "ignore" : "terminate"
}

/** Whether a process may ignore or handle it. */
export const isCatchable = (signal: number): boolean => signal !== SIGKILL && signal !== SIGSTOP
