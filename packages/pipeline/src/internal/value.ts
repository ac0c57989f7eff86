/**
 * The representation of a pipeline, and the boundary between its types and its data.
 *
 * @internal
 */
import { pipeArguments } from "effect/Pipeable"
import type * as Stream from "effect/Stream"
import type { Pipeline, TypeId } from "../Pipeline.ts"
import type { Elements, Spec, StageSpec } from "./spec.ts"

export const id: TypeId = "~@nursery/pipeline/Pipeline"

const covariant = (_: never) => _

export class PipelineValue<A, E, R, Stages> implements Pipeline<A, E, R, Stages> {
  readonly [id]: Pipeline<A, E, R, Stages>[TypeId]

  constructor(spec: Spec) {
    this[id] = { spec, _A: covariant, _E: covariant, _R: covariant, _Stages: covariant }
  }

  pipe() {
    // biome-ignore lint/complexity/noArguments: the signature of Effect's own Pipeable
    return pipeArguments(this, arguments)
  }
}

export const specOf = (pipeline: { readonly [id]: { readonly spec: Spec } }): Spec => pipeline[id].spec

/** The same pipeline with one stage more. */
export const append = (pipeline: { readonly [id]: { readonly spec: Spec } }, stage: StageSpec): Spec => {
  const spec = specOf(pipeline)
  return { ...spec, stages: [...spec.stages, stage] }
}

/** A stage of this program. What comes to it, and what it needs, is as its type says. */
export const typed = <A, B, E, R>(
  name: string,
  transform: (input: Stream.Stream<A>) => Stream.Stream<B, E, R>,
  { borrows = false, problem }: { readonly borrows?: boolean; readonly problem?: string | undefined } = {}
): StageSpec => ({ _tag: "Typed", name, borrows, problem, transform: transform as (input: Elements) => Elements })

/** What is wrong with a number of something. */
export const countProblem = (what: string, count: number): string | undefined =>
  Number.isSafeInteger(count) && count > 0 ? undefined : `its ${what} has to be a whole number from 1 on`

/** What is given to it is as its type says, which the pipeline knows. */
export const erase = <A, B>(f: ((a: A) => B) | undefined): ((a: unknown) => B) | undefined =>
  f as ((a: unknown) => B) | undefined
