/**
 * Schemas as functions from value to value, for loops: an Exit comes back where the Schema is synchronous.
 *
 * They are compiled to code when they are first used (`effect/schema/SchemaJITCompiler`), which makes them about ten times as fast. Where
 * a program may not make code at run time, Effect interprets them as ever.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { type Encoding, isSuccess } from "./model.ts"
import { plainOf } from "./plain.ts"

export interface Parser {
  readonly decode: (input: unknown) => Encoding
  readonly encode: (value: unknown) => Encoding
}

export const parserOf = (schema: Schema.Constraint, options: SchemaAST.ParseOptions | undefined): Parser => {
  SchemaJITCompiler.enable(schema.ast)
  SchemaJITCompiler.enable(SchemaAST.flip(schema.ast))
  return {
    decode: SchemaParser.decodeUnknownEffect(schema, options),
    encode: SchemaParser.encodeUnknownEffect(schema, options)
  }
}

/** The same for JSON: most records need nothing of what makes a Schema slow, and are tried without it first. */
export const jsonParserOf = (schema: Schema.Constraint, options: SchemaAST.ParseOptions | undefined): Parser => {
  const json = Schema.toCodecJson(schema)
  const whole = parserOf(json, options)
  const ast = options?.disableChecks === true ? undefined : plainOf(json.ast)
  if (ast === undefined) return whole
  const plain = parserOf(Schema.make(ast), options)
  return { decode: tried(plain.decode, whole.decode), encode: tried(plain.encode, whole.encode) }
}

// After so many refusals one more is tried in as many values: what is refused costs more than what is taken saves.
const longestPause = 63

/** What `fast` takes it gives, else `whole`, which is asked at once for a while where `fast` keeps refusing. */
const tried = (fast: (value: unknown) => Encoding, whole: (value: unknown) => Encoding) => {
  let pause = 0
  let left = 0
  return (value: unknown): Encoding => {
    if (left > 0) {
      left--
      return whole(value)
    }
    const result = fast(value)
    if (isSuccess(result)) {
      pause = 0
      return result
    }
    pause = Math.min(2 * pause + 1, longestPause)
    left = pause
    return whole(value)
  }
}
