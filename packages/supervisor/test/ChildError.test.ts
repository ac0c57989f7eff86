import { describe, expect, it } from "@effect/vitest"
import { ExitStatus } from "@nursery/process"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import {
  ExitedBeforeReady,
  NotReady,
  type NotReadyReason,
  ReadyStranger,
  ReadyTimeout,
  StartTimeout,
  Unresponsive
} from "../src/ChildError.ts"

const exit = (status: ExitStatus.ExitStatus): ExitStatus.ProcessExit => ({
  status,
  usage: {
    userTime: Duration.millis(1),
    systemTime: Duration.millis(2),
    maxResidentSet: ByteSize.mebibytes(1),
    minorFaults: 0,
    majorFaults: 0,
    blockInput: 0,
    blockOutput: 0,
    voluntarySwitches: 0,
    involuntarySwitches: 0
  }
})

const reasons: ReadonlyArray<readonly [NotReadyReason, string]> = [
  [
    new ExitedBeforeReady({ exit: exit(ExitStatus.exited(1)) }),
    "it exited with code 1 before it was ready: see what it wrote"
  ],
  [
    new ExitedBeforeReady({ exit: exit(ExitStatus.exited(0)) }),
    'it exited with code 0 before it was ready: let it stay in the foreground, or make it a child without "ready" if it is meant to end'
  ],
  [
    new ExitedBeforeReady({ exit: exit(ExitStatus.signaled("SIGSEGV", { coreDumped: true })) }),
    "it was killed by SIGSEGV (core dumped) before it was ready: see what it wrote"
  ],
  [
    new ReadyTimeout({ ready: "tcp localhost:80", after: Duration.seconds(30), problem: "connection refused" }),
    "tcp localhost:80 did not succeed within 30s, the last answer was: connection refused (startTimeout or Ready.timeout gives more time)"
  ],
  [
    new StartTimeout({ step: "spawn", after: Duration.seconds(30) }),
    "its program was not started within 30s (startTimeout gives more time)"
  ],
  [
    new ReadyTimeout({ ready: "notify", after: Duration.millis(1500) }),
    "notify did not succeed within 1s 500ms (startTimeout or Ready.timeout gives more time)"
  ],
  [
    new ReadyStranger({ ready: "tcp localhost:80", pid: 7, program: "nginx" }),
    "pid 7 (nginx) answered for tcp localhost:80, and is not part of it: end that one, or let the child use another address"
  ],
  [
    new ReadyStranger({ ready: "notify", pid: 7 }),
    "pid 7 sent READY=1 in its place, and is not part of it: it has to send that itself"
  ],
  [
    new ReadyStranger({ ready: "tcp localhost:80" }),
    "a process of another user answered for tcp localhost:80, and is not part of it: end that one, or let the child use another address"
  ]
]

describe("NotReady", () => {
  it.each(reasons)("says why: %s", (reason, text) => {
    expect(new NotReady({ child: "web", reason }).message).toBe(`"web" did not become ready: ${text}`)
  })

  it.each(reasons)("can be sent, and logged as JSON: %s", (reason) => {
    const error = new NotReady({ child: "web", reason })
    const codec = Schema.toCodecJson(NotReady)
    const wire = JSON.stringify(Schema.encodeSync(codec)(error))
    expect(Schema.decodeSync(codec)(JSON.parse(wire))).toEqual(error)
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({
      _tag: "NotReady",
      child: "web",
      reason: { _tag: reason._tag }
    })
  })
})

describe("Unresponsive", () => {
  it("says what failed", () => {
    const error = new Unresponsive({ child: "web", check: "watchdog", problem: "not heard of for 3s" })
    expect(error.message).toBe('"web" runs but does not respond: watchdog, not heard of for 3s')
    expect(new Unresponsive({ child: "web", check: "watchdog" }).message).toBe(
      '"web" runs but does not respond: watchdog'
    )
  })
})
