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

/** The end of what a child wrote, for the end of a message: its last lines, each on a line of its own. */
export const tail = (text: string): string => {
  const lines = text.replace(controls, "").trimEnd().split("\n")
  return lines.slice(-mostLines).map(shorten).join("\n")
}
