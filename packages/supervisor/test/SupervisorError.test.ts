import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { type ChildExit, ChildRefused, GaveUp, InvalidTree, ReloadFailed, Supervisor } from "../src/index.ts"

class OutOfPaper extends Schema.TaggedError<OutOfPaper>()("OutOfPaper", { tray: Schema.Number }) {
  override get message() {
    return `tray ${this.tray} is empty`
  }
}

const gaveUp = <const Name extends string, E>(name: Name, exit: ChildExit<E>, more?: Partial<GaveUp<Name, E>>) =>
  new GaveUp<Name, E>({ name, path: ["app", name], exit, attempts: 5, history: [], ...more })

const empty = (tray: number) => ({ _tag: "Failed", error: new OutOfPaper({ tray }) }) as const
const died = (cause: unknown): ChildExit<never> => ({ _tag: "Died", cause: cause as Cause.Cause<never> })

describe("the message of GaveUp", () => {
  it.each<[string, GaveUp, string]>([
    ["names the failure", gaveUp("api", empty(2)), "api gave up after 5 attempts: tray 2 is empty"],
    ["counts", gaveUp("api", empty(2), { attempts: 1 }), "api gave up after 1 attempt: tray 2 is empty"],
    [
      "names the defect",
      gaveUp("api", died(Cause.die(new TypeError("x")))),
      "api gave up after 5 attempts: it died of TypeError: x"
    ],
    [
      "names a defect that is no error",
      gaveUp("api", died(Cause.die("x"))),
      "api gave up after 5 attempts: it died of x"
    ],
    [
      "tells of an interruption",
      gaveUp("api", died(Cause.interrupt(1))),
      "api gave up after 5 attempts: it was interrupted"
    ],
    [
      "tells of one that ends well, and should not end",
      gaveUp("api", { _tag: "Completed", value: 1 }),
      "api gave up after 5 attempts: it ended each time without an error"
    ],
    [
      "has the key of a child of a dynamic supervisor",
      gaveUp("pool", empty(2), { path: ["app", "pool", "job 7"] }),
      'pool/"job 7" gave up after 5 attempts: tray 2 is empty'
    ],
    [
      "has those below it",
      gaveUp("web", { _tag: "Failed", error: gaveUp("nginx", empty(1)) }),
      "web gave up after 5 attempts: nginx gave up after 5 attempts: tray 1 is empty"
    ]
  ])("%s", (_, error, message) => {
    expect(error.message).toBe(message)
  })

  it("is that of an error with a tag and the name of the child", () => {
    const error = gaveUp("api", empty(2))
    expect(error).toBeInstanceOf(Error)
    expect(error._tag).toBe("GaveUp")
    expect(error.name).toBe("api")
  })
})

describe("the Schema of GaveUp", () => {
  const Json = Schema.fromJsonString(Schema.toCodecJson(GaveUp.schema("printer", OutOfPaper)))
  const roundTrip = (error: GaveUp<"printer", OutOfPaper>) => Schema.decodeSync(Json)(Schema.encodeSync(Json)(error))

  it("keeps everything on the way", () => {
    const history = [{ exit: empty(1), incarnation: 4, time: 1000 }]
    const error = gaveUp("printer", empty(2), { history })
    const copy = roundTrip(error)
    expect(copy).toBeInstanceOf(GaveUp)
    expect(copy.message).toBe(error.message)
    expect({ ...copy }).toEqual({ ...error })
    expect(copy.exit._tag === "Failed" && copy.exit.error).toBeInstanceOf(OutOfPaper)
  })

  it("leaves out what the child completed with", () => {
    const copy = roundTrip(gaveUp("printer", { _tag: "Completed", value: () => {} }))
    expect(copy.exit).toEqual({ _tag: "Completed", value: undefined })
  })

  it("keeps a defect", () => {
    const { exit } = roundTrip(gaveUp("printer", died(Cause.die(new Error("jam")))))
    expect(exit._tag === "Died" && Cause.squash(exit.cause)).toMatchObject({ message: "jam" })
  })

  it("is for one child", () => {
    const json = Schema.encodeSync(Json)(gaveUp("printer", empty(2)))
    expect(() => Schema.decodeSync(Json)(json.replaceAll("printer", "scanner"))).toThrow("printer")
  })

  it("nests as trees do", () => {
    const Nested = Schema.toCodecJson(GaveUp.schema("web", GaveUp.schema("printer", OutOfPaper)))
    const error = gaveUp("web", { _tag: "Failed", error: gaveUp("printer", empty(2)) })
    const copy = Schema.decodeSync(Nested)(Schema.encodeSync(Nested)(error))
    expect(copy.message).toBe(error.message)
  })
})

describe("catchChild", () => {
  const api = gaveUp("api", empty(1))
  const db = gaveUp("db", empty(2))
  const outcome = (error: typeof api | typeof db | "other") =>
    Effect.fail(error).pipe(
      Supervisor.catchChild("api", ({ attempts }) => Effect.succeed(attempts)),
      Effect.runSyncExit
    )

  it("handles the failure of one child, and no other", () => {
    expect(outcome(api)).toEqual(Exit.succeed(5))
    expect(outcome(db)).toEqual(Exit.fail(db))
    expect(outcome("other")).toEqual(Exit.fail("other"))
  })
})

describe("the other messages", () => {
  it("say where and why", () => {
    expect(new InvalidTree({ path: ["app", "a b"], problem: "is empty" }).message).toBe('app/"a b": is empty')
    expect(new ChildRefused({ child: "db", reason: "needed" }).message).toBe(
      "db: other children start after it: remove them first"
    )
    expect(new ReloadFailed({ child: "db", cause: new Error("no answer") }).message).toBe(
      "db could not be reloaded: no answer"
    )
    expect(new ReloadFailed({ child: "db", cause: "no answer" }).message).toBe("db could not be reloaded: no answer")
  })
})
