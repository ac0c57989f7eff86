/**
 * Errors that say what became of a process. A stack would show how the news of it came from the backend to this program, which is
 * nobody's mistake and always the same; and it costs more than all the rest of such an error, of which thousands are made each second
 * where services fail.
 *
 * @internal
 */

/** As the engine has it: it is not there, or cannot be written, where the intrinsics are frozen. */
const limit: { stackTraceLimit?: number | undefined } = Error

const isWritable = (): boolean => {
  const property = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit")
  return property === undefined ? false : property.set !== undefined || property.writable === true
}

export const withoutStack = <A>(make: () => A): A => {
  if (!isWritable()) return make()
  const usual = limit.stackTraceLimit
  limit.stackTraceLimit = 0
  try {
    return make()
  } finally {
    limit.stackTraceLimit = usual
  }
}
