import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import * as Expect from "../src/Expect.ts"
import type { ExpectError } from "../src/ExpectError.ts"
import type * as Fd from "../src/Fd.ts"
import type { FdError } from "../src/FdError.ts"
import type { KeeperLost } from "../src/ProcessError.ts"

declare const expect: Expect.Expect<"broken">
declare const pty: Fd.Pty
declare const output: Stream.Stream<Uint8Array, "broken">

describe("until", () => {
  it("says by which name it was found, and fails as the stream does", () => {
    const found = expect.until({ prompt: "$ ", gone: Expect.end, number: /\d+ / })
    expectTypeOf<Effect.Success<typeof found>["pattern"]>().toEqualTypeOf<"prompt" | "gone" | "number">()
    expectTypeOf<Effect.Error<typeof found>>().toEqualTypeOf<ExpectError | "broken">()
    expectTypeOf<Effect.Success<ReturnType<typeof single>>>().toEqualTypeOf<Expect.Match>()
    // @ts-expect-error a number is no pattern
    expect.until({ prompt: 5 })
  })
  const single = () => expect.until("$ ")
})

describe("a dialogue", () => {
  it("fails as the two sides do", () => {
    const made = Expect.dialogue(pty)
    expectTypeOf<Effect.Success<typeof made>>().toEqualTypeOf<
      Expect.Dialogue<FdError | KeeperLost, FdError | KeeperLost>
    >()
  })

  it("needs an input", () => {
    // @ts-expect-error there is nobody to send to
    Expect.dialogue({ output })
  })
})
