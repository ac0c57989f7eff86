/**
 * A small application as one tree: who needs whom, when each is ready, and what is done about each failure.
 *
 * ```
 * app ─┬─ store      a process: SQLite behind a socket, or Redis
 *      ├─ migrate    an Effect that ends, between the store and all who use it
 *      ├─ web        a process: the HTTP server
 *      ├─ worker-1   processes: they do what the server must not wait for
 *      ├─ worker-2
 *      └─ monitor    a fiber that watches the server
 * ```
 */
import { join } from "node:path"
import { Command } from "@nursery/process"
import { Child, type ChildExit, type ProcessFailure, Ready, Restart, Supervisor } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { migrate } from "./migrate.ts"
import { monitor } from "./monitor.ts"
import * as Store from "./store.ts"

export interface Options {
  /** Where the store keeps its files. */
  readonly directory: string
  readonly store?: Store.Kind
  /** Default: one that is free. */
  readonly port?: number
  readonly env?: Command.Env
  /** Told where the server is, each time that it has started. */
  readonly onListening: (url: string) => Effect.Effect<void>
}

/** 0.1, 0.2, 0.4 seconds ..., and after eight failures in a row somebody has to look at it. */
const backOff = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 8 }))

const restart = Restart.always({ schedule: backOff, healthyAfter: "10 seconds" })

const failedToStart = (exit: ChildExit<ProcessFailure>): boolean =>
  exit._tag === "Failed" && exit.error._tag === "NotReady" && exit.error.reason._tag === "ExitedBeforeReady"

export const application = ({ directory, env = {}, onListening, port = 0, store: kind = "embedded" }: Options) => {
  const socket = Store.socketIn(directory)

  const program = (name: string, ...args: ReadonlyArray<string>) =>
    // Output that is piped goes to the logs of the tree.
    Command.make(process.execPath, [join(import.meta.dirname, "programs", name), ...args], {
      env,
      stdout: "pipe",
      stderr: "pipe"
    })

  const store = Child.process("store", Command.env(Store.command(kind, directory), env), {
    // An answer says more than a socket: Redis accepts connections while it still reads its file.
    ready: Ready.effect(Effect.retry(Store.call(socket, "PING"), Schedule.spaced("20 millis"))).pipe(
      Ready.map(() => ({ socket })),
      Ready.timeout("30 seconds")
    ),
    restart
  })

  const prepared = Child.effect("migrate", ({ store }) => migrate(store.socket), {
    after: [store],
    restart: Restart.onFailure({ schedule: backOff })
    // A store that went away comes back. One that is too new stays so, and no schedule helps.
  }).pipe(Child.catchTag("TooNew", () => Effect.succeed("escalate")))

  const web = Child.process("web", ({ store }) => program("web.ts", store.socket, String(port)), {
    after: [prepared],
    // It runs only while the store does: when that dies, it is stopped, and started again when the store is back.
    requires: [store],
    ready: Ready.log(/^listening on port (\d+)$/).pipe(
      Ready.map(([, port]) => ({ url: `http://127.0.0.1:${port}` })),
      Ready.timeout("30 seconds")
    ),
    restart,
    // One that ends before it listens has a port that is taken: that is for somebody to look at, and not for a schedule.
    decide: (exit) => Effect.succeed(failedToStart(exit) ? "escalate" : "restart")
  })

  const worker = <const Name extends string>(name: Name) =>
    Child.process(name, ({ store }) => program("worker.ts", store.socket, name), {
      after: [prepared],
      requires: [store],
      restart
    })

  const watch = Child.effect("monitor", ({ web }) => Effect.andThen(onListening(web.url), monitor(web.url)), {
    // A server that was restarted may have another port.
    requires: [web],
    ready: Ready.immediate,
    restart: Restart.onFailure({ schedule: backOff })
  })

  return Supervisor.make("app", [store, prepared, web, worker("worker-1"), worker("worker-2"), watch])
}
