import * as Schedule from "effect/Schedule"
import { describe, expect, it } from "vitest"
import { Restart } from "../src/index.ts"

describe("a restart policy", () => {
  it("is a rule of OTP's, without a schedule where none is given", () => {
    const nothing = { schedule: undefined, healthyAfter: undefined, retryPermanent: false }
    expect(Restart.always().spec).toEqual({ rule: "always", ...nothing })
    expect(Restart.onFailure().spec).toEqual({ rule: "onFailure", ...nothing })
    expect(Restart.never().spec).toEqual({ rule: "never", ...nothing })
  })

  it("keeps its options as they are, for the validation to look at", () => {
    const schedule = Schedule.spaced("1 second")
    const options = { schedule, healthyAfter: -1, retryPermanent: true }
    expect(Restart.always(options).spec).toEqual({ rule: "always", ...options })
    expect(Restart.onFailure(options).spec).toEqual({ rule: "onFailure", ...options })
  })
})
