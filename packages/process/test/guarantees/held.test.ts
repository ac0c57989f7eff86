/** What is held for an owner goes when that is killed, alone or with a helper: descriptors with those that have them, and paths. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Levels from "../support/levels.ts"
import * as Owner from "../support/owner.ts"
import type * as Proc from "../support/proc.ts"
import * as Stage from "../support/stage.ts"

const SIGKILL = 9

/** Whether somebody is bound to an abstract name. */
const isBound = (name: string): boolean => readFileSync("/proc/net/unix", "latin1").includes(`@${name}\n`)

type Victims = (family: Proc.Family) => ReadonlyArray<number | "owner">

interface Case {
  readonly level: "tree" | "group" | "pid-namespace"
  readonly killed: string
  readonly who: Victims
  readonly ordinary: boolean
}

const cases: ReadonlyArray<Case> = [
  { level: "tree", killed: "owner and guard", who: ({ guard }) => ["owner", guard], ordinary: false },
  { level: "tree", killed: "the owner", who: () => ["owner"], ordinary: true },
  { level: "group", killed: "keeper and owner", who: ({ keeper }) => [keeper, "owner"], ordinary: true },
  { level: "pid-namespace", killed: "owner and keeper", who: ({ keeper }) => ["owner", keeper], ordinary: true }
]

const problem = Owner.ordinaryProblem()

describe.concurrent("nothing of what is held is left after SIGKILL of", () => {
  for (const { killed, level, ordinary, who } of cases) {
    const because = ordinary && problem !== undefined ? ` (skipped: ${problem})` : Levels.because(level)
    it.live.skipIf(because !== "")(
      `${killed}, level ${level}${ordinary ? ", as an ordinary user" : ""}${because}`,
      () =>
        Effect.gen(function* () {
          const stage = yield* Stage.make
          const path = join(stage.folder, "socket")
          const owner = yield* Owner.start(stage, "held.ts", [level, path], { ordinary })
          yield* stage.hears("exact", "up", "ready")
          expect([existsSync(path), isBound(path)]).toEqual([true, true])
          owner.kill(SIGKILL, ...who(yield* owner.family))
          expect((yield* owner.ended).left).toEqual([])
          expect(stage.left()).toEqual([])
          expect([existsSync(path), isBound(path)]).toEqual([false, false])
        })
    )
  }
})
