/** Many children in one row, each after the one before and with what that provides: the compiler has to be quick about it. */
import { Command } from "@nursery/process"
import type { ProcessExit } from "@nursery/process/ExitStatus"
import * as Effect from "effect/Effect"
import { describe, expectTypeOf, it } from "vitest"
import { Child, type GaveUp, type InvalidTree, type ProcessFailure, Ready, Supervisor } from "../src/index.ts"
import type { Check } from "../src/internal/check.ts"

const ready = Ready.effect((process) => Effect.succeed({ port: process.pid }))
const c0 = Child.process("c0", Command.make("x"), { ready })
const c1 = Child.process("c1", ({ c0 }) => Command.make("x", [String(c0.port)]), { after: [c0], ready })
const c2 = Child.process("c2", ({ c1 }) => Command.make("x", [String(c1.port)]), { after: [c1], ready })
const c3 = Child.process("c3", ({ c2 }) => Command.make("x", [String(c2.port)]), { after: [c2], ready })
const c4 = Child.process("c4", ({ c3 }) => Command.make("x", [String(c3.port)]), { after: [c3], ready })
const c5 = Child.process("c5", ({ c4 }) => Command.make("x", [String(c4.port)]), { after: [c4], ready })
const c6 = Child.process("c6", ({ c5 }) => Command.make("x", [String(c5.port)]), { after: [c5], ready })
const c7 = Child.process("c7", ({ c6 }) => Command.make("x", [String(c6.port)]), { after: [c6], ready })
const c8 = Child.process("c8", ({ c7 }) => Command.make("x", [String(c7.port)]), { after: [c7], ready })
const c9 = Child.process("c9", ({ c8 }) => Command.make("x", [String(c8.port)]), { after: [c8], ready })
const c10 = Child.process("c10", ({ c9 }) => Command.make("x", [String(c9.port)]), { after: [c9], ready })
const c11 = Child.process("c11", ({ c10 }) => Command.make("x", [String(c10.port)]), { after: [c10], ready })
const c12 = Child.process("c12", ({ c11 }) => Command.make("x", [String(c11.port)]), { after: [c11], ready })
const c13 = Child.process("c13", ({ c12 }) => Command.make("x", [String(c12.port)]), { after: [c12], ready })
const c14 = Child.process("c14", ({ c13 }) => Command.make("x", [String(c13.port)]), { after: [c13], ready })
const c15 = Child.process("c15", ({ c14 }) => Command.make("x", [String(c14.port)]), { after: [c14], ready })
const c16 = Child.process("c16", ({ c15 }) => Command.make("x", [String(c15.port)]), { after: [c15], ready })
const c17 = Child.process("c17", ({ c16 }) => Command.make("x", [String(c16.port)]), { after: [c16], ready })
const c18 = Child.process("c18", ({ c17 }) => Command.make("x", [String(c17.port)]), { after: [c17], ready })
const c19 = Child.process("c19", ({ c18 }) => Command.make("x", [String(c18.port)]), { after: [c18], ready })
const c20 = Child.process("c20", ({ c19 }) => Command.make("x", [String(c19.port)]), { after: [c19], ready })
const c21 = Child.process("c21", ({ c20 }) => Command.make("x", [String(c20.port)]), { after: [c20], ready })
const c22 = Child.process("c22", ({ c21 }) => Command.make("x", [String(c21.port)]), { after: [c21], ready })
const c23 = Child.process("c23", ({ c22 }) => Command.make("x", [String(c22.port)]), { after: [c22], ready })
const c24 = Child.process("c24", ({ c23 }) => Command.make("x", [String(c23.port)]), { after: [c23], ready })
const c25 = Child.process("c25", ({ c24 }) => Command.make("x", [String(c24.port)]), { after: [c24], ready })
const c26 = Child.process("c26", ({ c25 }) => Command.make("x", [String(c25.port)]), { after: [c25], ready })
const c27 = Child.process("c27", ({ c26 }) => Command.make("x", [String(c26.port)]), { after: [c26], ready })
const c28 = Child.process("c28", ({ c27 }) => Command.make("x", [String(c27.port)]), { after: [c27], ready })
const c29 = Child.process("c29", ({ c28 }) => Command.make("x", [String(c28.port)]), { after: [c28], ready })
const c30 = Child.process("c30", ({ c29 }) => Command.make("x", [String(c29.port)]), { after: [c29], ready })
const c31 = Child.process("c31", ({ c30 }) => Command.make("x", [String(c30.port)]), { after: [c30], ready })
const c32 = Child.process("c32", ({ c31 }) => Command.make("x", [String(c31.port)]), { after: [c31], ready })
const c33 = Child.process("c33", ({ c32 }) => Command.make("x", [String(c32.port)]), { after: [c32], ready })
const c34 = Child.process("c34", ({ c33 }) => Command.make("x", [String(c33.port)]), { after: [c33], ready })
const c35 = Child.process("c35", ({ c34 }) => Command.make("x", [String(c34.port)]), { after: [c34], ready })
const c36 = Child.process("c36", ({ c35 }) => Command.make("x", [String(c35.port)]), { after: [c35], ready })
const c37 = Child.process("c37", ({ c36 }) => Command.make("x", [String(c36.port)]), { after: [c36], ready })
const c38 = Child.process("c38", ({ c37 }) => Command.make("x", [String(c37.port)]), { after: [c37], ready })
const c39 = Child.process("c39", ({ c38 }) => Command.make("x", [String(c38.port)]), { after: [c38], ready })
const c40 = Child.process("c40", ({ c39 }) => Command.make("x", [String(c39.port)]), { after: [c39], ready })
const c41 = Child.process("c41", ({ c40 }) => Command.make("x", [String(c40.port)]), { after: [c40], ready })
const c42 = Child.process("c42", ({ c41 }) => Command.make("x", [String(c41.port)]), { after: [c41], ready })
const c43 = Child.process("c43", ({ c42 }) => Command.make("x", [String(c42.port)]), { after: [c42], ready })
const c44 = Child.process("c44", ({ c43 }) => Command.make("x", [String(c43.port)]), { after: [c43], ready })
const c45 = Child.process("c45", ({ c44 }) => Command.make("x", [String(c44.port)]), { after: [c44], ready })
const c46 = Child.process("c46", ({ c45 }) => Command.make("x", [String(c45.port)]), { after: [c45], ready })
const c47 = Child.process("c47", ({ c46 }) => Command.make("x", [String(c46.port)]), { after: [c46], ready })
const c48 = Child.process("c48", ({ c47 }) => Command.make("x", [String(c47.port)]), { after: [c47], ready })
const c49 = Child.process("c49", ({ c48 }) => Command.make("x", [String(c48.port)]), { after: [c48], ready })
const chain = Supervisor.make("chain", [
  c0,
  c1,
  c2,
  c3,
  c4,
  c5,
  c6,
  c7,
  c8,
  c9,
  c10,
  c11,
  c12,
  c13,
  c14,
  c15,
  c16,
  c17,
  c18,
  c19,
  c20,
  c21,
  c22,
  c23,
  c24,
  c25,
  c26,
  c27,
  c28,
  c29,
  c30,
  c31,
  c32,
  c33,
  c34,
  c35,
  c36,
  c37,
  c38,
  c39,
  c40,
  c41,
  c42,
  c43,
  c44,
  c45,
  c46,
  c47,
  c48,
  c49
])

describe("50 children in a row", () => {
  const run = Supervisor.run(chain)
  type Failure = Effect.Error<typeof run>

  it("keep their types", () => {
    expectTypeOf<Exclude<Failure, InvalidTree>["name"]>().toEqualTypeOf<(typeof chain.children)[number]["name"]>()
    expectTypeOf<Extract<Failure, { readonly name: "c49" }>>().toEqualTypeOf<GaveUp<"c49", ProcessFailure>>()
    expectTypeOf<Child.Success<typeof c49>>().toEqualTypeOf<ProcessExit>()
  })

  it("are still checked", () => {
    const last = Child.process("x", Command.make("x"), { after: [c49] })
    expectTypeOf<Check<readonly [...typeof chain.children, typeof last], "chain">>().toEqualTypeOf<
      readonly [...typeof chain.children, typeof last]
    >()
    type Other = readonly [typeof c0, typeof last]
    expectTypeOf<Check<Other, "chain">>().toEqualTypeOf<
      readonly [typeof c0, `"x" starts after "c49", which is not an earlier child of "chain"`]
    >()
  })
})
