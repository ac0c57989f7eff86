/**
 * Operating-system processes as scoped resources: nothing that a scope started outlives it.
 */
export type * as Backend from "./Backend.ts"
export * as Command from "./Command.ts"
export * as ExitStatus from "./ExitStatus.ts"
export * as Expect from "./Expect.ts"
export * from "./ExpectError.ts"
export * as Fd from "./Fd.ts"
export * from "./FdError.ts"
export * as Namespace from "./Namespace.ts"
export * as Nursery from "./Nursery.ts"
export * as Process from "./Process.ts"
export * from "./ProcessError.ts"
export * as Signal from "./Signal.ts"
export * as Stdio from "./Stdio.ts"
