/**
 * The application as a program: `node packages/examples/src/app/main.ts [--port 8080] [--store redis] [directory]`. Ctrl-C ends it.
 */
import { mkdirSync } from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Nursery } from "@nursery/process"
import { Supervisor } from "@nursery/supervisor"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { application } from "./tree.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "8080" }, store: { type: "string", default: "embedded" } }
})
const directory = positionals[0] ?? "numbers"
mkdirSync(directory, { recursive: true })

const tree = application({
  directory,
  port: Number(values.port),
  store: values.store === "redis" ? "redis" : "embedded",
  onListening: (url) => Console.log(`curl -d 600851475143 ${url}`)
})

NodeRuntime.runMain(Supervisor.run(tree).pipe(Effect.provide(Nursery.layer)))
