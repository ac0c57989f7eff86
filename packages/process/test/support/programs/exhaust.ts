/** Runs out of what its argument names, and prints what came of it. */
import { closeSync, openSync } from "node:fs"
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Command from "../../../src/Command.ts"
import * as Nursery from "../../../src/Nursery.ts"
import * as Process from "../../../src/Process.ts"
import type { KeeperLost, SpawnError } from "../../../src/ProcessError.ts"
import * as Proc from "../proc.ts"
import { play } from "./stage.ts"

const bare = play("sleep").pipe(Command.stop({ grace: 0 }))
const piped = bare.pipe(Command.stdin("pipe"), Command.stdout("pipe"), Command.stderr("pipe"))

/** What came of some spawns: the names of system errors, and `started`. */
type Outcomes = Effect.Effect<ReadonlyArray<string>, unknown, Nursery.Nursery>

const outcomeOf = <A, R>(spawn: Effect.Effect<A, SpawnError | KeeperLost, R>): Effect.Effect<string, never, R> =>
  Effect.match(spawn, {
    onFailure: (error) => (error._tag === "SpawnError" ? `${error.reason._tag} ${error.errno}` : error._tag),
    onSuccess: () => "started"
  })

/** As many at once as cannot be there together. */
const manyOf = (count: number, command: typeof bare | typeof piped): Outcomes =>
  Effect.scoped(
    Effect.all(
      Array.from({ length: count }, () => outcomeOf<unknown, Nursery.Nursery | Scope.Scope>(Process.spawn(command))),
      { concurrency: "unbounded" }
    )
  )

/** With no descriptor left in this program. */
const withoutDescriptors: Outcomes = Effect.gen(function* () {
  const taken: Array<number> = []
  try {
    for (;;) taken.push(openSync("/dev/null", "r"))
  } catch {
    // The table is full.
  }
  const outcomes = yield* Effect.scoped(Effect.all(Array.from({ length: 10 }, () => outcomeOf(Process.spawn(piped)))))
  for (const descriptor of taken) closeSync(descriptor)
  return outcomes
})

const cases: { readonly [what: string]: { readonly run: Outcomes; readonly expected: ReadonlyArray<string> } } = {
  owner: { run: withoutDescriptors, expected: ["ResourcesExhausted EMFILE"] },
  keeper: { run: manyOf(100, piped), expected: ["ResourcesExhausted EMFILE", "started"] },
  processes: { run: manyOf(300, bare), expected: ["ResourcesExhausted EAGAIN", "started"] }
}

const chosen = cases[process.argv[2] ?? ""]
if (chosen === undefined) throw new Error(`there is no case ${process.argv[2]}`)

const works = Effect.map(Process.exitStatus(Command.make("true")), (exit) => exit._tag === "Exited" && exit.code === 0)

const tables = () => {
  const [family] = Proc.families()
  return {
    owner: Proc.descriptors(),
    keeper: Proc.descriptors(family?.keeper),
    others: Proc.show(Proc.below(process.pid).filter((entry) => !Proc.isHelper(entry)))
  }
}

const main = Effect.gen(function* () {
  yield* works
  const before = tables()
  const outcomes = [...new Set(yield* chosen.run)].sort()
  const still = yield* works
  const after = tables()
  const typed = isDeepStrictEqual(outcomes, chosen.expected)
  const restored = isDeepStrictEqual(after, before)
  if (typed && restored && still) console.log("typed errors only, tables as before, and the nursery works")
  else console.log({ outcomes, still, before, after })
}).pipe(Effect.provide(Nursery.layer))

await Effect.runPromise(main)
