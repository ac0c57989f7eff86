/**
 * Supervision trees of processes and fibers, restarted by Schedules that see typed failures.
 */
export * as Child from "./Child.ts"
export * from "./ChildError.ts"
export type { ChildExit, ProcessFailure } from "./ChildExit.ts"
export * as Liveness from "./Liveness.ts"
export * as Ready from "./Ready.ts"
export * as Restart from "./Restart.ts"
export * as Running from "./Running.ts"
export * as Supervisor from "./Supervisor.ts"
export * from "./SupervisorError.ts"
export * from "./SupervisorEvent.ts"
