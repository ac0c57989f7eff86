/** What waiting for a child leaves behind. */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Child from "../../src/Child.ts"
import { specOf } from "../../src/internal/child.ts"
import { Hub, makePubSub } from "../../src/internal/shell/hub.ts"
import { runningOf } from "../../src/internal/shell/running.ts"
import { Tree } from "../../src/internal/shell/tree.ts"
import * as Ready from "../../src/Ready.ts"
import * as Supervisor from "../../src/Supervisor.ts"

const spec = specOf(Supervisor.make("app", [Child.effect("a", Effect.never, { ready: Ready.immediate })]))

it.effect("whoever waits for the end of a child is forgotten when it has come, or is waited for no longer", () =>
  Effect.gen(function* () {
    if (spec.kind !== "supervisor") throw new Error("no supervisor")
    const tree = new Tree(spec, ["app"], new Hub(yield* makePubSub), yield* Effect.context<never>())
    yield* Effect.addFinalizer(() => tree.close)
    tree.begin()
    const running = runningOf(tree)
    const waiters = () => tree.entry("a")?.changes.count
    const first = yield* Effect.forkChild(running.ended(["a"]), { startImmediately: true })
    const second = yield* Effect.forkChild(running.ended(["a"]), { startImmediately: true })
    expect(waiters()).toBe(2)
    yield* Fiber.interrupt(first)
    expect(waiters()).toBe(1)
    yield* running.ask("stop", ["a"])
    expect(yield* Fiber.join(second)).toMatchObject({ _tag: "Died" })
    expect(waiters()).toBe(0)
    expect(yield* running.ended(["a"])).toMatchObject({ _tag: "Died" })
    expect(waiters()).toBe(0)
  })
)
