/** What the compiler knows of simulated programs. */
import type { Nursery } from "@nursery/process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { expectTypeOf, it } from "vitest"
import { Faults, Program, TestNursery } from "../src/index.ts"

class Paper extends Context.Service<Paper, { readonly size: string }>()("test/Paper") {}

type Provided = Nursery.Nursery | TestNursery.TestNursery

it("requires nothing for programs that only play", () => {
  const layer = TestNursery.layer({
    one: Program.runs,
    two: Program.steps(Program.sleep("1 second"), Program.exit(1)),
    three: ({ nth }) => (nth === 1 ? Program.cannotStart("ENOENT") : Program.cat),
    four: Effect.fail("crash"),
    five: Program.onSignal("SIGTERM", Program.fork(Program.runs))
  })
  expectTypeOf(layer).toEqualTypeOf<Layer.Layer<Provided>>()
  expectTypeOf(TestNursery.layer({})).toEqualTypeOf<Layer.Layer<Provided>>()
})

it("requires what a program requires, wherever it does", () => {
  const use = Effect.flatMap(Paper, ({ size }) => Program.stdout(size))
  expectTypeOf(TestNursery.layer({ one: use })).toEqualTypeOf<Layer.Layer<Provided, never, Paper>>()
  expectTypeOf(TestNursery.layer({ one: () => use })).toEqualTypeOf<Layer.Layer<Provided, never, Paper>>()
  const deep = Program.steps(Program.onSignal("SIGHUP", use), Program.fork(use), Program.runs)
  expectTypeOf(TestNursery.layer({ one: Program.runs, two: deep })).toEqualTypeOf<Layer.Layer<Provided, never, Paper>>()
})

it("knows signals and errors by their names", () => {
  // @ts-expect-error no such signal
  Program.ignore("SIGNOT")
  // @ts-expect-error no such error
  Program.cannotStart("ENOTHING")
  // @ts-expect-error no such error
  Faults.fail("ENOTHING")
  // @ts-expect-error a program is an Effect
  TestNursery.layer({ one: "echo" })
})

it("lets nothing follow that cannot fail", () => {
  expectTypeOf(Program.steps(Program.stdout(""), Program.runs)).toEqualTypeOf<
    Effect.Effect<void, never, Program.Self>
  >()
  expectTypeOf(Program.exit(1)).toEqualTypeOf<Effect.Effect<never, never, Program.Self>>()
})
