import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import { Nursery } from "@nursery/process"
import { Supervisor } from "@nursery/supervisor"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { TooNew } from "../../src/app/migrate.ts"
import * as Store from "../../src/app/store.ts"
import { application } from "../../src/app/tree.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "nursery-app-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const layer = Layer.merge(Nursery.layer, Logger.layer([]))

const ignore = () => Effect.void

const ask = (url: string, init?: RequestInit) =>
  Effect.tryPromise(async () => {
    const response = await fetch(url, init)
    if (!response.ok) throw new Error(String(response.status))
    return (await response.text()).trim()
  })

const kinds: ReadonlyArray<Store.Kind> = existsSync("/usr/bin/redis-server") ? ["embedded", "redis"] : ["embedded"]

for (const store of kinds) {
  it.live(`keeps what was done on a store that is ${store}, over a restart`, () =>
    Effect.gen(function* () {
      const path = yield* directory
      const run = <A, E>(use: (url: string) => Effect.Effect<A, E>) =>
        Effect.gen(function* () {
          const address = yield* Deferred.make<string>()
          const onListening = (url: string) => Deferred.succeed(address, url)
          yield* Supervisor.start(application({ directory: path, store, onListening }))
          return yield* use(yield* Deferred.await(address))
        }).pipe(Effect.scoped)

      const place = yield* run((url) => ask(url, { method: "POST", body: "91" }))
      const answer = yield* run((url) => Effect.retry(ask(url + place), Schedule.spaced("20 millis")))
      expect(answer).toBe("91 = 7 * 13")
    }).pipe(Effect.provide(layer))
  )
}

it.live("gives up at once where its port is taken", () =>
  Effect.gen(function* () {
    const port = yield* Effect.callback<number>((resume) => {
      const stranger = createServer().listen(0, "127.0.0.1", () => {
        const address = stranger.address()
        resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0))
      })
      return Effect.sync(() => stranger.close())
    })
    const tree = application({ directory: yield* directory, port, onListening: ignore })
    const error = yield* Effect.flip(Supervisor.run(tree))
    expect(error).toMatchObject({ _tag: "GaveUp", name: "web", attempts: 1 })
    expect(error.message).toContain("exited with code 1 before it was ready")
  }).pipe(Effect.provide(layer))
)

it.live("gives up at once where its store is of a newer version", () =>
  Effect.gen(function* () {
    const path = yield* directory
    const tree = application({ directory: path, onListening: ignore })
    const newer = Effect.andThen(Supervisor.start(tree), Store.call(Store.socketIn(path), "SET", "version", "99"))
    yield* Effect.scoped(newer)

    const error = yield* Effect.flip(Supervisor.run(tree))
    expect(error).toMatchObject({ _tag: "GaveUp", name: "migrate", attempts: 1 })
    expect(error).toHaveProperty("exit.error", new TooNew({ found: 99, known: 2 }))
  }).pipe(Effect.provide(layer))
)
