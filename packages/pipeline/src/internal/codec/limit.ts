import * as ByteSize from "effect/ByteSize"

/**
 * How many bytes a record may have: 1 MiB where nothing is said.
 *
 * @internal
 */
export const limitOf = (size: ByteSize.Input | undefined): number =>
  size === undefined ? 1024 * 1024 : Math.min(Number(ByteSize.fromInputUnsafe(size)), 2 ** 30)
