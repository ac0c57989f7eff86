/**
 * Whether anything is left of what was started, told by the kernel alone.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Proc from "./proc.ts"
import { print, style } from "./screen.ts"

export type Verdict = "held" | "broken"

export const worst = (verdicts: Iterable<Verdict>): Verdict =>
  Array.from(verdicts).includes("broken") ? "broken" : "held"

const report = (promise: string, survivors: ReadonlyArray<Proc.Entry>): Effect.Effect<Verdict> =>
  survivors.length === 0
    ? Effect.as(print(`   ${style("green", "ok")}    ${promise}`), "held")
    : Effect.as(
        print(
          `   ${style("red", "LEFT")}  ${promise}, but:`,
          ...survivors.map(
            ({ pid, line, state }) => `           pid ${pid}  ${line}${state === "Z" ? ", a zombie" : ""}`
          )
        ),
        "broken"
      )

/** What is known of the processes while they live. */
export interface Evidence {
  /** `NAME=value`, in the environment of each of them. */
  readonly marker: string
  readonly seen: ReadonlyArray<Proc.Entry>
  /**
   * The program that will be killed, if one will. Its own children then belong to PID 1, which may take its time to collect the
   * dead ones. Everything deeper has to be collected by those above it.
   */
  readonly victim?: number
}

const isForPid1 = ({ seen, victim }: Evidence, { pid, state }: Proc.Entry): boolean =>
  state === "Z" && seen.some((entry) => entry.pid === pid && entry.parent === victim)

const remaining = (evidence: Evidence): ReadonlyArray<Proc.Entry> =>
  Proc.remaining(evidence.seen).filter((entry) => !isForPid1(evidence, entry))

/** Everything that carries the marker. Each of `pids` has to: one that is alive without it could get away unseen. */
export const collect = (marker: string, pids: ReadonlyArray<number>): Effect.Effect<Evidence, string> =>
  Effect.suspend(() => {
    const seen = Proc.carriers(marker)
    const known = new Set(seen.map(({ pid }) => pid))
    const unmarked = pids.filter((pid) => !known.has(pid) && Proc.lookUp(pid) !== undefined)
    return unmarked.length === 0
      ? Effect.succeed({ marker, seen })
      : Effect.fail(`cannot see the environment of pid ${unmarked.join(", ")} in /proc, so nothing could be proved`)
    // While a process executes another program, it has no environment for a moment.
  }).pipe(Effect.retry(Schedule.upTo(Schedule.spaced("20 millis"), { duration: "1 second" })))

/** Ends what should not be there any more, so that a tour that fails leaves nothing behind. */
const clear = (survivors: ReadonlyArray<Proc.Identity>): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const { pid } of Proc.remaining(survivors)) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has ended in this moment.
      }
    }
  })

/** Looks twice: for the processes that were seen, and for others that nobody saw. */
export const nothingIsLeft = (evidence: Evidence): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    const survivors = remaining(evidence)
    const carriers = Proc.carriers(evidence.marker)
    const count = evidence.seen.length
    const verdicts = [
      yield* report(`none of the ${count} processes is there any more, by pid and start time`, survivors),
      yield* report("no environment in /proc has the mark that all of them had", carriers)
    ]
    for (const entry of Proc.remaining(evidence.seen)) {
      if (isForPid1(evidence, entry))
        yield* print(`         (pid ${entry.pid} is dead, and PID 1 has not collected it yet)`)
    }
    yield* clear([...survivors, ...carriers])
    return worst(verdicts)
  })

/** The helpers have left too, and no zombie waits for this program. */
export const noChildrenAreLeft: Effect.Effect<Verdict> = Effect.suspend(() =>
  report("this program has no child, alive or dead", Proc.below(process.pid))
)

/** Waits until nothing is left, at most `limit` milliseconds; how long it took. */
export const untilGone = (evidence: Evidence, limit: number): Effect.Effect<number> =>
  Effect.gen(function* () {
    const start = performance.now()
    const isThere = () => remaining(evidence).length > 0 || Proc.carriers(evidence.marker).length > 0
    while (isThere() && performance.now() - start < limit) yield* Effect.sleep("10 millis")
    return performance.now() - start
  })
