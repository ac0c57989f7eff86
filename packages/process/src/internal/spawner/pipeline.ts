/**
 * How the commands of a pipeline are connected: decided before anything is started, without an effect.
 *
 * Two neighbours are joined by a kernel pipe where nothing but bytes can tell the difference: what is piped is what the source
 * writes, unchanged (no `Sink`, no socket), and the target's end is closed with it (not duplex, `endOnDone` not false). All
 * other connections go through this program, as they do under Effect's Node spawner.
 *
 * Nobody can reach what the stages before the last one write elsewhere, because the handle of a pipeline shows the output of the
 * last one only. Under Node such a stage hangs once its buffers are full; here it writes to /dev/null.
 *
 * @internal
 */
import * as ChildProcess from "effect/process/ChildProcess"
import type { Descriptor, Input, Resolved } from "./options.ts"

/** Where the bytes of a connection come from in the stage before. */
export type Source = "stdout" | "stderr" | "all" | number

/** The connection of a stage with the one before it. */
export type Link = {
  /** The descriptor of the stage that reads. */
  readonly target: number
} & (
  | { readonly kind: "kernel"; readonly sources: ReadonlyArray<number> }
  | { readonly kind: "program"; readonly source: Source; readonly input: Input }
)

export interface Stage {
  readonly resolved: Resolved
  /** `undefined` for the first. */
  readonly link: Link | undefined
}

/** The commands of a pipeline in their order, and the options of the connections between them. */
export const flatten = (
  command: ChildProcess.Command
): {
  readonly commands: ReadonlyArray<ChildProcess.StandardCommand>
  readonly pipes: ReadonlyArray<ChildProcess.PipeOptions>
} => {
  const commands: Array<ChildProcess.StandardCommand> = []
  const pipes: Array<ChildProcess.PipeOptions> = []
  const visit = (command: ChildProcess.Command): void => {
    if (command._tag === "StandardCommand") {
      commands.push(command)
      return
    }
    visit(command.left)
    pipes.push(command.options)
    visit(command.right)
  }
  visit(command)
  return { commands, pipes }
}

const sourceOf = (from: ChildProcess.PipeFromOption | undefined): Source => {
  if (from === "stderr" || from === "all") return from
  return ChildProcess.parseFdName(from ?? "stdout") ?? "stdout"
}

const descriptorsOf = (source: Source): ReadonlyArray<number> => {
  switch (source) {
    case "stdout":
      return [1]
    case "stderr":
      return [2]
    case "all":
      return [1, 2]
    default:
      return [source]
  }
}

/** The descriptors that a kernel pipe can take over, or `undefined` where one has to be read by this program. */
const joinable = (resolved: Resolved, source: Source): ReadonlyArray<number> | undefined => {
  const written = descriptorsOf(source).filter((target) => resolved.descriptors.get(target)?.output !== undefined)
  const plain = written.every((target) => {
    const descriptor = resolved.descriptors.get(target)
    return descriptor?.request.kind === "pipeOut" && descriptor.output?.sink === undefined
  })
  return written.length > 0 && plain ? written : undefined
}

/** How the target writes what it is given: as its own options say. */
const inputOf = (resolved: Resolved, target: number): Input =>
  target === 0 ? resolved.stdin : { stream: undefined, endOnDone: true, encoding: "utf-8" }

const linkOf = (before: Resolved, after: Resolved, options: ChildProcess.PipeOptions, kernel: boolean): Link => {
  const source = sourceOf(options.from)
  const target = ChildProcess.parseFdName(options.to ?? "stdin") ?? 0
  const input = inputOf(after, target)
  const duplex = after.descriptors.get(target)?.request.kind === "duplex"
  const sources = kernel && input.endOnDone && !duplex ? joinable(before, source) : undefined
  return sources === undefined ? { target, kind: "program", source, input } : { target, kind: "kernel", sources }
}

const discard = (target: number): Descriptor => ({
  request: { target, kind: "null" },
  input: undefined,
  output: undefined
})

/** Without the outputs that nobody can reach. */
const withoutUnreachable = (resolved: Resolved, next: Link): Resolved => {
  const reached = next.kind === "kernel" ? next.sources : descriptorsOf(next.source)
  const descriptors = new Map(resolved.descriptors)
  for (const [target, descriptor] of descriptors) {
    if (descriptor.request.kind === "pipeOut" && !reached.includes(target)) descriptors.set(target, discard(target))
  }
  return { ...resolved, descriptors }
}

/** `kernel`: whether the backend can join two children by a pipe. */
export const plan = (
  commands: ReadonlyArray<Resolved>,
  pipes: ReadonlyArray<ChildProcess.PipeOptions>,
  kernel: boolean
): ReadonlyArray<Stage> => {
  const links = commands.map((resolved, index) => {
    const before = commands[index - 1]
    return before === undefined ? undefined : linkOf(before, resolved, pipes[index - 1] ?? {}, kernel)
  })
  return commands.map((resolved, index) => {
    const next = links[index + 1]
    return { resolved: next === undefined ? resolved : withoutUnreachable(resolved, next), link: links[index] }
  })
}
