/**
 * Checks that listen to what the process says itself: by systemd's protocol, by s6's, or in its output.
 *
 * @internal
 */
import type { StreamError } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { ReadyStranger } from "../../ChildError.ts"
import type { Running } from "../spec.ts"

/** What is not said before the stream ends, is not said: the end of the process or a time limit tells more. */
const first = <A, B>(stream: Stream.Stream<A>, find: (value: A) => B | undefined): Effect.Effect<B> =>
  stream.pipe(
    Stream.map(find),
    Stream.filter(Predicate.isNotUndefined),
    Stream.runHead,
    Effect.flatMap(Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
  )

/**
 * `READY=1` of `sd_notify(3)`, from the process or a descendant. One that is gone counts: it had learned the name of the socket from
 * them, and was a program that only notifies. A stranger's does not, nor does it fail the child: every user of the machine can see
 * the name, and could keep the child from ever being ready.
 */
export const notified = (running: Running): Effect.Effect<void> =>
  first(running.notifications, ({ fields, pid, sender }) => {
    if (fields["READY"] !== "1") return undefined
    if (sender !== "stranger") return true
    const reason = new ReadyStranger({ ready: "notify", ...of(pid) })
    running.report(reason.message, reason)
    return undefined
  }).pipe(Effect.asVoid)

/** A sender of another pid namespace has no number here. */
const of = (pid: number) => (pid > 0 ? { pid } : {})

/** A line that matches. */
export const logged = (
  pattern: RegExp,
  of: "stdout" | "stderr" | "both",
  running: Running
): Effect.Effect<RegExpExecArray> => {
  // A pattern with the flag g or y remembers where it matched last: this one is ours alone.
  const own = new RegExp(pattern)
  return running.findLine(of, (line) => own.exec(line) ?? undefined)
}

const newline = 10

/** A newline on the descriptor, as in s6's protocol; what comes before it is ignored. */
export const written = (descriptor: number, running: Running): Effect.Effect<void> => {
  const bytes = readerOf(running.process, descriptor)
  const quiet = Stream.catch(bytes, (error) => {
    running.report(error.message)
    return Stream.empty
  })
  return first(quiet, (chunk) => (chunk.includes(newline) ? true : undefined)).pipe(Effect.asVoid)
}

/** The type of a handle does not tell of the descriptors that `prepare` has added to its command. */
const readerOf = (process: Running["process"], descriptor: number): Stream.Stream<Uint8Array, StreamError> => {
  if (!Predicate.hasProperty(process, "fd") || typeof process.fd !== "function") return Stream.empty
  return process.fd(descriptor)
}
