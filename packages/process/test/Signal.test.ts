import { constants } from "node:os"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import * as Signal from "../src/Signal.ts"

const all = Array.from({ length: 64 }, (_, i) => i + 1)

describe("Signal", () => {
  it.runIf(process.platform === "linux")("numbers the standard signals as this system does", () => {
    const known = Object.entries(constants.signals)
    expect(known.length).toBeGreaterThan(30)
    expect(known.map(([name]) => [name, Signal.isSignal(name) ? Signal.toNumber(name) : undefined])).toEqual(known)
  })

  it("has a name for every number from 1 to 64, and takes it back", () => {
    expect(all.map((number) => Option.map(Signal.fromNumber(number), Signal.toNumber))).toEqual(all.map(Option.some))
  })

  it("has none for other numbers", () => {
    for (const number of [0, -1, 65, 127, 1.5, Number.NaN]) expect(Signal.fromNumber(number)).toEqual(Option.none())
  })

  it.each([
    ["SIGRTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["SIGRTMIN+30", 64],
    ["SIGRTMAX-30", 34],
    ["SIGRTMAX-1", 63],
    ["SIGRTMAX", 64]
  ] as const)("counts %s as the C library does", (name, number) => {
    expect(Signal.toNumber(name)).toBe(number)
  })

  it.each([
    [6, "SIGABRT"],
    [17, "SIGCHLD"],
    [29, "SIGIO"],
    [31, "SIGSYS"],
    [32, "SIG32"],
    [34, "SIGRTMIN"],
    [49, "SIGRTMIN+15"],
    [50, "SIGRTMAX-14"],
    [64, "SIGRTMAX"]
  ] as const)("calls %d %s, as kill -l does", (number, name) => {
    expect(Signal.fromNumber(number)).toEqual(Option.some(name))
  })

  it.each(["SIGRTMIN+0", "SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN-1", "sigterm", "TERM", "", "toString", 15, undefined])(
    "takes %j for no signal",
    (value) => {
      expect(Signal.isSignal(value)).toBe(false)
      expect(Option.isNone(Schema.decodeUnknownOption(Signal.Signal)(value))).toBe(true)
    }
  )

  it("decodes every name, second names too", () => {
    for (const name of ["SIGTERM", "SIGPOLL", "SIGRTMAX-7", "SIG33"]) {
      expect(Schema.decodeUnknownSync(Signal.Signal)(name)).toBe(name)
    }
  })
})
