/**
 * What is known of a stage while its pipeline runs.
 *
 * @internal
 */
import type { ExitStatus } from "@nursery/process"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import type { StageBase, StageKind, StageReport } from "../Report.ts"
import type { StageSpec } from "./spec.ts"
import type { End, Ended, Judged } from "./verdict.ts"

/** What has passed one place of a pipeline, as far as this program sees it. */
export class Flow {
  bytes: number | undefined
  records: number | undefined
  /** Somebody has begun to read. */
  isRead = false
  /** Milliseconds that were spent waiting for what comes before, and since when that is so. */
  #waited = 0
  #since: number | undefined

  waits(): void {
    this.isRead = true
    this.#since ??= performance.now()
  }

  goesOn(): void {
    if (this.#since === undefined) return
    this.#waited += performance.now() - this.#since
    this.#since = undefined
  }

  get waited(): number {
    return this.#waited + (this.#since === undefined ? 0 : performance.now() - this.#since)
  }

  add(chunk: ReadonlyArray<unknown>): void {
    if (chunk[0] instanceof Uint8Array) {
      let sum = 0
      for (const bytes of chunk) if (bytes instanceof Uint8Array) sum += bytes.length
      this.bytes = (this.bytes ?? 0) + sum
    } else this.records = (this.records ?? 0) + chunk.length
  }
}

export class Stage {
  readonly name: string
  readonly kind: StageKind
  /** The stage that reads what it writes. */
  reader: string | undefined
  /** It may be killed for that nobody reads it: the kernel joins it to another process, or this program has had enough of it. */
  isCut = false
  readonly in = new Flow()
  readonly out = new Flow()
  started: number | undefined
  ended: number | undefined
  end: End | undefined
  /** Which of the ends of the pipeline it was. */
  rank = Number.POSITIVE_INFINITY
  error: unknown
  pid: number | undefined
  exit: ExitStatus.ProcessExit | undefined
  /** What its process has used until now. */
  usage: Effect.Effect<ExitStatus.ResourceUsage, unknown> | undefined
  /** Where somebody traces. */
  span: Tracer.Span | undefined

  constructor(spec: StageSpec) {
    this.name = spec.name
    this.kind = spec._tag === "Process" ? "process" : "typed"
  }

  get asEnded(): Ended {
    const { end, isCut, name, rank, reader } = this
    return { name, end, rank, reader, isCut, isStarted: this.started !== undefined }
  }

  report(judged: Judged, now: number): StageReport {
    const { started } = this
    const base: StageBase = {
      name: this.name,
      outcome: judged.outcome,
      cause: judged.cause,
      error: this.error,
      started,
      duration: started === undefined ? undefined : Duration.millis((this.ended ?? now) - started),
      bytesIn: this.in.bytes,
      bytesOut: this.out.bytes,
      recordsIn: this.in.records,
      recordsOut: this.out.records
    }
    return this.kind === "process"
      ? { ...base, kind: "process", pid: this.pid, exit: this.exit }
      : { ...base, kind: "typed" }
  }
}
