/**
 * The HTTP server: `POST /` with a number gives the path of its result, `GET` there the result, and `GET /` how much there is to do.
 */
import { createServer, type IncomingMessage } from "node:http"
import { text } from "node:stream/consumers"
import { makeClient } from "../client.ts"
import { counts, result, submit } from "../jobs.ts"

const [, , socket = "", port = "0"] = process.argv
const store = makeClient(socket)

const respond = async (request: IncomingMessage): Promise<readonly [status: number, body: string]> => {
  if (request.method === "POST") return [202, `/${await submit(store, (await text(request)).trim())}`]
  if (request.url === "/") {
    const { done, waiting } = await counts(store)
    return [200, `${waiting} waiting, ${done} done`]
  }
  const found = await result(store, request.url?.slice(1) ?? "")
  return found === undefined ? [404, "not yet"] : [200, found]
}

const server = createServer((request, response) => {
  respond(request)
    // Only until the supervisor has seen that the store is away: this server is stopped then.
    .catch((error: Error): readonly [number, string] => [503, error.message])
    .then(([status, body]) => response.writeHead(status).end(`${body}\n`))
})

server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address()
  // What the tree waits for.
  console.log(`listening on port ${typeof address === "object" ? address?.port : address}`)
})

process.once("SIGTERM", () => {
  server.close(() => process.exit())
  server.closeIdleConnections()
})
