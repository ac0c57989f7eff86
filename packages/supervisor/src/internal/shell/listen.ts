/**
 * What a process child says: lines of its output, which go to the logs of its tree, for an unread pipe would stop it; and messages
 * of the notify protocol. Readiness and liveness checks listen to both.
 *
 * @internal
 */
import { Command, type Process, type SpawnError } from "@nursery/process"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import * as Ready from "../ready/prepare.ts"
import type { EffectSpec, ProcessSpec, Running } from "../spec.ts"
import type { Life } from "./life.ts"
import { Lines, type Output } from "./lines.ts"
import { publish } from "./sliding.ts"

/** How many messages are kept for a check: those from before it listens, and those that it has not looked at yet. */
const replay = 1024
const capacity = 4096

/** The command as it is started: with the stop policy of the child, and what its checks want of it. */
export const prepare = (command: Command.Command, spec: ProcessSpec): Effect.Effect<Command.Command, SpawnError> => {
  const stopped = spec.stop === undefined ? command : Command.stop(command, { ...command.stop, ...spec.stop })
  const wants = [spec.ready, spec.liveness].filter((check) => check !== undefined).map((check) => check.wants)
  const told = spec.reload === "notify" ? Command.notify(stopped, true) : stopped
  return wants.length === 0 ? Effect.succeed(told) : Ready.prepare(wants, told)
}

/** What there is to listen to of a child that is no process. */
export const silent = (spec: EffectSpec, life: Life): Running => ({
  child: spec.name,
  process: undefined,
  notifications: Stream.never,
  findLine: () => Effect.never,
  report: (problem, reason) => life.report(problem, reason)
})

/** What there is to listen to of a process. */
export interface Listened {
  readonly running: Running
  /** It is ready: nobody will ask any more for what it wrote before. */
  readonly isReady: () => void
}

/** Whether there is anything to listen to. */
export const isHeard = ({ notify, stderr, stdout }: Command.Command): boolean =>
  notify || stdout === "pipe" || stderr === "pipe"

/** `readers` gets the fibers that read the output and the messages: they end with them. */
export const listen = Effect.fnUntraced(function* (
  spec: ProcessSpec,
  process: Process.Process,
  readers: Array<Fiber.Fiber<unknown>>,
  life: Life
): Effect.fn.Return<Listened> {
  const isWanted = spec.ready !== undefined && (spec.ready.wants.stdout || spec.ready.wants.stderr)
  const lines = isWanted ? new Lines() : undefined
  for (const name of ["stdout", "stderr"] as const) {
    const stream = outputOf(process, name)
    if (stream === undefined) continue
    readers.push(yield* Effect.forkDetach(drain(name, stream, lines), { startImmediately: true }))
  }
  let notifications: PubSub.PubSub<Process.Notification> | undefined
  if (process.command.notify) {
    const told = yield* PubSub.sliding<Process.Notification>({ capacity, replay })
    notifications = told
    const tell = Stream.runForEach(process.notifications, (notification) =>
      Effect.sync(() => {
        life.hear(notification)
        publish(told, notification)
      })
    )
    readers.push(yield* Effect.forkDetach(tell, { startImmediately: true }))
  }
  const running: Running = {
    child: spec.name,
    process,
    notifications: notifications === undefined ? Stream.never : Stream.fromPubSub(notifications),
    findLine: (of, find) => (lines === undefined ? Effect.never : lines.first(of, find)),
    report: (problem, reason) => life.report(problem, reason)
  }
  return { running, isReady: () => lines?.forget() }
})

/** Its type is not known here; where the command says `pipe` there is one. */
const outputOf = (process: Process.Process, name: Output): Stream.Stream<Uint8Array, unknown> | undefined => {
  const stream: unknown = Reflect.get(process, name)
  return Stream.isStream(stream) ? (stream as Stream.Stream<Uint8Array, unknown>) : undefined
}

/** A line that goes on for longer comes in pieces: a process that never ends one must not fill the memory. UTF-16 units. */
const longestLine = 64 * 1024

/** Takes text, and returns the lines that it completes; called without any, what is left. */
const splitter = (): ((text?: string) => ReadonlyArray<string>) => {
  let rest = ""
  return (text) => {
    if (text === undefined) return rest === "" ? [] : [rest]
    const lines = (rest + text).split(/\r?\n/)
    rest = lines.pop() ?? ""
    for (; rest.length >= longestLine; rest = rest.slice(longestLine)) lines.push(rest.slice(0, longestLine))
    return lines
  }
}

const drain = (
  of: Output,
  stream: Stream.Stream<Uint8Array, unknown>,
  heard: Lines | undefined
): Effect.Effect<void> => {
  const split = splitter()
  const tell = (lines: ReadonlyArray<string>) =>
    Effect.forEach(
      lines,
      (text) => {
        heard?.say(of, text)
        return Effect.logInfo(text)
      },
      { discard: true }
    )
  return stream.pipe(
    Stream.decodeText(),
    Stream.runForEach((text) => tell(split(text))),
    // The end of the process says the rest.
    Effect.ignore,
    Effect.andThen(Effect.suspend(() => tell(split()))),
    Effect.annotateLogs("nursery.stream", of)
  )
}
