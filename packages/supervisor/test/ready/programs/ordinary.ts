/**
 * Who answers at a port of another user, as an ordinary one sees it: of this program itself, and of its parent, which is not this
 * user's. `node ordinary.ts <port>`.
 */
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import { ownerOf } from "../../../src/internal/ready/owner.ts"

const peer = { address: "127.0.0.1", port: Number(process.argv[2]) }

const child = (pid: number): Parameters<typeof ownerOf>[0] => {
  // Of a handle no more is looked at.
  const handle: unknown = { pid, command: Command.make("x"), descendants: Effect.succeed([]) }
  return handle as Parameters<typeof ownerOf>[0]
}

const both = Effect.all({ own: ownerOf(child(process.pid), peer), parent: ownerOf(child(process.ppid), peer) })
console.log(JSON.stringify(await Effect.runPromise(both)))
