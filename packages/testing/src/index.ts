/**
 * Simulated processes in virtual time, and faults for real ones.
 */
export * as Faults from "./Faults.ts"
export * as Program from "./Program.ts"
export * as TestNursery from "./TestNursery.ts"
