/**
 * What a program needs to be started: the file itself and what runs it. For sandboxes, which have to let all of that be executed.
 *
 * @internal
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { headSize, loaderPlace, scriptInterpreter } from "./binary.ts"

const isFile = (path: string): boolean => {
  try {
    return Fs.statSync(path).isFile()
  } catch {
    return false
  }
}

/** The first file of its name, as the child will look for it. */
const find = (program: string, searchPath: string, directory: string): string | undefined => {
  if (program.includes("/")) return Path.resolve(directory, program)
  return searchPath
    .split(":")
    .map((entry) => Path.resolve(directory, entry, program))
    .find(isFile)
}

const isEnv = (interpreter: string): boolean => Path.basename(interpreter) === "env"

/** The program that a line such as `#!/usr/bin/env -S node --flag` names. */
const programOfEnv = (head: Buffer): string | undefined => {
  const [line = ""] = head.toString("utf8").split("\n", 1)
  const [, ...words] = line
    .slice(2)
    .trim()
    .split(/[ \t]+/)
  return words.find((word) => !word.startsWith("-") && !word.includes("="))
}

/** What a file was found to be run by, as long as it is the same file with the same content. */
const found = new Map<string, { readonly stamp: string; readonly names: ReadonlyArray<string> }>()

/** Programs that are started in sandboxes are few. */
const mostFound = 256

/** As `readHead`, which is asked only when the file has changed. */
const runBy = (path: string): ReadonlyArray<string> => {
  const stamp = stampOf(path)
  const known = found.get(path)
  if (known !== undefined && known.stamp === stamp) return known.names
  const names = readHead(path)
  if (found.size >= mostFound) found.clear()
  if (stamp !== undefined) found.set(path, { stamp, names })
  return names
}

const stampOf = (path: string): string | undefined => {
  try {
    const { ctimeMs, dev, ino, size } = Fs.statSync(path)
    return `${dev} ${ino} ${size} ${ctimeMs}`
  } catch {
    return undefined
  }
}

/** What the file at a path is run by: names and paths, as the file has them. */
const readHead = (path: string): ReadonlyArray<string> => {
  let file: number | undefined
  try {
    // What is no file, a FIFO say, must not be waited for.
    file = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK)
    const buffer = Buffer.alloc(headSize)
    const head = buffer.subarray(0, Fs.readSync(file, buffer, 0, headSize, 0))
    if (head.toString("latin1", 0, 2) === "#!") {
      const interpreter = scriptInterpreter(head)?.path
      if (interpreter === undefined) return []
      const named = isEnv(interpreter) ? programOfEnv(head) : undefined
      return named === undefined ? [interpreter] : [interpreter, named]
    }
    const place = head.toString("latin1", 0, 4) === "\x7fELF" ? loaderPlace(head) : undefined
    if (place === undefined) return []
    const name = Buffer.alloc(place.size)
    Fs.readSync(file, name, 0, place.size, place.offset)
    return [name.toString("utf8").replace(/\0.*$/s, "")]
  } catch {
    // Not there, or executable and not readable: then nothing follows from it.
    return []
  } finally {
    if (file !== undefined) Fs.closeSync(file)
  }
}

/** More than the kernel follows: a script may be run by a script, four times. */
const mostFiles = 16

/** The program, the interpreters of its `#!` lines and the dynamic loaders, as absolute paths. */
export const filesOf = (program: string, searchPath: string, directory: string): ReadonlyArray<string> => {
  const files: Array<string> = []
  const waiting = [program]
  for (let name = waiting.shift(); name !== undefined && files.length < mostFiles; name = waiting.shift()) {
    const path = find(name, searchPath, directory)
    if (path === undefined || files.includes(path)) continue
    files.push(path)
    // The kernel takes the path of an interpreter from the working directory, whatever it is.
    waiting.push(...runBy(path))
  }
  return files
}
