/**
 * As much of Redis's protocol (RESP 2) as the application and its own store speak: commands are lists of strings, and replies are
 * strings, numbers, lists, nothing or an error.
 */
export type Reply = string | number | null | Error | ReadonlyArray<Reply>

const text = (value: string): string => `$${Buffer.byteLength(value)}\r\n${value}\r\n`

export const encode = (value: Reply): string => {
  if (typeof value === "string") return text(value)
  if (typeof value === "number") return `:${value}\r\n`
  if (value === null) return "$-1\r\n"
  if (value instanceof Error) return `-ERR ${value.message}\r\n`
  return `*${value.length}\r\n${value.map(encode).join("")}`
}

interface Parsed {
  readonly value: Reply
  /** Where it ends. */
  readonly end: number
}

/** The value at an offset, or nothing while a part of it has not arrived. */
const parse = (buffer: Buffer, offset: number): Parsed | undefined => {
  const newline = buffer.indexOf("\r\n", offset)
  if (newline === -1) return undefined
  const line = buffer.toString("utf8", offset + 1, newline)
  const start = newline + 2
  switch (buffer.toString("latin1", offset, offset + 1)) {
    case "+":
      return { value: line, end: start }
    case "-":
      return { value: new Error(line), end: start }
    case ":":
      return { value: Number(line), end: start }
    case "$": {
      const length = Number(line)
      if (length < 0) return { value: null, end: start }
      const end = start + length
      return buffer.length < end + 2 ? undefined : { value: buffer.toString("utf8", start, end), end: end + 2 }
    }
    case "*": {
      const values: Array<Reply> = []
      let end = start
      while (values.length < Number(line)) {
        const next = parse(buffer, end)
        if (next === undefined) return undefined
        values.push(next.value)
        end = next.end
      }
      return { value: values, end }
    }
    default:
      throw new Error("this is not Redis's protocol")
  }
}

/** Takes bytes as they come, and gives the values that are complete. */
export const makeDecoder = (): ((chunk: Buffer) => ReadonlyArray<Reply>) => {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    const values: Array<Reply> = []
    for (let next = parse(rest, 0); next !== undefined; next = parse(rest, 0)) {
      values.push(next.value)
      rest = rest.subarray(next.end)
    }
    return values
  }
}
