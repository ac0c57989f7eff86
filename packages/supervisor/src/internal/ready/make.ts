/**
 * The representation of readiness and liveness checks.
 *
 * @internal
 */
import * as Pipeable from "effect/Pipeable"
import type { Liveness } from "../../Liveness.ts"
import type { Ready } from "../../Ready.ts"
import type { LivenessSpec, ReadySpec, Wants } from "../spec.ts"

/** A check that needs nothing from the command. */
export const noWants: Wants = { notify: false, watchdog: undefined, fds: [], stdout: false, stderr: false }

const identity = <A>(value: A): A => value
const variance = { _A: identity, _E: identity, _R: identity, _In: identity }

class ReadyValue extends Pipeable.Class {
  readonly spec: ReadySpec

  constructor(spec: ReadySpec) {
    super()
    this.spec = spec
  }

  get "~nursery/Ready"() {
    return variance
  }

  override toString() {
    return `Ready(${this.spec.name})`
  }

  toJSON() {
    return { _id: "Ready", ready: this.spec.name }
  }
}

class LivenessValue extends Pipeable.Class {
  readonly spec: LivenessSpec

  constructor(spec: LivenessSpec) {
    super()
    this.spec = spec
  }

  get "~nursery/Liveness"() {
    return variance
  }

  override toString() {
    return `Liveness(${this.spec.name})`
  }

  toJSON() {
    return { _id: "Liveness", liveness: this.spec.name }
  }
}

// The types are those that the check of the spec has by its construction: data does not hold them.

export const ready = <A, E, R, In>(spec: ReadySpec): Ready<A, E, R, In> => {
  const value: unknown = new ReadyValue(spec)
  return value as Ready<A, E, R, In>
}

export const liveness = <R, In>(spec: LivenessSpec): Liveness<R, In> => {
  const value: unknown = new LivenessValue(spec)
  return value as Liveness<R, In>
}
