import type * as Effect from "effect/Effect"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import { describe, expectTypeOf, it } from "vitest"
import type { StreamError } from "../src/ProcessError.ts"
import type * as Stdio from "../src/Stdio.ts"

type In = Stream.Stream<Uint8Array, "stream failed", "stream needs">
type Out = Sink.Sink<number, Uint8Array, never, "sink failed", "sink needs">

type Writer = Sink.Sink<void, Uint8Array, never, StreamError>
type Reader = Stream.Stream<Uint8Array, StreamError>

describe("what a process has of its descriptors", () => {
  it("is a stdin to write where it is a pipe, and only there", () => {
    expectTypeOf<Stdio.StdinProperty<"pipe">>().toEqualTypeOf<{ readonly stdin: Writer }>()
    type Without = "null" | "inherit" | Stdio.Read | In
    expectTypeOf<Stdio.StdinProperty<"null">>().toBeUnknown()
    expectTypeOf<Stdio.StdinProperty<In>>().toBeUnknown()
    expectTypeOf<Stdio.StdinProperty<Without>>().toBeUnknown()
  })

  it("is a Stream of a pipe, and the result of a Sink", () => {
    expectTypeOf<Stdio.StdoutProperty<"pipe">>().toEqualTypeOf<{ readonly stdout: Reader }>()
    expectTypeOf<Stdio.StderrProperty<Out>>().toEqualTypeOf<{
      readonly stderr: Effect.Effect<number, "sink failed" | StreamError>
    }>()
    expectTypeOf<Stdio.StdoutProperty<"inherit">>().toBeUnknown()
    expectTypeOf<Stdio.StdoutProperty<Stdio.Append>>().toBeUnknown()
  })

  it("is nothing where the mode is known only when the program runs", () => {
    expectTypeOf<Stdio.StdinProperty<"pipe" | "inherit">>().toBeUnknown()
    expectTypeOf<Stdio.StdoutProperty<"pipe" | "inherit">>().toBeUnknown()
    expectTypeOf<Stdio.StderrProperty<"pipe" | Out>>().toBeUnknown()
    expectTypeOf<Stdio.StdoutProperty<Stdio.Output>>().toBeUnknown()
    expectTypeOf<Stdio.DescriptorProperty<{ readonly 3: "pipe" | "pipe-in" }>>().toBeUnknown()
    expectTypeOf<Stdio.DescriptorProperty<Stdio.Descriptors>>().toBeUnknown()
  })

  it("has a function for the further descriptors, which takes those that have an end here", () => {
    type Fds = { readonly 3: "pipe"; readonly 4: "pipe-in"; readonly 5: Out; readonly 6: In; readonly 7: "null" }
    const fd = (null as unknown as Stdio.DescriptorProperty<Fds>).fd
    expectTypeOf(fd(3)).toEqualTypeOf<Reader>()
    expectTypeOf(fd(4)).toEqualTypeOf<Writer>()
    expectTypeOf(fd(5)).toEqualTypeOf<Effect.Effect<number, "sink failed" | StreamError>>()
    // @ts-expect-error a Stream of the command is written to it
    fd(6)
    // @ts-expect-error /dev/null
    fd(7)
    // @ts-expect-error not there
    fd(8)
    expectTypeOf<Stdio.DescriptorProperty<{}>>().toBeUnknown()
  })
})

describe("what a command needs and fails with", () => {
  it("is what its Streams and Sinks need", () => {
    expectTypeOf<Stdio.Requirements<"pipe", "null", Stdio.Append, {}>>().toBeNever()
    expectTypeOf<Stdio.Requirements<In, "null", Out, {}>>().toEqualTypeOf<"stream needs" | "sink needs">()
    expectTypeOf<Stdio.Requirements<"null", "null", "null", { readonly 3: Out }>>().toEqualTypeOf<"sink needs">()
    expectTypeOf<Stdio.Requirements<"null" | In, "null", "null">>().toEqualTypeOf<"stream needs">()
  })

  it("is the failure of its Streams, not of its Sinks", () => {
    expectTypeOf<Stdio.InputError<"pipe">>().toBeNever()
    expectTypeOf<Stdio.InputError<In>>().toEqualTypeOf<"stream failed">()
    expectTypeOf<Stdio.InputError<"null", { readonly 3: In; readonly 4: Out }>>().toEqualTypeOf<"stream failed">()
  })
})
