/** @internal */
export { makeUsage as usageOf } from "../usage.ts"
