/**
 * The store as a service of the application's own Effects, and the two programs that can be it.
 */
import { join } from "node:path"
import { Command } from "@nursery/process"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { makeClient } from "./client.ts"
import type { Reply } from "./resp.ts"

export type Kind = "embedded" | "redis"

export class StoreError extends Data.TaggedError("StoreError")<{ readonly message: string }> {}

/** One command to the store that listens at a socket. */
export const call = (socket: string, ...command: ReadonlyArray<string>): Effect.Effect<Reply, StoreError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => makeClient(socket)),
    (client) =>
      Effect.tryPromise({
        try: () => client.call(...command),
        catch: (error) => new StoreError({ message: String(error) })
      }),
    (client) => Effect.sync(client.close)
  )

export const socketIn = (directory: string): string => join(directory, "store.sock")

/** Both keep what they have in the directory, and speak the same protocol at the same socket. */
export const command = (kind: Kind, directory: string) =>
  kind === "redis"
    ? Command.make("redis-server", [
        ...["--port", "0", "--unixsocket", socketIn(directory)],
        ...["--dir", directory, "--appendonly", "yes", "--save", "", "--logfile", "redis.log"]
      ])
    : Command.make(process.execPath, [
        "--disable-warning=ExperimentalWarning",
        join(import.meta.dirname, "programs/store.ts"),
        ...[join(directory, "store.sqlite"), socketIn(directory)]
      ])
