/**
 * What the kernel does between processes that it joins, seen from time to time: who waits for whom, and how much has gone through each.
 *
 * @internal
 */
import { type Doing, doing, type Transferred, transferred } from "./doing.ts"
import type { Run } from "./run.ts"
import type { Stage } from "./stage.ts"

/** A process that writes to a pipe, and the one that reads it. */
interface Joint {
  readonly writer: Stage
  readonly reader: Stage
  /** How often it was seen, and how often the reader waited for the writer then. */
  seen: number
  waited: number
}

const isRunning = ({ ended, pid }: Stage): boolean => pid !== undefined && ended === undefined

export class Samples {
  /** As of the last time that the process was seen. */
  readonly transferred = new Map<Stage, Transferred>()
  readonly #run: Run
  readonly #joints: ReadonlyArray<Joint>

  constructor(run: Run) {
    this.#run = run
    this.#joints = run.spec.stages.flatMap(({ _tag, name }, index): ReadonlyArray<Joint> => {
      const next = run.spec.stages[index + 1]
      if (_tag !== "Process" || next?._tag !== "Process") return []
      return [{ writer: run.stage(name), reader: run.stage(next.name), seen: 0, waited: 0 }]
    })
  }

  /** Forgets who has waited for whom. */
  begin(): void {
    for (const joint of this.#joints) {
      joint.seen = 0
      joint.waited = 0
    }
  }

  take(): void {
    if (!this.#run.isReal) return
    const doings = new Map<Stage, Doing | undefined>()
    for (const stage of this.#run.stages.values()) {
      if (!isRunning(stage) || stage.pid === undefined) continue
      doings.set(stage, this.#joints.length === 0 ? undefined : doing(stage.pid))
      const bytes = transferred(stage.pid)
      if (bytes !== undefined) this.transferred.set(stage, bytes)
    }
    for (const joint of this.#joints) {
      const read = doings.get(joint.reader)
      // Where the nursery has no pipes, this program stands between the two and measures itself.
      if (read === undefined || joint.reader.in.isRead) continue
      const written = doings.get(joint.writer)
      // Who polls waits for its input if that is not full; else for something else.
      const waits = read === "reads" || (read === "polls" && written !== undefined && written !== "writes")
      joint.seen++
      if (waits && isRunning(joint.writer)) joint.waited++
    }
  }

  /** How much of the time a process has waited for the one before it, from 0 to 1; `undefined` where nobody knows. */
  waitedFor(reader: Stage): number | undefined {
    const joint = this.#joints.find((each) => each.reader === reader)
    return joint === undefined || joint.seen === 0 ? undefined : joint.waited / joint.seen
  }
}
