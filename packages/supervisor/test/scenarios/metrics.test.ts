/** What metrics tell of a tree. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Child from "../../src/Child.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"
import { stands } from "../support/observed.ts"
import { Troupe } from "../support/troupe.ts"

/** The values of a metric of the supervisor "counted", by the attribute given, or as one. */
const valuesOf = (id: string, by?: string) =>
  Effect.map(Metric.snapshot, (all) =>
    Object.fromEntries(
      all
        .filter((metric) => metric.id === id && metric.attributes?.["nursery.supervisor"] === "counted")
        .map(({ attributes, state }) => [by === undefined ? "all" : attributes?.[by], state])
    )
  )

it.effect("metrics count children by how they stand, restarts and uptimes", () =>
  Effect.gen(function* () {
    const troupe = new Troupe()
    const [a, b] = [troupe.actor("a"), troupe.actor("b")]
    const steady = { ready: Ready.immediate } as const
    const tree = Supervisor.make("counted", [Child.effect("a", a.play, steady), Child.effect("b", b.play, steady)])
    yield* Effect.scoped(
      Effect.gen(function* () {
        const running = yield* Supervisor.start(tree)
        expect(yield* valuesOf("nursery_children", "nursery.status")).toMatchObject({ ready: { value: 2 } })
        yield* a.fails
        yield* troupe.hears("a starts", 2)
        yield* stands(running, "a", "ready", 2)
        yield* b.ends("done")
        yield* stands(running, "b", "completed")
        const children = yield* valuesOf("nursery_children", "nursery.status")
        expect(children).toMatchObject({ ready: { value: 1 }, completed: { value: 1 }, waiting: { value: 0 } })
        expect(yield* valuesOf("nursery_children_restarts")).toMatchObject({ all: { count: 1 } })
        expect(yield* valuesOf("nursery_children_uptime_seconds")).toMatchObject({ all: { count: 2 } })
      })
    )
    const left = yield* valuesOf("nursery_children", "nursery.status")
    for (const state of Object.values(left)) expect(state).toMatchObject({ value: 0 })
  })
)
