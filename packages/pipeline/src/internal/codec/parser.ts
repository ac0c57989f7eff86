/**
 * Schemas as functions from value to value, for loops: an Exit comes back where the Schema is synchronous.
 *
 * They are compiled to code when they are first used (`effect/schema/SchemaJITCompiler`), which makes them about ten times as fast. Where
 * a program may not make code at run time, Effect interprets them as ever.
 *
 * @internal
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaParser from "effect/SchemaParser"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import type { Encoding, Reading } from "./model.ts"

export interface Parser {
  readonly decode: (input: unknown) => Reading
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
