/**
 * First part: a scope closes, and takes everything along.
 */

import { randomUUID } from "node:crypto"
import { ExitStatus, type KeeperLost, Nursery } from "@nursery/process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Cast from "./cast.ts"
import * as Proof from "./proof.ts"
import { heading, pause, print, seconds, style, watch } from "./screen.ts"
import { draw, type Row } from "./tree.ts"
import * as Words from "./words.ts"

/** Everything alive in the nursery, as it tells itself. */
const rows = (cast: ReadonlyArray<Cast.Member>): Effect.Effect<ReadonlyArray<Row>, never, Nursery.Nursery> =>
  Effect.gen(function* () {
    const rows: Array<Row> = []
    for (const { age, command, pid, state } of yield* Nursery.processes) {
      rows.push({ pid, parent: process.pid, name: command, age: state === "running" ? age : state })
      const member = cast.find((member) => member.process.pid === pid)
      const descendants = member === undefined ? [] : yield* member.process.descendants
      const known = new Set(descendants.map((descendant) => descendant.pid))
      for (const descendant of descendants) {
        // Whose parent has ended is shown where it came from.
        const parent = known.has(descendant.parent) ? descendant.parent : pid
        rows.push({ pid: descendant.pid, parent, name: descendant.name, age: Duration.toMillis(descendant.age) })
      }
    }
    return rows
  })

const showWords = (counts: ReadonlyArray<Words.Count>) => {
  const top = counts.slice(0, 5)
  const longest = Math.max(...top.map(({ count }) => count))
  return print(
    ...top.map(({ word, count }) => {
      const bar = "█".repeat(Math.max(1, Math.round((count / longest) * 40)))
      return `   ${word.padEnd(12)}${String(count).padStart(5)}  ${style("cyan", bar)}`
    })
  )
}

const said = (who: string, words: string): string => `   ${who.padEnd(18)}${words}`

const showEnd = ({ line, process }: Cast.Member): Effect.Effect<void, KeeperLost> =>
  Effect.flatMap(process.exit, ({ status }) => print(said(line, ExitStatus.format(status))))

/** Runs in a scope, and returns what is needed to see what became of everything. */
const inScope = Effect.gen(function* () {
  const mark = randomUUID()
  const env = { [Cast.variable]: mark }
  const cast = yield* Cast.start(env)
  yield* print(...cast.map(({ line, words }) => said(line, style("dim", `"${words}"`))))
  yield* print(said("a pipeline", Words.line), "")

  const isCounting = yield* Latch.make()
  const textEnds = yield* Latch.make()
  const counting = yield* Effect.forkScoped(Words.mostFrequent(env, Effect.andThen(isCounting.open, textEnds.await)))
  yield* Effect.raceFirst(isCounting.await, Fiber.join(counting))
  yield* watch(Effect.map(rows(cast), (rows) => draw(process.pid, rows)))

  const alive = (yield* rows(cast)).filter(({ age }) => typeof age === "number")
  const evidence = yield* Proof.collect(
    `${Cast.variable}=${mark}`,
    alive.map(({ pid }) => pid)
  )

  yield* print("", "   The text of the pipeline ends. The most frequent words in it:", "")
  yield* textEnds.open
  yield* showWords(yield* Fiber.join(counting))
  yield* pause
  return { cast, evidence, closes: performance.now() }
})

export const scopeCloses = Effect.gen(function* () {
  yield* heading("1. A scope with processes that do not want to end")
  const { cast, closes, evidence } = yield* Effect.scoped(inScope)
  const took = performance.now() - closes

  yield* heading(`2. The scope is closed. It took ${seconds(took)}: SIGTERM, time to end, SIGKILL`)
  yield* Effect.forEach(cast, showEnd)
  yield* print("")
  const verdict = yield* Proof.nothingIsLeft(evidence)
  yield* pause
  return verdict
})
