/**
 * Checks that ask a server: by connecting to it, or by a request.
 *
 * @internal
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import { NotReady, ReadyStranger } from "../../ChildError.ts"
import type { Running } from "../spec.ts"
import { type Address, connect, type Peer } from "./connect.ts"
import { ownerOf } from "./owner.ts"
import { attempt, poll } from "./poll.ts"
import type { Problem } from "./problem.ts"

/** Asks once. `connected` hears who was reached, also where the answer is none. */
export type Probe = (connected: (peer: Peer) => void) => Effect.Effect<void, Problem>

export const connecting =
  (address: Address): Probe =>
  (connected) =>
    Effect.map(connect(address), (peer) => {
      if (peer !== undefined) connected(peer)
    })

export interface Server {
  readonly name: string
  readonly probe: Probe
  readonly schedule: Schedule.Schedule<unknown>
  readonly attemptTimeout: Duration.Duration
  readonly owner: "child" | "any"
}

/** Asks until the answer is good, and comes from the child. */
export const check = (server: Server, running: Running): Effect.Effect<void, NotReady> =>
  poll(server.name, server.schedule, running, ask(server, running))

const ask = (server: Server, running: Running): Effect.Effect<void, NotReady | Problem> =>
  Effect.suspend(() => {
    let reached: Peer | undefined
    const probe = server.probe((peer) => {
      reached = peer
    })
    // A stranger need not give the right answer, or any: who was reached counts first.
    return Effect.flatMap(Effect.exit(attempt(probe, server.attemptTimeout)), (exit) =>
      reached === undefined || server.owner === "any" ? exit : Effect.andThen(isOwn(server, running, reached), exit)
    )
  })

const isOwn = Effect.fnUntraced(function* (server: Server, running: Running, peer: Peer) {
  if (running.process === undefined) return
  const verdict = yield* ownerOf(running.process, peer)
  if (verdict._tag !== "Stranger") return
  const { pid, program } = verdict
  return yield* new NotReady({
    child: running.child,
    reason: new ReadyStranger({
      ready: server.name,
      ...(pid === undefined ? {} : { pid }),
      ...(program === undefined ? {} : { program })
    })
  })
})
