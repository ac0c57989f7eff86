import { Pipeline } from "@nursery/pipeline"
import { Command, Stdio } from "@nursery/process"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import { check, plan } from "../../src/internal/plan.ts"
import type { Destination, Spec } from "../../src/internal/spec.ts"
import { append, PipelineValue, specOf, typed } from "../../src/internal/value.ts"

const cat = Command.make("cat")
const program: Destination = { _tag: "Program" }
const asIs: Destination = { _tag: "AsIs" }
const same = <A>(stream: Stream.Stream<A>) => stream

/** `a b > [c] > d`: names of processes, and of functions in brackets, with what connects the parts. */
const shape = (spec: Spec, destination: Destination): string => {
  const problem = check(spec)
  if (problem !== undefined) return problem.message
  return plan(spec, destination)
    .parts.map((part) => {
      const names = part.stages.map(({ name }) => name).join(" ")
      return part._tag === "InProgram" ? `[${names}]` : `${part.input._tag} ${names} ${part.output._tag}`
    })
    .join(" > ")
}

describe("parts", () => {
  const text = Pipeline.from("text")

  it("are one where all are processes", () => {
    const all = text.pipe(Pipeline.process("a", cat), Pipeline.process("b", cat), Pipeline.process("c", cat))
    expect(shape(specOf(all), asIs)).toBe("Program a b c AsIs")
  })

  it("change where the kind of the stages does", () => {
    const mixed = text.pipe(
      Pipeline.process("a", cat),
      Pipeline.process("b", cat),
      Pipeline.transform("c", same<Uint8Array>),
      Pipeline.transform("d", same<Uint8Array>),
      Pipeline.process("e", cat)
    )
    expect(shape(specOf(mixed), program)).toBe("Program a b Program > [c d] > Program e Program")
  })

  it("are none where there is no stage", () => {
    expect(shape(specOf(text), program)).toBe("")
  })

  it("give a file to the process beside it", () => {
    const file = Pipeline.from(Stdio.read("/in"))
    const to: Destination = { _tag: "File", file: Stdio.truncate("/out") }
    expect(shape(specOf(file.pipe(Pipeline.process("a", cat))), to)).toBe("File a File")
    const between = file.pipe(Pipeline.transform("t", same<Uint8Array>), Pipeline.process("a", cat))
    expect(shape(specOf(between), to)).toBe("[t] > Program a File")
  })

  it("leave the first command its own input", () => {
    expect(shape(specOf(Pipeline.from("a", cat).pipe(Pipeline.process("b", cat))), program)).toBe("Command a b Program")
  })

  it("lend bytes to those who say that they may be lent", () => {
    const begun = text.pipe(Pipeline.process("a", cat))
    const lent = (borrows: boolean) => {
      const stage = typed("t", same<Uint8Array>, { borrows })
      const [part] = plan(append(begun, stage), program).parts
      return part?._tag === "Processes" && part.isBorrowed
    }
    expect([lent(true), lent(false)]).toEqual([true, false])
  })
})

describe("what cannot be", () => {
  const text = Pipeline.from("text")
  /** As code without types puts it together. */
  const pipelineOf = (...commands: ReadonlyArray<readonly [name: string, command: Command.Command]>): Spec => ({
    ...specOf(Pipeline.from("text")),
    stages: commands.map(([name, command]) => ({ _tag: "Process", name, command, descendants: "end", inputs: [] }))
  })
  const cases: ReadonlyArray<readonly [what: string, spec: Spec, problem: string]> = [
    ["a name twice", pipelineOf(["a", cat], ["b", cat], ["a", cat]), '"a": two stages have this name'],
    ["no name", pipelineOf(["", cat]), '"": a stage needs a name'],
    [
      "two inputs",
      pipelineOf(["a", Command.stdin(cat, "inherit")]),
      '"a": it reads what the stage before it writes, so its stdin is not free'
    ],
    [
      "two outputs",
      pipelineOf(["a", Command.stdout(cat, "null")], ["b", cat]),
      '"a": its stdout goes elsewhere, so that nothing is left for the stage after it'
    ],
    [
      "a Sink in a command",
      pipelineOf(["a", Command.stdout(cat, Sink.drain)]),
      '"a": its stdout is a Sink: give that to Pipeline.toSink'
    ],
    [
      "a pipe to nobody",
      pipelineOf(["a", Command.fds(cat, { 5: "pipe" })]),
      '"a": nobody has the other end of its fds[5]'
    ],
    [
      "an input in the place of another descriptor",
      {
        ...specOf(Pipeline.from("text")),
        stages: [
          {
            _tag: "Process",
            name: "a",
            command: Command.fds(cat, { 3: "null" }),
            descendants: "end",
            inputs: [{ descriptor: 3, spec: specOf(Pipeline.from("text")) }]
          }
        ]
      },
      '"a": its descriptor 3 is not free for an input'
    ],
    [
      "a name twice, once in a part",
      specOf(
        Pipeline.from("a", cat).pipe(Pipeline.tee("t", (copy) => copy.pipe(Pipeline.process("a" as string, cat))))
      ),
      '"a": two stages have this name'
    ],
    [
      "no way at all",
      specOf(Pipeline.fromStream(Stream.make(1)).pipe(Pipeline.fanOut("f", { ways: 0 }, (part) => part))),
      '"f": its number of ways has to be a whole number from 1 on'
    ],
    [
      "half a way, and so on",
      specOf(Pipeline.fromStream(Stream.make(1)).pipe(Pipeline.fanOut("f", { ways: Infinity }, (part) => part))),
      '"f": its number of ways has to be a whole number from 1 on'
    ],
    ...[0, -1, 2.5, Number.NaN].map(
      (size) =>
        [
          `batches of ${size}`,
          specOf(Pipeline.fromStream(Stream.make(1)).pipe(Pipeline.batch("b", { size }))),
          '"b": its size has to be a whole number from 1 on'
        ] as const
    ),
    [
      "a branch that reads something else",
      specOf(text.pipe(Pipeline.tee("t", () => Pipeline.from("another").pipe(Pipeline.process("a", cat))))),
      '"t": its branch does not begin with what is given to it'
    ],
    [
      "a branch that reads twice",
      specOf(text.pipe(Pipeline.tee("t", (copy) => Pipeline.merge([copy, copy])))),
      '"t": its branch begins more than once with what is given to it'
    ],
    [
      "a first command that nobody writes to",
      { ...pipelineOf(["a", Command.stdin(cat, "pipe")]), source: { _tag: "Command" } },
      '"a": nobody writes to its stdin: begin the pipeline with Pipeline.from of a Stream'
    ]
  ]
  it.each(cases)("%s", (_, spec, problem) => {
    expect(shape(spec, asIs)).toBe(problem)
  })

  it("is said when it is run", async () => {
    const { Effect } = await import("effect")
    const error = await Effect.runPromise(
      Effect.flip(
        Pipeline.run(
          new PipelineValue<Uint8Array, never, never, { [name: string]: "process" }>(pipelineOf(["a", cat], ["a", cat]))
        )
      )
    )
    expect(error._tag).toBe("InvalidPipeline")
  })
})
