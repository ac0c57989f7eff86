/**
 * Third part: an application of several processes as one tree, which recovers from what is done to it.
 */
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Supervisor } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Kind } from "../app/store.ts"
import { application } from "../app/tree.ts"
import * as Cast from "./cast.ts"
import * as Proc from "./proc.ts"
import * as Proof from "./proof.ts"
import { heading, pause, print, style } from "./screen.ts"
import { Story } from "./story.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-tour-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const request = (url: string, init?: RequestInit) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { ...init, signal })
      const text = await response.text()
      if (!response.ok) throw new Error(`${response.status} ${text.trim()}`)
      return text.trim()
    },
    catch: (error) => `${url} does not answer: ${error}`
  })

/** Whoever does not have the answer yet is asked again. */
const patiently = Schedule.upTo(Schedule.spaced("50 millis"), { duration: "10 seconds" })

const show = (question: string, answer: string) => print("", `   ${question.padEnd(24)}${style("cyan", answer)}`)

const kill = (pid: number) => Effect.sync(() => process.kill(pid, "SIGKILL"))

const begin = (story: Story, text: string) =>
  Effect.andThen(
    heading(text),
    Effect.sync(() => story.begin())
  )

/** Runs in the scope of the tree. */
const inScope = (kind: Kind, marker: string, story: Story, path: string) =>
  Effect.gen(function* () {
    let url = ""
    const seen = new Map<string, Proc.Entry>()
    const remember = Effect.gen(function* () {
      // Redis writes its name over its environment: that one is known by its pid alone.
      const marked = kind === "redis" ? story.pids.filter((pid) => pid !== story.pidOf("store")) : story.pids
      const evidence = yield* Proof.collect(`${Cast.variable}=${marker}`, marked)
      const known = story.pids.flatMap((pid) => Proc.lookUp(pid) ?? [])
      for (const entry of [...evidence.seen, ...known]) seen.set(`${entry.pid} ${entry.startTime}`, entry)
    })
    const ask = (path: string) =>
      Effect.flatMap(
        Effect.retry(
          Effect.suspend(() => request(url + path)),
          patiently
        ),
        (answer) => show(`GET ${path}`, answer)
      )

    yield* begin(story, "5. An application as one tree: a store, a server, workers, and a fiber")
    const running = yield* Supervisor.start(
      application({
        directory: path,
        store: kind,
        env: { [Cast.variable]: marker },
        onListening: (address) =>
          Effect.sync(() => {
            url = address
          })
      })
    )
    yield* Effect.forkDetach(story.tell(running.events))
    yield* story.recovery("monitor", 1, Effect.void)
    yield* remember
    const place = yield* request(url, { method: "POST", body: "600851475143" })
    yield* show("POST 600851475143", place)
    yield* ask(place)
    yield* pause

    yield* begin(story, "6. The server is killed by SIGKILL")
    yield* story.recovery("web", 1, kill(story.pidOf("web")))
    yield* remember
    yield* ask(place)
    yield* pause

    yield* begin(story, "7. A worker gets a number that it dies of, again and again")
    const poison = yield* request(url, { method: "POST", body: "0" })
    yield* ask(poison)
    yield* remember
    yield* pause

    yield* begin(story, "8. The store is killed by SIGKILL, and with it goes what needs it")
    yield* story.recovery("store", 1, kill(story.pidOf("store")))
    yield* remember
    yield* ask(place)
    yield* pause

    yield* begin(story, "9. The tree is stopped, in the reverse of the order in which it started")
    return { marker: `${Cast.variable}=${marker}`, seen: [...seen.values()] }
  }).pipe(Effect.provide(story.logger))

export const applicationRecovers = (kind: Kind) =>
  Effect.gen(function* () {
    const path = yield* directory
    const evidence = yield* Effect.scoped(inScope(kind, randomUUID(), new Story(), path))
    yield* print("")
    return yield* Proof.nothingIsLeft(evidence)
  }).pipe(Effect.scoped)
