/**
 * What a program gets to know of the process that plays it.
 *
 * @internal
 */
import * as Context from "effect/Context"
import type { SimulatedProcess } from "./process.ts"

export class Self extends Context.Service<
  Self,
  {
    readonly pid: number
    /** All of it, the name of the program first. */
    readonly argv: ReadonlyArray<string>
    readonly env: Readonly<Record<string, string>>
    readonly cwd: string
    /** @internal */
    readonly internal: SimulatedProcess
  }
>()("@nursery/testing/Program/Self") {}
