/**
 * Nursery among the supervisors: programs of `contenders/services`, run as a user would who has installed the packages.
 */
import { join } from "node:path"
import type { Installed } from "../../harness/installed.ts"
import type { Supervisor } from "../../harness/supervised.ts"

interface Variant {
  /** With Node's compile cache, as it is from the second start on. */
  readonly cached?: boolean
  /** Asked to collect its garbage before its memory is measured. */
  readonly collects?: boolean
}

const run =
  (installed: Installed, name: string, { cached, collects }: Variant): Supervisor["prepare"] =>
  (_folder, program, services) => ({
    program: process.execPath,
    args: [...(collects === true ? ["--expose-gc"] : []), installed.program(name), program, String(services)],
    env:
      cached === true ? { NODE_COMPILE_CACHE: join(installed.folder, "cache") } : { NODE_DISABLE_COMPILE_CACHE: "1" },
    end: "SIGTERM",
    collects: collects === true,
    services: "has ended all of them before"
  })

export const tree = (installed: Installed, variant: Variant = {}): Supervisor => ({
  who: "Nursery, a supervisor",
  ours: true,
  prepare: run(installed, "services/nursery_tree", variant)
})

/** The least that a supervisor on Nursery can cost. */
export const spawnAlone = (installed: Installed, variant: Variant = {}): Supervisor => ({
  who: "Nursery, Process.spawn in a loop",
  ours: true,
  prepare: run(installed, "services/nursery_spawn", variant)
})
