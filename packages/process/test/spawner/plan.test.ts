import { describe, expect, it } from "@effect/vitest"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import { resolve } from "../../src/internal/spawner/options.ts"
import * as Pipeline from "../../src/internal/spawner/pipeline.ts"

const stagesOf = (command: ChildProcess.Command, kernel = true) => {
  const { commands, pipes } = Pipeline.flatten(command)
  return Pipeline.plan(Result.getOrThrow(Result.all(commands.map(resolve))), pipes, kernel)
}

/** How the second of two commands is connected with the first. */
const linkOf = (
  first: ChildProcess.CommandOptions,
  second: ChildProcess.CommandOptions = {},
  options: ChildProcess.PipeOptions = {},
  kernel = true
): string => {
  const piped = ChildProcess.make("a", first).pipe(ChildProcess.pipeTo(ChildProcess.make("b", second), options))
  const link = stagesOf(piped, kernel)[1]?.link
  if (link === undefined) throw new Error("the second stage has no link")
  const source = link.kind === "kernel" ? link.sources.join("+") : link.source
  return `${link.kind} ${source} to ${link.target}`
}

const sink = Sink.succeed(new Uint8Array(0))

describe("a pipeline", () => {
  it("is flattened from the left to the right", () => {
    const inner = ChildProcess.make("b").pipe(ChildProcess.pipeTo(ChildProcess.make("c"), { from: "stderr" }))
    const { commands, pipes } = Pipeline.flatten(
      ChildProcess.make("a").pipe(
        ChildProcess.pipeTo(inner, { to: "fd3" }),
        ChildProcess.pipeTo(ChildProcess.make("d"))
      )
    )
    expect(commands.map(({ command }) => command)).toEqual(["a", "b", "c", "d"])
    expect(pipes).toEqual([{ to: "fd3" }, { from: "stderr" }, {}])
  })

  it("writes to /dev/null what nobody can reach", () => {
    const [first, second] = stagesOf(
      ChildProcess.make("a", { stderr: "inherit", additionalFds: { fd3: { type: "output" } } }).pipe(
        ChildProcess.pipeTo(ChildProcess.make("b"))
      )
    )
    const kinds = (stage: Pipeline.Stage | undefined) =>
      Array.from(stage?.resolved.descriptors.values() ?? [], ({ request }) => `${request.target} ${request.kind}`)
    expect(kinds(first)).toEqual(["0 pipeIn", "1 pipeOut", "2 inherit", "3 null"])
    expect(kinds(second)).toEqual(["0 pipeIn", "1 pipeOut", "2 pipeOut"])
  })
})

describe("two neighbours are joined by a kernel pipe", () => {
  const fd3 = (type: "input" | "output" | "duplex") => ({ additionalFds: { fd3: { type } } })

  it("from a plain pipe, whichever descriptor it is", () => {
    expect(linkOf({})).toBe("kernel 1 to 0")
    expect(linkOf({ stdout: "overlapped" })).toBe("kernel 1 to 0")
    expect(linkOf({}, {}, { from: "stderr" })).toBe("kernel 2 to 0")
    expect(linkOf(fd3("output"), {}, { from: "fd3" })).toBe("kernel 3 to 0")
  })

  it("from both outputs, which then share one pipe", () => {
    expect(linkOf({}, {}, { from: "all" })).toBe("kernel 1+2 to 0")
    expect(linkOf({ stderr: "ignore" }, {}, { from: "all" })).toBe("kernel 1 to 0")
  })

  it("to any descriptor, whatever the target had there", () => {
    expect(linkOf({}, { stdin: "ignore" })).toBe("kernel 1 to 0")
    expect(linkOf({}, {}, { to: "fd5" })).toBe("kernel 1 to 5")
    expect(linkOf({}, fd3("input"), { to: "fd3" })).toBe("kernel 1 to 3")
  })

  it("but not where the source has a Sink, a socket or no pipe", () => {
    expect(linkOf({ stdout: sink })).toBe("program stdout to 0")
    expect(linkOf({ stderr: sink }, {}, { from: "all" })).toBe("program all to 0")
    expect(linkOf(fd3("duplex"), {}, { from: "fd3" })).toBe("program 3 to 0")
    expect(linkOf({ stdout: "inherit" })).toBe("program stdout to 0")
    expect(linkOf({}, {}, { from: "fd4" })).toBe("program 4 to 0")
    expect(linkOf(fd3("input"), {}, { from: "fd3" })).toBe("program 3 to 0")
  })

  it("but not where the target is duplex or stays open", () => {
    expect(linkOf({}, fd3("duplex"), { to: "fd3" })).toBe("program stdout to 3")
    expect(linkOf({}, { stdin: { stream: "pipe", endOnDone: false } })).toBe("program stdout to 0")
    expect(linkOf({}, { stdin: { stream: "ignore", endOnDone: false } })).toBe("program stdout to 0")
  })

  it("but not where the platform cannot", () => {
    expect(linkOf({}, {}, {}, false)).toBe("program stdout to 0")
  })
})
