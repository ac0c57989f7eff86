/**
 * CSV as RFC 4180 has it, with `\n` as a line break too.
 *
 * @internal
 */
import * as Predicate from "effect/Predicate"
import * as SchemaAST from "effect/SchemaAST"
import { InvalidSyntax, RecordCutOff } from "../../CodecError.ts"
import { Delimited } from "./delimited.ts"
import { type Intake, isSuccess, nothing, problemOf, type Reading, Unwritable } from "./model.ts"
import * as Text from "./text.ts"

const quote = 34

// Where in a record the scanner is. `afterQuote`: behind a quote inside of a quoted cell, which ends the cell or is one half of a
// quote in it.
const atStart = 0
const unquoted = 1
const quoted = 2
const afterQuote = 3

/** What makes of a row of cells what the Schema decodes: the cells by their columns, or as they are. */
export interface Layout {
  /** Whether the first row has the names of the columns. */
  readonly hasHeader: boolean
  /** The names that are demanded; those of the header may be in another order, and more. Without them rows are arrays. */
  readonly columns: ReadonlyArray<string> | undefined
  /** Of these an empty cell is a missing one. */
  readonly optional: ReadonlySet<string>
  readonly delimiter: string
}

/** Whether a value of the type is written as one cell. */
const isCell = (ast: SchemaAST.AST): boolean => {
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
    case "Undefined":
      return true
    case "Literal":
      return typeof ast.literal === "string"
    case "Enum":
      return ast.enums.every(([, value]) => typeof value === "string")
    case "Union":
      return ast.types.every(isCell)
    default:
      return false
  }
}

/** How the encoded side of a Schema is laid out in rows; throws where it cannot be. */
export const layoutOf = (
  ast: SchemaAST.AST,
  options: {
    readonly hasHeader: boolean
    readonly delimiter: string
    readonly columns: ReadonlyArray<string> | undefined
  }
): Layout => {
  const { delimiter, hasHeader } = options
  if (!/^[\x20-\x7e\t]$/.test(delimiter) || delimiter === '"') {
    throw new TypeError(
      `the delimiter of a CSV has to be one ASCII character that is no quote, not ${JSON.stringify(delimiter)}`
    )
  }
  if (SchemaAST.isArrays(ast)) {
    const cells = [...ast.elements, ...ast.rest]
    if (!cells.every(isCell)) throw new TypeError("a cell of a CSV has to encode to a string")
    return { columns: undefined, optional: new Set(), hasHeader: false, delimiter }
  }
  if (!SchemaAST.isObjects(ast)) throw new TypeError(`rows of a CSV are structs or tuples: ${ast._tag} is neither`)
  const properties = ast.propertySignatures.filter(({ name }) => typeof name === "string")
  const wrong = properties.find(({ type }) => !isCell(type))
  if (wrong !== undefined) {
    throw new TypeError(
      `the column ${JSON.stringify(wrong.name)} of a CSV has to encode to a string, not ${wrong.type._tag}`
    )
  }
  const optional = properties.filter(({ type }) => SchemaAST.isOptional(type)).map(({ name }) => String(name))
  const columns = options.columns ?? properties.map(({ name }) => String(name))
  return { columns, optional: new Set(optional), hasHeader, delimiter }
}

/** The cells of a row, or what is wrong with it. */
export const cellsOf = (text: string, delimiter: string): ReadonlyArray<string> | InvalidSyntax => {
  if (!text.includes('"')) return text.split(delimiter)
  const cells: Array<string> = []
  for (let start = 0; ; ) {
    const isQuoted = text.charCodeAt(start) === quote
    const end = isQuoted ? endOfQuoted(text, start) : endOfPlain(text, start, delimiter)
    if (end === -1) return new InvalidSyntax({ problem: `cell ${cells.length + 1} has no quote at its end` })
    const cell = isQuoted ? text.slice(start + 1, end - 1).replaceAll('""', '"') : text.slice(start, end)
    if (!isQuoted && cell.includes('"')) {
      return new InvalidSyntax({ problem: `cell ${cells.length + 1} has a quote in it, but not around it` })
    }
    cells.push(cell)
    if (end === text.length) return cells
    if (text[end] !== delimiter) {
      return new InvalidSyntax({ problem: `cell ${cells.length} goes on behind the quote at its end` })
    }
    start = end + 1
  }
}

const endOfPlain = (text: string, start: number, delimiter: string): number => {
  const end = text.indexOf(delimiter, start)
  return end === -1 ? text.length : end
}

const endOfQuoted = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && text.charCodeAt(end + 1) === quote) end = text.indexOf('"', end + 2)
  return end === -1 ? -1 : end + 1
}

export class Rows extends Delimited {
  readonly #layout: Layout
  readonly #delimiter: number
  readonly #read: (row: unknown) => Reading
  /** The places of the columns in a row, by their names; `undefined` before the header. */
  #places: ReadonlyArray<readonly [name: string, place: number]> | undefined
  #width: number | undefined
  #state = atStart

  constructor(intake: Intake, layout: Layout, read: (row: unknown) => Reading) {
    super(intake)
    this.#layout = layout
    this.#delimiter = layout.delimiter.charCodeAt(0)
    this.#read = read
    if (!layout.hasHeader) this.#setColumns(layout.columns)
  }

  override end(): void {
    super.end()
    if (this.#places !== undefined) return
    this.intake.reject(new RecordCutOff({ problem: "the input ended before its header" }), 0, nothing)
  }

  protected endOf(chunk: Uint8Array, from: number): number {
    let state = this.#state
    for (let index = from; index < chunk.length; index++) {
      const byte = chunk[index]
      if (state === quoted) {
        if (byte === quote) state = afterQuote
      } else if (byte === Text.newline) {
        this.#state = atStart
        return index
      } else if (byte === quote && state !== unquoted) state = quoted
      else state = byte === this.#delimiter ? atStart : unquoted
    }
    this.#state = state
    return -1
  }

  protected readAll(chunk: Uint8Array, from: number, offset: number): number {
    const text = Text.asciiOf(chunk)
    for (let start = from; ; ) {
      const end = this.endOf(chunk, start)
      if (end === -1) return start
      if (text === undefined) this.readOne(chunk.subarray(start, end), offset + start - from)
      else this.#readText(text, start, end, offset + start - from)
      start = end + 1
    }
  }

  protected read(text: string, offset: number): Reading | undefined {
    if (text === "") return undefined
    const cells = cellsOf(text, this.#layout.delimiter)
    if (this.#places === undefined) {
      this.#readHeader(cells, offset, text)
      return undefined
    }
    if (!isCells(cells)) return Text.failed(cells)
    this.#width ??= cells.length
    if (cells.length !== this.#width) {
      const problem = `the number of its cells is ${cells.length}, not ${this.#width}`
      return Text.failed(new InvalidSyntax({ problem }))
    }
    return this.#read(this.#layout.columns === undefined ? cells : this.#rowOf(cells, this.#places))
  }

  /** Without its header nothing can be read. */
  protected override take(reading: Reading, offset: number, bytes: Uint8Array): void {
    const problem = this.#places === undefined ? problemOf(reading) : undefined
    if (problem !== undefined) this.intake.stop(problem, offset, bytes)
    super.take(reading, offset, bytes)
  }

  #readText(text: string, start: number, newline: number, offset: number): void {
    const { intake } = this
    const end = newline > start && text.charCodeAt(newline - 1) === Text.carriageReturn ? newline - 1 : newline
    const line = text.slice(start, end)
    const reading = line.length > intake.limit ? intake.tooLarge : this.read(line, offset)
    if (reading === undefined) return
    if (isSuccess(reading)) {
      intake.record++
      intake.values.push(reading.value)
    } else this.take(reading, offset, Text.bytesOf(line))
  }

  #rowOf(cells: ReadonlyArray<string>, places: ReadonlyArray<readonly [string, number]>): Record<string, string> {
    const row: Record<string, string> = {}
    for (const [name, place] of places) {
      const cell = cells[place]
      if (cell !== undefined && (cell !== "" || !this.#layout.optional.has(name))) row[name] = cell
    }
    return row
  }

  #readHeader(cells: ReadonlyArray<string> | InvalidSyntax, offset: number, text: string): void {
    const problem = isCells(cells) ? this.#problemOf(cells) : `the header is malformed: ${cells.problem}`
    if (problem !== undefined) this.intake.stop(new InvalidSyntax({ problem }), offset, Text.bytesOf(text))
    if (isCells(cells)) this.#setColumns(cells)
  }

  #problemOf(header: ReadonlyArray<string>): string | undefined {
    const twice = header.find((name, index) => header.indexOf(name) !== index)
    if (twice !== undefined) return `the header has the column ${JSON.stringify(twice)} twice`
    const isMissing = (name: string) => !this.#layout.optional.has(name) && !header.includes(name)
    const missing = this.#layout.columns?.find(isMissing)
    return missing === undefined ? undefined : `the header has no column ${JSON.stringify(missing)}`
  }

  #setColumns(names: ReadonlyArray<string> | undefined): void {
    const wanted = this.#layout.columns
    const places = (names ?? []).map((name, place) => [name, place] as const)
    this.#places = wanted === undefined ? places : places.filter(([name]) => wanted.includes(name))
    this.#width = names?.length
  }
}

const isCells = (cells: ReadonlyArray<string> | InvalidSyntax): cells is ReadonlyArray<string> => Array.isArray(cells)

/** How rows are written. */
export const writer = (layout: Layout, lineBreak: string): ((rows: ReadonlyArray<unknown>) => Uint8Array) => {
  const special = new RegExp(`[${layout.delimiter.replace(/[\\\]^-]/g, "\\$&")}"\\r\\n]`)
  const cellOf = (cell: unknown, index: number): string => {
    if (cell === undefined) return ""
    if (typeof cell !== "string") throw new Unwritable(index, `a cell has to be a string, not ${typeof cell}`)
    if (!cell.isWellFormed()) throw new Unwritable(index, "it has half of a surrogate pair in it")
    return special.test(cell) || cell.startsWith(Text.mark) ? `"${cell.replaceAll('"', '""')}"` : cell
  }
  const lineOf = (cells: ReadonlyArray<unknown>, index: number): string => {
    const line = cells.map((cell) => cellOf(cell, index)).join(layout.delimiter)
    // An empty line would be none.
    return line === "" ? `""${lineBreak}` : `${line}${lineBreak}`
  }
  const { columns } = layout
  const cellsIn = (row: unknown): ReadonlyArray<unknown> => {
    if (columns === undefined) return Array.isArray(row) ? row : []
    if (!Predicate.isObject(row)) return []
    return columns.map((name) => row[name])
  }
  return (rows) => Text.bytesOf(rows.map((row, index) => lineOf(cellsIn(row), index)).join(""))
}

export const headerOf = (
  columns: ReadonlyArray<string>,
  write: (rows: ReadonlyArray<unknown>) => Uint8Array
): Uint8Array => write([Object.fromEntries(columns.map((name) => [name, name]))])
