/**
 * Connections to find out whether somebody listens: made, and closed at once.
 *
 * @internal
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import { describe, Problem } from "./problem.ts"

/** Where a server should listen. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

/** Where somebody does: with the number that a name stood for. */
export type Peer = { readonly address: string; readonly port: number } | { readonly path: string }

/** What a connected socket is connected to. */
export const peerOf = (socket: Net.Socket, path: string | undefined): Peer | undefined => {
  if (path !== undefined) return { path }
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : { address: remoteAddress, port: remotePort }
}

/** Returns when the descriptor of the socket is closed. */
export const close = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    socket.destroy()
  })

/** Connects and closes. */
export const connect = (address: Address): Effect.Effect<Peer | undefined, Problem> =>
  Effect.acquireUseRelease(
    Effect.try({
      try: () => {
        const socket = Net.connect(address)
        // An error of a socket that is closed already has no other listener, and would end the program.
        return socket.on("error", () => {})
      },
      catch: (error) => new Problem({ problem: describe(error) })
    }),
    (socket) =>
      Effect.callback<Peer | undefined, Problem>((resume) => {
        socket.once("connect", () =>
          resume(Effect.succeed(peerOf(socket, "path" in address ? address.path : undefined)))
        )
        socket.once("error", (error) => resume(Effect.fail(new Problem({ problem: describe(error) }))))
      }),
    close
  )
