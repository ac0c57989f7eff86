/**
 * What is seen of children from outside: logs that say whose they are, a span for each life where somebody traces, metrics.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import type { Status } from "../../SupervisorEvent.ts"
import { showPath } from "../text.ts"

const children = { description: "Children of supervisors, by how they stand" }
const restarts = { description: "Restarts of children by their policies", incremental: true }
const uptime = {
  description: "For how long a child was ready, when it ended",
  boundaries: [0.1, 1, 10, 60, 600, 3_600, 86_400]
}

/**
 * Those of the supervisor at a path. They have their attributes from the start: with `Metric.withAttributes` each update would
 * put together anew which one it is for, and several are made for every restart.
 */
export class Metrics {
  readonly #context: Context.Context<never>
  readonly #attributes: Readonly<Record<string, string>>
  readonly #children = new Map<Status, Metric.Gauge<number>>()
  readonly #restarts: Metric.Counter<number>
  readonly #uptime: Metric.Histogram<number>

  constructor(path: ReadonlyArray<string>, context: Context.Context<never>) {
    this.#context = context
    const attributes = { "nursery.supervisor": showPath(path) }
    this.#attributes = attributes
    this.#restarts = Metric.counter("nursery_children_restarts", { ...restarts, attributes })
    this.#uptime = Metric.histogram("nursery_children_uptime_seconds", { ...uptime, attributes })
  }

  /** A child stands differently; `undefined` before it is there, and after it has gone. */
  stands(before: Status | undefined, now: Status | undefined): void {
    if (before !== undefined) this.#childrenThat(before).modifyUnsafe(-1, this.#context)
    if (now !== undefined) this.#childrenThat(now).modifyUnsafe(1, this.#context)
  }

  /** One has ended that was ready for so many milliseconds. */
  wasReady(milliseconds: number): void {
    this.#uptime.updateUnsafe(milliseconds / 1000, this.#context)
  }

  restarted(): void {
    this.#restarts.updateUnsafe(1, this.#context)
  }

  #childrenThat(status: Status): Metric.Gauge<number> {
    const known = this.#children.get(status)
    if (known !== undefined) return known
    const attributes = { ...this.#attributes, "nursery.status": status }
    const gauge = Metric.gauge("nursery_children", { ...children, attributes })
    this.#children.set(status, gauge)
    return gauge
  }
}

/** A context in which logs say whose they are. */
export const annotated = (context: Context.Context<never>, path: ReadonlyArray<string>): Context.Context<never> =>
  Context.add(context, References.CurrentLogAnnotations, {
    ...Context.get(context, References.CurrentLogAnnotations),
    "nursery.child": showPath(path)
  })

/** A life with a span that says whose it is. */
export const traced = <A>(
  life: Effect.Effect<A, unknown, unknown>,
  path: ReadonlyArray<string>,
  incarnation: number
): Effect.Effect<A, unknown, unknown> =>
  Effect.withFiber((fiber) => {
    // The native tracer, which is there by default, keeps spans to itself.
    if (fiber.cache.tracer === undefined || !fiber.cache.tracerEnabled) return life
    const name = showPath(path)
    return Effect.withSpan(life, `nursery.child ${name}`, {
      attributes: { "nursery.child": name, "nursery.incarnation": incarnation }
    })
  })
