/**
 * What others get to see of a run: a span for each stage where somebody traces, and metrics.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import type { Report, StageReport } from "../Report.ts"
import type { Stage } from "./stage.ts"

const ended = Metric.counter("nursery_pipeline_stages", {
  description: "Stages of pipelines that have ended",
  incremental: true
})
const bytesOut = Metric.counter("nursery_pipeline_bytes", {
  description: "Bytes out of stages, as far as the program saw them",
  incremental: true
})
const recordsOut = Metric.counter("nursery_pipeline_records", {
  description: "Records out of stages",
  incremental: true
})

/** Starts a stage in a span of its own; the native tracer, which is there by default, keeps spans to itself and gets none. */
export const traced = <A, E, R>(stage: Stage, start: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    if (fiber.cache.tracer === undefined || !fiber.cache.tracerEnabled) return start
    const attributes = { "pipeline.stage": stage.name, "pipeline.stage.kind": stage.kind }
    return Effect.flatMap(Effect.makeSpan(`stage ${stage.name}`, { attributes }), (span) => {
      stage.span = span
      return Effect.withParentSpan(start, span)
    })
  })

/** When all stages have ended. */
export const tell = (report: Report, stages: ReadonlyMap<string, Stage>): Effect.Effect<void> =>
  Effect.forEach(
    Object.values(report.stages),
    (stage) => {
      endSpan(stage, stages.get(stage.name))
      return count(stage)
    },
    { discard: true }
  )

const count = ({ bytesOut: bytes, name, outcome, recordsOut: records }: StageReport): Effect.Effect<void> => {
  const of = { stage: name }
  return Metric.update(Metric.withAttributes(ended, { ...of, outcome }), 1).pipe(
    Effect.andThen(bytes === undefined ? Effect.void : Metric.update(Metric.withAttributes(bytesOut, of), bytes)),
    Effect.andThen(records === undefined ? Effect.void : Metric.update(Metric.withAttributes(recordsOut, of), records))
  )
}

const endSpan = (report: StageReport, stage: Stage | undefined): void => {
  const span = stage?.span
  if (span === undefined) return
  span.attribute("pipeline.stage.outcome", report.outcome)
  for (const key of ["bytesIn", "bytesOut", "recordsIn", "recordsOut"] as const) {
    if (report[key] !== undefined) span.attribute(`pipeline.stage.${key}`, report[key])
  }
  const milliseconds = (report.started ?? 0) + (report.duration === undefined ? 0 : Duration.toMillis(report.duration))
  span.end(BigInt(Math.round(milliseconds * 1e6)), report.outcome === "failed" ? Exit.fail(report.error) : Exit.void)
}
