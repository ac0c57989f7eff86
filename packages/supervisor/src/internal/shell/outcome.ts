/**
 * What a tree ends with.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { GaveUp } from "../../SupervisorError.ts"
import type { End } from "../core/model.ts"
import type { Outcome } from "../running.ts"
import type { TreeSpec } from "../spec.ts"
import type { Entry } from "./entry.ts"

/** A dynamic supervisor fails with what its child failed with: this carries who that was. */
export class Culprit {
  readonly gaveUp: GaveUp

  constructor(gaveUp: GaveUp) {
    this.gaveUp = gaveUp
  }
}

export const outcomeOf = (
  end: End,
  spec: TreeSpec,
  path: ReadonlyArray<string>,
  entryOf: (id: string) => Entry
): Effect.Effect<Outcome, GaveUp> => {
  if (end._tag === "Stopped") return Effect.succeed(end)
  const { attempts, culprit, history, lastExit } = entryOf(end.id)
  const exit = lastExit ?? { _tag: "Completed", value: undefined }
  if (end._tag === "Significant") {
    const value = exit._tag === "Completed" ? exit.value : undefined
    return Effect.succeed<Outcome>({ _tag: "Significant", child: end.id, value })
  }
  // Keys are data: what a dynamic supervisor gives up with bears its own name, and the key is in the path.
  const name = spec.kind === "dynamic" ? spec.name : end.id
  return Effect.fail(
    new GaveUp({ name, path: culprit?.path ?? [...path, end.id], exit, attempts, history: [...history] })
  )
}
