/**
 * Foreign text in messages: commands, paths, and what children wrote.
 *
 * @internal
 */

// What a terminal would obey must not reach it through an error message.
const controls = /\u001b\[[0-?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

const longestLine = 200
const mostLines = 10

const shorten = (line: string): string => (line.length > longestLine ? `${line.slice(0, longestLine - 1)}…` : line)

/** A command in a message: in double quotes, shortened where it is very long. */
export const quoteCommand = (command: string): string => `"${shorten(command)}"`

/** A path or name in a message: as it is, or as a JSON string where it has blanks or control characters. */
export const showPath = (path: string): string =>
  /^[\x21-\x7e\u00a0-\uffff]+$/.test(path) ? path : JSON.stringify(path)

/** How many letters have to be added, removed or exchanged to make one word of the other (Levenshtein). */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const exchanged = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, exchanged))
    }
    row = next
  }
  return row[other.length] ?? 0
}

/** The name that a misspelt one may have meant; `undefined` where none is near. */
export const nearest = (name: string, names: ReadonlyArray<string>): string | undefined => {
  const most = Math.max(1, Math.floor(Math.min(name.length, 24) / 3))
  const near = names
    .map((each) => ({ each, away: distance(name.slice(0, 64), each.slice(0, 64)) }))
    .filter(({ away }) => away <= most)
  return near.sort((a, b) => a.away - b.away)[0]?.each
}

/** The end of what a child wrote, for the end of a message: its last lines, each on a line of its own. */
export const tail = (text: string): string => {
  const lines = text.replace(controls, "").trimEnd().split("\n")
  return lines.slice(-mostLines).map(shorten).join("\n")
}
