/**
 * Errors of system calls, as Node throws them, and the few numbers that the keeper client itself reports.
 *
 * @internal
 */
import * as ErrnoTable from "../errno.ts"

export const Errno = { ESRCH: 3, E2BIG: 7, EIO: 5, EINVAL: 22, EOPNOTSUPP: 95, ETIMEDOUT: 110, ECANCELED: 125 } as const

/** The name of the error, such as `"EMFILE"`. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : String(error)

/** The number of an error's name; EIO for what has no number. */
export const errnoNamed = (code: string): number => ErrnoTable.toNumber(code) ?? Errno.EIO

export const errnoOf = (error: unknown): number => errnoNamed(errorCode(error))
