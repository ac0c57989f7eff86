/**
 * What can be done about a path that cannot be opened, entered or bound, by the name of the error.
 *
 * @internal
 */
import * as Errno from "./errno.ts"

const general: Readonly<Record<string, string>> = {
  ENOENT: "make it first, or correct the path",
  ENOTDIR: "it, or something on the way to it, is no folder: correct the path",
  EISDIR: "name a file in it",
  EACCES: "it takes permission for the file, and to search every folder above it",
  EROFS: "its file system is mounted read-only: choose another place",
  ELOOP: "its symbolic links lead in a circle: correct them",
  ENAMETOOLONG: "choose a shorter one",
  ETXTBSY: "it is a program that runs: write another file, and move that to its place",
  ENXIO: "it is a FIFO that nobody reads, or the file of a device that is not there: let its reader open it first"
}

/** Of the error and of what to do about it; `special` says more than what holds for any path. */
export const pathProblem = (errno: string, special: Readonly<Record<string, string>> = {}): string => {
  const advice = special[errno] ?? general[errno]
  return advice === undefined ? Errno.describe(errno) : `${Errno.describe(errno)}: ${advice}`
}
