/**
 * Supervision trees of processes and fibers, restarted by Schedules that see typed failures.
 */
export type { ChildExit, ProcessFailure } from "./ChildExit.ts"
