/**
 * Sizes in bytes, as options are given them.
 *
 * @internal
 */
import * as ByteSize from "effect/ByteSize"
import * as Option from "effect/Option"

/** Values come from untyped code too; what is no size is found out by the parser. */
export const readSize = (value: unknown): bigint | { readonly problem: string } => {
  const size = ByteSize.fromInput(value as ByteSize.Input)
  return Option.isSome(size) && typeof size.value === "bigint"
    ? ByteSize.toBigInt(size.value)
    : { problem: 'is not a size: a number of bytes, or a text such as "512 MiB"' }
}
