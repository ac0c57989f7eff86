/**
 * What each codec is made of.
 *
 * @internal
 */
import * as Exit from "effect/Exit"
import * as SchemaBinary from "effect/encoding/SchemaBinary"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Csv from "./csv.ts"
import { Lines } from "./delimited.ts"
import { Elements, joiner } from "./jsonArray.ts"
import { type Decoder, type Encoding, type Intake, nothing, type Reading, type Spec, Unwritable } from "./model.ts"
import { jsonParserOf, parserOf } from "./parser.ts"
import { Frames, framer, prefixes } from "./prefixed.ts"
import * as Text from "./text.ts"

/** Those that need nothing before and after the records. */
const plain = (
  format: string,
  decoder: (intake: Intake) => Decoder,
  encode: (value: unknown) => Encoding,
  write: (encoded: ReadonlyArray<unknown>) => Uint8Array
): Spec => ({
  format,
  isFramed: true,
  decoder,
  encoder: () => ({ encode, begin: nothing, write, end: nothing })
})

/** Texts of values, one by one: who throws is named. */
const textsOf = (values: ReadonlyArray<unknown>, textOf: (value: unknown) => string): ReadonlyArray<string> =>
  values.map((value, index) => {
    try {
      return textOf(value)
    } catch (cause) {
      throw new Unwritable(index, cause instanceof Error ? cause.message : String(cause))
    }
  })

const isText = (value: unknown): string => {
  if (typeof value !== "string") throw new TypeError(`its Schema has to encode to a string, not ${typeof value}`)
  if (!value.isWellFormed()) throw new TypeError("it has half of a surrogate pair in it")
  return value
}

const lineOf = (value: unknown): string => {
  const text = isText(value)
  if (text.includes("\n") || text.endsWith("\r")) throw new TypeError("it has a line break in it")
  return text
}

const join = (texts: ReadonlyArray<string>, lineBreak: string): Uint8Array => {
  let all = ""
  for (const text of texts) all += text + lineBreak
  return Text.bytesOf(all)
}

export const bytes: Spec = {
  format: "bytes",
  isFramed: false,
  decoder: (intake) => ({
    push: (chunk) => {
      if (chunk.length === 0) return
      intake.record++
      intake.values.push(chunk)
    },
    end: () => {}
  }),
  encoder: () => ({
    encode: Exit.succeed,
    begin: nothing,
    write: (chunks) => {
      const all = chunks.filter((chunk) => chunk instanceof Uint8Array)
      return all[0] !== undefined && all.length === 1 ? all[0] : Buffer.concat(all)
    },
    end: nothing
  })
}

export const lines = (
  schema: Schema.Constraint,
  lineBreak: string,
  options: SchemaAST.ParseOptions | undefined
): Spec => {
  const { decode, encode } = parserOf(schema, options)
  return plain(
    "lines",
    (intake) => new Lines(intake, decode, false),
    encode,
    (values) => join(textsOf(values, lineOf), lineBreak)
  )
}

export const ndjson = (schema: Schema.Constraint, options: SchemaAST.ParseOptions | undefined): Spec => {
  const { decode, encode } = jsonParserOf(schema, options)
  const read = Text.jsonReader(decode)
  return plain(
    "NDJSON",
    (intake) => new Lines(intake, read, true),
    encode,
    (values) => join(textsOf(values, Text.jsonOf), "\n")
  )
}

export const jsonArray = (schema: Schema.Constraint, options: SchemaAST.ParseOptions | undefined): Spec => {
  const { decode, encode } = jsonParserOf(schema, options)
  const read = Text.jsonReader(decode)
  return {
    format: "JSON array",
    isFramed: false,
    decoder: (intake) => new Elements(intake, read),
    encoder: () => {
      const joined = joiner()
      return {
        encode,
        begin: Text.bytesOf("[\n"),
        write: (values) => Text.bytesOf(joined(textsOf(values, Text.jsonOf))),
        end: Text.bytesOf("\n]\n")
      }
    }
  }
}

export const csv = (
  schema: Schema.Constraint,
  options: {
    readonly delimiter: string
    readonly hasHeader: boolean
    readonly lineBreak: string
    readonly columns: ReadonlyArray<string> | undefined
    readonly parseOptions: SchemaAST.ParseOptions | undefined
  }
): Spec => {
  const codec = Schema.toCodecStringTree(schema)
  const { decode, encode } = parserOf(codec, options.parseOptions)
  const layout = Csv.layoutOf(SchemaAST.toEncoded(codec.ast), options)
  const write = Csv.writer(layout, options.lineBreak)
  return {
    format: "CSV",
    isFramed: false,
    decoder: (intake) => new Csv.Rows(intake, layout, decode),
    encoder: () => ({
      encode,
      begin: layout.hasHeader && layout.columns !== undefined ? Csv.headerOf(layout.columns, write) : nothing,
      write,
      end: nothing
    })
  }
}

export type Payload = "json" | "text" | "bytes"

const readers: Record<Payload, (decode: (input: unknown) => Reading) => (record: Uint8Array) => Reading> = {
  json: (decode) => {
    const read = Text.jsonReader(decode)
    return (record) => {
      const text = Text.textOf(record)
      return text === undefined ? Text.invalidUtf8 : read(text)
    }
  },
  text: (decode) => (record) => {
    const text = Text.textOf(record)
    return text === undefined ? Text.invalidUtf8 : decode(text)
  },
  // The memory of a chunk is used again, and what is made of this may be kept.
  bytes: (decode) => (record) => decode(record.slice())
}

const isBytes = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new TypeError(`its Schema has to encode to bytes, not ${typeof value}`)
  return value
}

const recordsOf: Record<Payload, (values: ReadonlyArray<unknown>) => ReadonlyArray<Uint8Array>> = {
  json: (values) => textsOf(values, Text.jsonOf).map(Text.bytesOf),
  text: (values) => textsOf(values, isText).map(Text.bytesOf),
  bytes: (values) => values.map(isBytes)
}

export const lengthPrefixed = (
  schema: Schema.Constraint,
  prefixName: keyof typeof prefixes,
  payload: Payload,
  options: SchemaAST.ParseOptions | undefined
): Spec => {
  const { decode, encode } = (payload === "json" ? jsonParserOf : parserOf)(schema, options)
  const read = readers[payload](decode)
  const prefix = prefixes[prefixName]
  const frame = framer(prefix)
  return plain(
    "length-prefixed records",
    (intake) => new Frames(intake, prefix, read),
    encode,
    (values) => frame(recordsOf[payload](values))
  )
}

export const binary = (schema: Schema.Constraint, options: SchemaAST.ParseOptions | undefined): Spec => {
  const { decode, encode } = parserOf(SchemaBinary.toCodec(schema), options)
  return plain(
    "binary records",
    // Each frame of Effect's begins with its length.
    (intake) => new Frames(intake, prefixes.varint, (record) => decode(record.slice()), true),
    encode,
    (values) => Buffer.concat(values.map(isBytes))
  )
}
