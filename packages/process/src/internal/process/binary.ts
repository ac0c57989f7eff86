/**
 * Why a file that is there cannot be executed.
 *
 * @internal
 */
import * as FsPromises from "node:fs/promises"
import * as Reason from "../../ProcessError.ts"
import { errnoOf } from "../streams/descriptor.ts"

/** The error name for a directory that cannot be entered, `undefined` for one that can. */
export const accessible = async (path: string): Promise<string | undefined> => {
  try {
    const stat = await FsPromises.stat(path)
    if (!stat.isDirectory()) return "ENOTDIR"
    await FsPromises.access(path, FsPromises.constants.X_OK)
    return undefined
  } catch (cause) {
    return errnoOf(cause)
  }
}

/** What is wrong with the file at `path`, as far as its mode and its first bytes tell; `undefined` where they are in order. */
export const problemOf = async (path: string, errno: string): Promise<Reason.SpawnReason | undefined> => {
  try {
    const stat = await FsPromises.stat(path)
    if (stat.isDirectory()) return new Reason.NotExecutable({ path, problem: "directory" })
    if (!stat.isFile()) return new Reason.NotExecutable({ path, problem: "format" })
    if ((stat.mode & 0o111) === 0) return new Reason.NotExecutable({ path, problem: "mode" })
    // The mode of the file allows it to somebody, if not to us.
    if (!(await executable(path)))
      return (stat.mode & 0o001) === 0 ? new Reason.NotExecutable({ path, problem: "mode" }) : undefined
    const interpreter = await interpreterOf(path)
    if (interpreter !== undefined && !(await isThere(interpreter.path))) {
      return new Reason.InterpreterNotFound({ path, interpreter: interpreter.path, kind: interpreter.kind })
    }
    return errno === "ENOEXEC" ? new Reason.NotExecutable({ path, problem: "format" }) : undefined
  } catch {
    // It cannot be read by us, or has gone since: the error number has to do.
    return undefined
  }
}

const executable = (path: string): Promise<boolean> =>
  FsPromises.access(path, FsPromises.constants.X_OK).then(
    () => true,
    () => false
  )

const isThere = (path: string): Promise<boolean> =>
  FsPromises.stat(path).then(
    (stat) => stat.isFile(),
    () => false
  )

interface Interpreter {
  readonly path: string
  readonly kind: "script" | "loader"
}

// The kernel reads as much of a script's first line (BINPRM_BUF_SIZE); the program headers of an ELF file follow its header.
export const headSize = 4096

const interpreterOf = async (path: string): Promise<Interpreter | undefined> => {
  const file = await FsPromises.open(path, "r")
  try {
    const buffer = Buffer.alloc(headSize)
    const { bytesRead } = await file.read(buffer, 0, headSize, 0)
    const head = buffer.subarray(0, bytesRead)
    if (head.toString("latin1", 0, 2) === "#!") return scriptInterpreter(head)
    if (head.toString("latin1", 0, 4) !== "\x7fELF") return undefined
    const place = loaderPlace(head)
    if (place === undefined) return undefined
    const name = Buffer.alloc(place.size)
    await file.read(name, 0, place.size, place.offset)
    return { path: name.toString("utf8").replace(/\0.*$/s, ""), kind: "loader" }
  } finally {
    await file.close()
  }
}

/** `execve(2)`: spaces and tabs after `#!`, then the path up to the next space, tab or end of line. */
export const scriptInterpreter = (head: Buffer): Interpreter | undefined => {
  const path = /^#![ \t]*([^ \t\n]+)/.exec(head.toString("utf8"))?.[1]
  return path === undefined ? undefined : { path, kind: "script" }
}

const PT_INTERP = 3

/** Where an ELF file names its dynamic loader (`elf(5)`), for the byte orders and word sizes that Linux runs on. */
export const loaderPlace = (head: Buffer): { readonly offset: number; readonly size: number } | undefined => {
  if (head.length < 64) return undefined
  const wide = head[4] === 2
  const little = head[5] === 1
  const half = (at: number) => (little ? head.readUInt16LE(at) : head.readUInt16BE(at))
  const word = (at: number) => (little ? head.readUInt32LE(at) : head.readUInt32BE(at))
  const long = (at: number) => Number(little ? head.readBigUInt64LE(at) : head.readBigUInt64BE(at))
  const table = wide ? long(32) : word(28)
  const entry = half(wide ? 54 : 42)
  const count = half(wide ? 56 : 44)
  for (let i = 0; i < count; i++) {
    const at = table + i * entry
    if (at + entry > head.length) return undefined
    if (word(at) !== PT_INTERP) continue
    const offset = wide ? long(at + 8) : word(at + 4)
    const size = wide ? long(at + 32) : word(at + 16)
    return size > 0 && size < headSize ? { offset, size } : undefined
  }
  return undefined
}
