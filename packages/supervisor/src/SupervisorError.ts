/**
 * What trees fail with, and why a request to a running one is refused.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { ChildExit } from "./ChildExit.ts"
import { showPath } from "./internal/text.ts"

/**
 * One end of a child, as the history of a {@link GaveUp} has it.
 *
 * @category models
 */
export interface PastExit<out E = unknown> {
  readonly exit: ChildExit<E>
  /** Which of its lives; the first is 1. */
  readonly incarnation: number
  /** Milliseconds since 1970. */
  readonly time: number
}

/**
 * A supervisor has given up, because of one of its children: its restart rule or its policy said so, or there were more restarts
 * than the intensity allows. Everything else of that supervisor is stopped.
 *
 * **Details**
 *
 * `E` is what the child fails with. A child that is itself a supervisor fails with the `GaveUp` of one of its own, so the types nest
 * as the trees do: `GaveUp<"web", GaveUp<"nginx", ProcessFailure>>`.
 *
 * **Gotchas**
 *
 * `name` is the name of the child, not that of this class as it is for other errors: so a union of these can be told apart by it.
 *
 * @category errors
 */
export class GaveUp<out Name extends string = string, out E = unknown> extends Data.TaggedError("GaveUp")<{
  readonly name: string
  readonly path: ReadonlyArray<string>
  readonly exit: ChildExit
  readonly attempts: number
  readonly history: ReadonlyArray<PastExit>
}> {
  /** Of the child. */
  declare readonly name: Name
  /** The names from the root down to the child; of a child of a dynamic supervisor down to its key. */
  declare readonly path: ReadonlyArray<string>
  /** How the child ended last. */
  declare readonly exit: ChildExit<E>
  /** How often the child was started since it was last healthy. */
  declare readonly attempts: number
  /** The last ends of the child, 10 at most, the oldest first. */
  declare readonly history: ReadonlyArray<PastExit<E>>

  // The fields are set by the class above; here they only get their types.
  constructor(fields: {
    readonly name: Name
    readonly path: ReadonlyArray<string>
    readonly exit: ChildExit<E>
    readonly attempts: number
    readonly history: ReadonlyArray<PastExit<E>>
  }) {
    super(fields)
  }

  /**
   * The Schema of the `GaveUp` of a child, to send and store it.
   *
   * What a child completed with is not part of the encoded form, and is `undefined` in the decoded one.
   *
   * **Example** (A failure as JSON)
   *
   * ```ts
   * import { GaveUp } from "@nursery/supervisor"
   * import * as Schema from "effect/Schema"
   * import assert from "node:assert/strict"
   *
   * class OutOfPaper extends Schema.TaggedError<OutOfPaper>()("OutOfPaper", { tray: Schema.Number }) {}
   *
   * const Json = Schema.fromJsonString(Schema.toCodecJson(GaveUp.schema("printer", OutOfPaper)))
   * const error = new GaveUp({
   *   name: "printer",
   *   path: ["office", "printer"],
   *   exit: { _tag: "Failed", error: new OutOfPaper({ tray: 2 }) },
   *   attempts: 3,
   *   history: []
   * })
   * const copy = Schema.decodeSync(Json)(Schema.encodeSync(Json)(error))
   *
   * assert(copy.exit._tag === "Failed")
   * assert.equal(copy.exit.error.tray, 2)
   * ```
   */
  static schema<const Name extends string, E, I, RD, RE>(
    name: Name,
    error: Schema.Codec<E, I, RD, RE>
  ): Schema.Codec<GaveUp<Name, E>, GaveUpEncoded<Name, I>, RD, RE> {
    return gaveUpSchema(name, error)
  }

  override get message(): string {
    const from = this.path.lastIndexOf(this.name)
    const who = from === -1 ? this.name : showPath(this.path.slice(from))
    const attempts = this.attempts === 1 ? "1 attempt" : `${this.attempts} attempts`
    return `${who} gave up after ${attempts}: ${describe(this.exit)}`
  }
}

/**
 * The encoded form of a {@link GaveUp}.
 *
 * @category models
 */
export interface GaveUpEncoded<out Name extends string, out E> {
  readonly _tag: "GaveUp"
  readonly name: Name
  readonly path: ReadonlyArray<string>
  readonly exit: ExitEncoded<E>
  readonly attempts: number
  readonly history: ReadonlyArray<{
    readonly exit: ExitEncoded<E>
    readonly incarnation: number
    readonly time: number
  }>
}

type ExitEncoded<E> =
  | { readonly _tag: "Completed" }
  | { readonly _tag: "Failed"; readonly error: E }
  | { readonly _tag: "Died"; readonly cause: Cause.Cause<never> }

const gaveUpSchema = <Name extends string, E, I, RD, RE>(name: Name, error: Schema.Codec<E, I, RD, RE>) => {
  const Exit = Schema.Union([
    Schema.TaggedStruct("Completed", {}),
    Schema.TaggedStruct("Failed", { error }),
    Schema.TaggedStruct("Died", { cause: Schema.Cause(Schema.Never, Schema.Defect()) })
  ])
  const Fields = Schema.TaggedStruct("GaveUp", {
    name: Schema.Literal(name),
    path: Schema.Array(Schema.String),
    exit: Exit,
    attempts: Schema.Number,
    history: Schema.Array(Schema.Struct({ exit: Exit, incarnation: Schema.Number, time: Schema.Number }))
  })
  const isGaveUp = (u: unknown): u is GaveUp<Name, E> => u instanceof GaveUp && u.name === name
  return Fields.pipe(
    Schema.decodeTo(
      Schema.declare(isGaveUp),
      SchemaTransformation.transform({
        decode: ({ attempts, exit, history, path }): GaveUp<Name, E> =>
          new GaveUp({
            name,
            path,
            exit: withValue(exit),
            attempts,
            history: history.map((past) => ({ ...past, exit: withValue(past.exit) }))
          }),
        encode: ({ _tag, attempts, exit, history, path }) => ({
          _tag,
          name,
          path,
          exit: withoutValue(exit),
          attempts,
          history: history.map((past) => ({ ...past, exit: withoutValue(past.exit) }))
        })
      })
    )
  )
}

const withValue = <E>(exit: ExitEncoded<E>): ChildExit<E> =>
  exit._tag === "Completed" ? { _tag: "Completed", value: undefined } : exit

const withoutValue = <E>(exit: ChildExit<E>): ExitEncoded<E> =>
  exit._tag === "Completed" ? { _tag: "Completed" } : exit

const describe = (exit: ChildExit): string => {
  switch (exit._tag) {
    case "Completed":
      return "it ended each time without an error"
    case "Failed":
      return exit.error instanceof Error ? exit.error.message : String(exit.error)
    case "Died": {
      if (Cause.hasInterruptsOnly(exit.cause)) return "it was interrupted"
      const defect = Cause.squash(exit.cause)
      return `it died of ${defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)}`
    }
  }
}

/**
 * A tree that nothing can be started from. Only trees that are built at run time are affected: the compiler refuses others.
 *
 * @category errors
 */
export class InvalidTree extends Schema.TaggedError<InvalidTree>()("InvalidTree", {
  /** The names from the root down to the child, or the supervisor, that something is wrong with. */
  path: Schema.Array(Schema.String),
  problem: Schema.String
}) {
  override get message(): string {
    return `${showPath(this.path)}: ${this.problem}`
  }
}

const refusals = {
  unknown: "there is no such child",
  duplicate: "there is a child of that name already",
  needed: "other children start after it: remove them first",
  down: "it does not run",
  ending: "the tree is ending",
  unsupported: "that can be done with other kinds of children only"
} as const

/**
 * A request to a running tree was not fulfilled.
 *
 * @category errors
 */
export class ChildRefused extends Schema.TaggedError<ChildRefused>()("ChildRefused", {
  child: Schema.String,
  /**
   * - `unknown`: there is no such child, or one that an added child starts after is not there.
   * - `duplicate`: there is a child of that name already.
   * - `needed`: it cannot be removed, because others start after it.
   * - `down`: it went down, for good or until somebody asks for its start, before what was asked for was done.
   * - `ending`: the tree is ending, or has ended.
   * - `unsupported`: only other children can do this: `replace` is for processes, `reload` for those with that option.
   */
  reason: Schema.Literals(["unknown", "duplicate", "needed", "down", "ending", "unsupported"])
}) {
  override get message(): string {
    return `${showPath([this.child])}: ${refusals[this.reason]}`
  }
}

/**
 * A child did not read its configuration anew: the Effect of its option `reload` failed, or it did not acknowledge it.
 *
 * @category errors
 */
export class ReloadFailed extends Schema.TaggedError<ReloadFailed>()("ReloadFailed", {
  child: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `${showPath([this.child])} could not be reloaded: ${why}`
  }
}
