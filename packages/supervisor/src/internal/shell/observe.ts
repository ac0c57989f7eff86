/**
 * What is seen of children from outside: logs that say whose they are, a span for each life where somebody traces, metrics.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { showPath } from "../text.ts"

const ready = Metric.gauge("nursery_children_ready", { description: "Children of supervisors that are ready" })
const restarts = Metric.counter("nursery_children_restarts", {
  description: "Restarts of children by their policies",
  incremental: true
})
const uptime = Metric.histogram("nursery_children_uptime_seconds", {
  description: "For how long a child was ready, when it ended",
  boundaries: [0.1, 1, 10, 60, 600, 3_600, 86_400]
})

/** Those of the supervisor at a path. */
export class Metrics {
  readonly #context: Context.Context<never>
  readonly #ready: Metric.Gauge<number>
  readonly #restarts: Metric.Counter<number>
  readonly #uptime: Metric.Histogram<number>

  constructor(path: ReadonlyArray<string>, context: Context.Context<never>) {
    const attributes = { "nursery.supervisor": showPath(path) }
    this.#context = context
    this.#ready = Metric.withAttributes(ready, attributes)
    this.#restarts = Metric.withAttributes(restarts, attributes)
    this.#uptime = Metric.withAttributes(uptime, attributes)
  }

  ready(): void {
    this.#ready.modifyUnsafe(1, this.#context)
  }

  /** `milliseconds`: for how long it was ready. */
  noLongerReady(milliseconds: number): void {
    this.#ready.modifyUnsafe(-1, this.#context)
    this.#uptime.updateUnsafe(milliseconds / 1000, this.#context)
  }

  restarted(): void {
    this.#restarts.updateUnsafe(1, this.#context)
  }
}

/** A life whose logs and spans say whose it is. */
export const observed = <A>(
  life: Effect.Effect<A, unknown, unknown>,
  path: ReadonlyArray<string>,
  incarnation: number
): Effect.Effect<A, unknown, unknown> => {
  const name = showPath(path)
  const logged = Effect.annotateLogs(life, "nursery.child", name)
  return Effect.withFiber((fiber) => {
    // The native tracer, which is there by default, keeps spans to itself.
    if (fiber.cache.tracer === undefined || !fiber.cache.tracerEnabled) return logged
    return Effect.withSpan(logged, `nursery.child ${name}`, {
      attributes: { "nursery.child": name, "nursery.incarnation": incarnation }
    })
  })
}
