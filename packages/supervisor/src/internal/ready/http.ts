/**
 * One HTTP request, on a connection of its own.
 *
 * @internal
 */
import type * as Http from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { close, type Peer, peerOf } from "./connect.ts"
import { describe, Problem } from "./problem.ts"

/** A request, and which answers are good. */
export interface Request {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string | Redacted.Redacted<string>>>
  readonly socketPath: string | undefined
  readonly rejectUnauthorized: boolean
  readonly status: (status: number) => boolean
  readonly body: ((body: string) => boolean) | undefined
}

/** A health page is short; a body that goes on is not waited for. */
const longestBody = 1024 * 1024

/**
 * Taken when it is wanted, and in this way: an `import` asks the module for all that it exports, of which one is fetch's WebSocket, and
 * so costs every program a tenth of a second at its start.
 */
const moduleOf = (url: URL) => process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http")

interface Open {
  readonly request: Http.ClientRequest
  socket: Socket | undefined
}

const open = (options: Request): Open => {
  const headers = Object.entries(options.headers).map(
    ([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value] as const
  )
  const request = moduleOf(options.url).request(options.url, {
    method: options.method,
    headers: Object.fromEntries(headers),
    // An agent would keep the connection.
    agent: false,
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
    rejectUnauthorized: options.rejectUnauthorized
  })
  const state: Open = { request, socket: undefined }
  request.once("socket", (socket) => {
    state.socket = socket
  })
  // An error after the answer has no other listener, and would end the program.
  request.on("error", () => {})
  return state
}

const problem = (text: string) => new Problem({ problem: text })

/** Succeeds with a good answer. `connected` hears to whom the request went, as soon as that is known. */
export const request = (options: Request, connected: (peer: Peer) => void): Effect.Effect<void, Problem> =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => open(options), catch: (error) => problem(describe(error)) }),
    (state) =>
      Effect.callback<void, Problem>((resume) => {
        const fail = (text: string) => resume(Effect.fail(problem(text)))
        state.request.once("socket", (socket) =>
          socket.once("connect", () => {
            const peer = peerOf(socket, options.socketPath)
            if (peer !== undefined) connected(peer)
          })
        )
        state.request.once("error", (error) => fail(describe(error)))
        state.request.once("response", (response) => {
          const status = response.statusCode ?? 0
          if (!options.status(status)) return fail(`status ${status}`)
          if (options.body === undefined) return resume(Effect.void)
          read(response, options.body, resume)
        })
        state.request.end()
      }),
    (state) =>
      Effect.suspend(() => {
        state.request.destroy()
        return state.socket === undefined ? Effect.void : close(state.socket)
      })
  )

const read = (
  response: Http.IncomingMessage,
  isGood: (body: string) => boolean,
  resume: (effect: Effect.Effect<void, Problem>) => void
): void => {
  let body = ""
  response.setEncoding("utf8")
  response.on("data", (text: string) => {
    body += text
    if (body.length > longestBody) resume(Effect.fail(problem("its body does not end")))
  })
  response.once("error", (error) => resume(Effect.fail(problem(describe(error)))))
  response.once("end", () =>
    resume(
      Effect.suspend(() => (isGood(body) ? Effect.void : Effect.fail(problem("its body is not what is expected"))))
    )
  )
}
