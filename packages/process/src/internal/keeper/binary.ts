/**
 * Looks at a keeper's file before it is started.
 *
 * What cannot be executed has to be found here: `execvp` gives a file that is neither a program nor a script to the shell
 * (POSIX, `exec(3)`), which would run a damaged keeper as a list of commands.
 *
 * @internal
 */
import { accessSync, closeSync, constants, fstatSync, openSync, readSync } from "node:fs"
import type { KeeperUnavailable } from "../../ProcessError.ts"
import * as Failures from "./failures.ts"
import { errorCode } from "./system.ts"

const HEADER_SIZE = 64

/** `e_machine` of elf(5). */
const machines: Readonly<Record<string, number>> = { x64: 62, arm64: 183 }

const inspectHeader = (path: string, header: Buffer, size: number): KeeperUnavailable | undefined => {
  if (header.toString("latin1", 0, 2) === "#!") return undefined
  if (header.toString("latin1", 0, 4) !== "\x7fELF") return Failures.notAProgram(path)
  if (header.length < HEADER_SIZE) return Failures.truncated(path, size, HEADER_SIZE)
  const machine = machines[process.arch]
  if (machine !== undefined && header.readUInt16LE(18) !== machine) return Failures.otherMachine(path)
  // The section headers are the last thing in the file, where there are any.
  const expected = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60)
  return size < expected ? Failures.truncated(path, size, expected) : undefined
}

/** What is wrong with it, as far as its file shows. */
export const inspect = (path: string): KeeperUnavailable | undefined => {
  let file: number | undefined
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    file = openSync(path, "r")
    const status = fstatSync(file)
    if (!status.isFile()) return Failures.notExecutable(path)
    const header = Buffer.alloc(HEADER_SIZE)
    return inspectHeader(path, header.subarray(0, readSync(file, header, 0, HEADER_SIZE, 0)), status.size)
  } catch (error) {
    const code = errorCode(error)
    if (code === "ENOENT" || code === "ENOTDIR") return Failures.notFound(path)
    return code === "EACCES" ? Failures.notExecutable(path) : Failures.systemRefused(path, code)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
