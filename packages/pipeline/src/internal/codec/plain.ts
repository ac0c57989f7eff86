/**
 * What of a Schema in JSON needs no transformation, as a Schema of its own.
 *
 * `Schema.toCodecJson` gives numbers that are not finite a text, and `undefined` the form of `null`. Each of these is a transformation, and
 * what has one in it cannot be compiled to straight code, although next to no record ever needs one. So records are tried with a Schema
 * without them first. It takes fewer values than the whole one does, and makes the same of those that it takes; all others, and all
 * errors, are the whole one's.
 *
 * In a Union it is not enough to take fewer values, because another member could take what is left. There a value that is for the whole
 * one is not refused but thrown, which no member of a Union survives.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"

type AST = SchemaAST.AST

/** Nobody sees it: the whole Schema is asked again. */
const refused = new SchemaIssue.InvalidValue()

const forWhole = new Error("this value is for the whole Schema")

const check = (isFit: (value: unknown) => boolean) =>
  new SchemaAST.Filter<unknown>((value) => (isFit(value) ? undefined : refused), undefined, true)

// Those of Effect make an issue of their result, which takes longer than all else that is done to a number.
const finite = check(Number.isFinite)
const int = check(Number.isSafeInteger)

const finiteMember = check((value) => {
  const isForWhole = typeof value === "number" || value === "NaN" || value === "Infinity" || value === "-Infinity"
  if (isForWhole && !Number.isFinite(value)) throw forWhole
  return isForWhole
})

const undefinedMember = check((value) => {
  if (value === undefined || value === null) throw forWhole
  return false
})

const transformationOf = (schema: Schema.Constraint) => Schema.toCodecJson(schema).ast.encoding?.[0].transformation
const numberToJson = transformationOf(Schema.Number)
const undefinedToJson = transformationOf(Schema.Undefined)

const cheap = new Map<unknown, SchemaAST.Filter<unknown>>([
  [Schema.Finite.ast.checks?.[0], finite],
  [Schema.Int.ast.checks?.[0], int]
])

const checksOf = (ast: AST, ...more: ReadonlyArray<SchemaAST.Filter<unknown>>): SchemaAST.Checks | undefined => {
  const [first, ...others] = [...more, ...(ast.checks ?? []).map((each) => cheap.get(each) ?? each)]
  return first === undefined ? undefined : [first, ...others]
}

const all = (asts: ReadonlyArray<AST>, isMember: boolean): ReadonlyArray<AST> | undefined => {
  const plain = asts.map((each) => plainOf(each, isMember)).filter((each) => each !== undefined)
  return plain.length === asts.length ? plain : undefined
}

/** A Schema as `Schema.toCodecJson` has it, without what is transformed; `undefined` where nothing would be left of it. */
export const plainOf = (ast: AST, isMember = false): AST | undefined => {
  if (ast.encoding !== undefined) return withoutEncoding(ast, ast.encoding, isMember)
  switch (ast._tag) {
    case "Declaration":
    case "Suspend":
      return undefined
    case "Number":
      return new SchemaAST.Number(ast.annotations, checksOf(ast), undefined, ast.context)
    case "Arrays": {
      const elements = all(ast.elements, isMember)
      const rest = all(ast.rest, isMember)
      if (elements === undefined || rest === undefined) return undefined
      const { annotations, checks, context, encodingChecks, isMutable } = ast
      return new SchemaAST.Arrays(isMutable, elements, rest, annotations, checks, undefined, context, encodingChecks)
    }
    case "Objects": {
      const types = all(
        [...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type),
        isMember
      )
      if (types === undefined || ast.indexSignatures.some(({ parameter }) => parameter.encoding !== undefined)) {
        return undefined
      }
      const typeAt = (index: number) => types[index] ?? SchemaAST.never
      const count = ast.propertySignatures.length
      return new SchemaAST.Objects(
        ast.propertySignatures.map(({ name }, index) => new SchemaAST.PropertySignature(name, typeAt(index))),
        ast.indexSignatures.map(
          ({ parameter }, index) => new SchemaAST.IndexSignature(parameter, typeAt(count + index))
        ),
        ast.annotations,
        ast.checks,
        undefined,
        ast.context,
        ast.encodingChecks
      )
    }
    case "Union": {
      const types = all(ast.types, true)
      if (types === undefined) return undefined
      const { annotations, checks, context, encodingChecks, options } = ast
      return new SchemaAST.Union(types, options, annotations, checks, undefined, context, encodingChecks)
    }
    default:
      return ast
  }
}

const withoutEncoding = (ast: AST, links: SchemaAST.Encoding, isMember: boolean): AST | undefined => {
  if (links.length > 1) return undefined
  const [{ transformation }] = links
  const { annotations, context } = ast
  if (ast._tag === "Number" && transformation === numberToJson) {
    return isMember
      ? new SchemaAST.Unknown(annotations, checksOf(ast, finiteMember), undefined, context)
      : new SchemaAST.Number(annotations, checksOf(ast, finite), undefined, context)
  }
  if (ast._tag === "Undefined" && transformation === undefinedToJson) {
    return isMember
      ? new SchemaAST.Unknown(annotations, [undefinedMember], undefined, context)
      : new SchemaAST.Never(annotations, undefined, undefined, context)
  }
  return undefined
}
