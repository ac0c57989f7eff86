/**
 * A server that does what its test tells it by lines on stdin, and says `done` on stdout after each. `node server.ts <port or path>`.
 *
 * - `listen`: begins to accept connections.
 * - `hang`, `endless`, `status 503`, `body text`: how requests are answered from then on; at first with status 200 and no body.
 */
import { createServer } from "node:http"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"

const at = process.argv[2] ?? ""
let status = 200
let body = ""
let isSilent = false
let isEndless = false

function* forever() {
  while (true) yield "and so on ".repeat(1000)
}

const say = (line: string) => process.stdout.write(`${line}\n`)

const server = createServer((request, response) => {
  say(`request ${request.method} ${request.url} ${request.headers["authorization"] ?? ""}`.trimEnd())
  if (isSilent) return
  response.writeHead(status)
  if (isEndless) Readable.from(forever()).pipe(response)
  else response.end(body)
})

createInterface({ input: process.stdin }).on("line", (line) => {
  const [order, ...rest] = line.split(" ")
  if (order === "listen") {
    server.listen(/^[0-9]+$/.test(at) ? { port: Number(at), host: "127.0.0.1" } : { path: at }, () => say("done"))
    return
  }
  isSilent = order === "hang"
  isEndless = order === "endless"
  if (order === "status") status = Number(rest[0])
  if (order === "body") body = rest.join(" ")
  say("done")
})
