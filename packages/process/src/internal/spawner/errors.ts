/**
 * The errors of the drop-in spawner: `PlatformError` with the reasons, modules, methods and system calls that Effect's Node
 * spawner gives, because programs match on them. They come by error number, not by the richer reasons of `SpawnError`.
 *
 * @internal
 */
import * as PlatformError from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as CommandLine from "../commandLine.ts"
import * as Errno from "../errno.ts"

/** What errors say about a command: never a secret. */
export interface Subject {
  readonly command: string
  readonly args: ReadonlyArray<CommandLine.Word>
}

/** What Node puts on an error of the operating system. */
interface SystemCallError extends Error {
  readonly errno: number
  readonly code: string
  readonly syscall: string
}

const module = "ChildProcess"

const display = (subject: Subject): string => CommandLine.display([subject.command, ...subject.args])

const tagOfCode = (code: string): PlatformError.SystemErrorTag => {
  switch (code) {
    case "ENOENT":
      return "NotFound"
    case "EACCES":
    case "EPERM":
      return "PermissionDenied"
    case "EEXIST":
      return "AlreadyExists"
    case "EISDIR":
    case "ENOTDIR":
    case "ELOOP":
      return "BadResource"
    case "EBUSY":
      return "Busy"
    case "ETIMEDOUT":
      return "TimedOut"
    default:
      return "Unknown"
  }
}

const stringProperty = (error: unknown, name: "code" | "syscall"): string | undefined => {
  const value: unknown = error instanceof Error ? Reflect.get(error, name) : undefined
  return typeof value === "string" ? value : undefined
}

/** A failure of `method`, told by the error that caused it. */
export const fromCause = (
  method: string,
  cause: unknown,
  subject: Subject,
  description?: string
): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: tagOfCode(stringProperty(cause, "code") ?? ""),
    module,
    method,
    description,
    pathOrDescriptor: display(subject),
    syscall: stringProperty(cause, "syscall"),
    cause
  })

/** An error as Node's streams give it, known by its code. */
export const codeError = (code: string, message: string, syscall: string | undefined): Error =>
  Object.assign(new Error(message), syscall === undefined ? { code } : { code, syscall })

const systemCallError = <Extra extends object>(
  syscall: string,
  errno: number,
  extra: Extra
): SystemCallError & Extra => {
  const code = Errno.fromNumber(errno)
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall }, extra)
}

/**
 * A spawn that the operating system refused. `program` is what was to be executed: the shell, where there is one; `description`
 * says what the error number does not.
 */
export const spawnFailed = (
  errno: number,
  program: string,
  subject: Subject,
  description: string
): PlatformError.PlatformError =>
  fromCause(
    "spawn",
    systemCallError(`spawn ${program}`, errno, {
      path: program,
      spawnargs:
        program === subject.command
          ? subject.args.map((arg) => (Redacted.isRedacted(arg) ? "<redacted>" : arg))
          : ["-c", subject.command]
    }),
    subject,
    description
  )

/** A request about a running process that the operating system refused. */
export const requestFailed = (method: string, errno: number, subject: Subject): PlatformError.PlatformError =>
  fromCause(method, systemCallError(method, errno, {}), subject)

/** There is nobody left to get a signal. */
export const nobodyToKill = (subject: Subject): PlatformError.PlatformError =>
  fromCause("kill", new Error("Failed to kill child process"), subject)

/** The process was killed by a signal, so it has no exit code. */
export const endedBySignal = (signal: string, subject: Subject): PlatformError.PlatformError =>
  fromCause("exitCode", new Error(`Process interrupted due to receipt of signal: '${signal}'`), subject)

/** An option with which no process can be started. The description never holds a value that could be a secret. */
export const badArgument = (method: string, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module, method, description })

/** The working directory is not there, or may not be reached: what `FileSystem.access` fails with. */
export const inaccessible = (cwd: string, errno: number): PlatformError.PlatformError => {
  const code = Errno.fromNumber(errno)
  const cause = Object.assign(new Error(`${code}: ${Errno.describe(code)}, access '${cwd}'`), {
    errno: -errno,
    code,
    syscall: "access",
    path: cwd
  })
  return PlatformError.systemError({
    _tag: tagOfCode(code),
    module: "FileSystem",
    method: "access",
    pathOrDescriptor: cwd,
    syscall: "access",
    cause
  })
}
