import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../src/Command.ts"
import { found } from "../../src/internal/process/descendants.ts"
import { parseStat } from "../../src/internal/process/procfs.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Stage from "../support/stage.ts"

it.live("finds children without the kernel's list of them", () =>
  Effect.gen(function* () {
    const stage = yield* Stage.make
    const process = yield* Process.spawn(
      stage.play("fork { say one sleep } fork { say two sleep } sleep").pipe(Command.stop({ grace: 0 }))
    )
    const children = yield* stage.hears("one", "two")
    expect((yield* found(process.pid)).toSorted()).toEqual(children.toSorted())
  }).pipe(Effect.provide(Nursery.layer))
)

it("reads a line of stat whose name is made to confuse", () => {
  const line = "42 (a) b (c) S 7 42 42 0 -1 4194560 11 0 2 0 30 5 0 0 20 0 1 0 123 4096 5"
  expect(parseStat(line)).toMatchObject({ pid: 42, name: "a) b (c", state: "S", parent: 7, group: 42 })
  expect(parseStat(line)).toMatchObject({
    minorFaults: 11,
    majorFaults: 2,
    userTime: 300_000,
    systemTime: 50_000,
    startTime: 1230
  })
  expect(parseStat("")).toBeUndefined()
})
