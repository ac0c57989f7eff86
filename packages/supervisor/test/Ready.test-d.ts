/** What checks provide, fail with and need, as the compiler sees it. */
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Command, type Nursery, type Process, type SpawnError } from "@nursery/process"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { NotReady } from "../src/ChildError.ts"
import * as Liveness from "../src/Liveness.ts"
import * as Ready from "../src/Ready.ts"

interface Clockwork {
  readonly _: unique symbol
}
declare const Clockwork: Context.Service<Clockwork, { readonly tick: number }>
class Broken {
  readonly _tag = "Broken"
}

type Piped = Process.Process<"null", "pipe", "inherit", {}>

/** As `Child.process` and `Child.effect` take them. */
declare const ofProcess: <A, E, R>(ready: Ready.Ready<A, E, R, Piped>) => Effect.Effect<A, E, R>
declare const ofEffect: <A, E, R>(ready: Ready.Ready<A, E, R, undefined>) => Effect.Effect<A, E, R>

describe("Ready", () => {
  it("says what it provides, fails with and needs", () => {
    expectTypeOf(Ready.immediate).toEqualTypeOf<Ready.Ready>()
    expectTypeOf(Ready.tcp(80)).toEqualTypeOf<Ready.Ready<void, NotReady>>()
    expectTypeOf(Ready.fd(3)).toEqualTypeOf<Ready.Ready<void, never, never, Ready.AnyProcess>>()
    expectTypeOf(Ready.log(/x/)).toEqualTypeOf<Ready.Ready<RegExpExecArray, never, never, Ready.AnyProcess>>()
    expectTypeOf(Ready.command(Command.make("x"))).toEqualTypeOf<
      Ready.Ready<void, NotReady | SpawnError, Nursery.Nursery>
    >()
  })

  it("has the types of an Effect", () => {
    const ready = Ready.effect(
      Effect.flatMap(Clockwork, ({ tick }) => (tick > 0 ? Effect.succeed(tick) : Effect.fail(new Broken())))
    )
    expectTypeOf(ready).toEqualTypeOf<Ready.Ready<number, Broken, Clockwork>>()
    expectTypeOf(ready.pipe(Ready.timeout("1 second"))).toEqualTypeOf<
      Ready.Ready<number, Broken | NotReady, Clockwork>
    >()
    expectTypeOf(ready.pipe(Ready.map(String))).toEqualTypeOf<Ready.Ready<string, Broken, Clockwork>>()
  })

  it("looks at the process of its child", () => {
    expectTypeOf(Ready.effect((process) => Effect.succeed(process.pid))).toEqualTypeOf<
      Ready.Ready<number, never, never, Process.Process>
    >()
    const inPlace = ofProcess(Ready.effect((process) => Effect.as(process.stdout.pipe(Effect.succeed), 1)))
    expectTypeOf(inPlace).toEqualTypeOf<Effect.Effect<number>>()
    const limited = ofProcess(Ready.effect((process) => Effect.succeed(process.pid)).pipe(Ready.timeout("1 second")))
    expectTypeOf(limited).toEqualTypeOf<Effect.Effect<number, NotReady>>()
    // @ts-expect-error this process has no stdin
    ofProcess(Ready.effect((process) => Effect.succeed(process.stdin)))
  })

  it("fits a child that is no process only where it looks at none", () => {
    ofEffect(Ready.immediate)
    ofEffect(Ready.http("http://localhost"))
    ofEffect(Ready.effect(Effect.void))
    // @ts-expect-error an Effect notifies nobody
    ofEffect(Ready.notify)
    // @ts-expect-error an Effect has no descriptors
    ofEffect(Ready.fd(3))
    // @ts-expect-error an Effect has no output
    ofEffect(Ready.log(/x/))
    // @ts-expect-error an Effect has no pid
    ofEffect(Ready.effect((process) => Effect.succeed(process.pid)))
  })

  it("is all of several", () => {
    const all = Ready.all([
      Ready.tcp(80),
      Ready.log(/x/),
      Ready.effect(Effect.succeed("a")),
      Ready.command(Command.make("x"))
    ])
    expectTypeOf(all).toEqualTypeOf<
      Ready.Ready<[void, RegExpExecArray, string, void], NotReady | SpawnError, Nursery.Nursery, Ready.AnyProcess>
    >()
    expectTypeOf(Ready.all([Ready.tcp(80), Ready.tcp(81)])).toEqualTypeOf<Ready.Ready<[void, void], NotReady>>()
    // @ts-expect-error one of them looks at a process
    ofEffect(all)
    const inPlace = Ready.all([Ready.tcp(80), Ready.effect((process) => Effect.succeed(process.pid))])
    expectTypeOf(inPlace).toEqualTypeOf<Ready.Ready<[void, number], NotReady, never, Process.Process>>()
  })

  it("takes no command that nobody could run again", () => {
    // @ts-expect-error what it writes goes into a Sink, which belongs to one run
    Ready.command(Command.make("x", [], { fds: { 3: Effect.void } }))
  })
})

/** As `Child.process` takes it. */
declare const alive: <R>(liveness: Liveness.Liveness<R, Piped>) => Effect.Effect<void, never, R>

describe("Liveness", () => {
  it("says what it needs and looks at", () => {
    expectTypeOf(Liveness.tcp(80)).toEqualTypeOf<Liveness.Liveness>()
    expectTypeOf(Liveness.command(Command.make("x"))).toEqualTypeOf<Liveness.Liveness<Nursery.Nursery>>()
    expectTypeOf(Liveness.watchdog("1 second")).toEqualTypeOf<Liveness.Liveness<never, Ready.AnyProcess>>()
    expectTypeOf(Liveness.effect(Effect.asVoid(Clockwork))).toEqualTypeOf<Liveness.Liveness<Clockwork>>()
    expectTypeOf(alive(Liveness.effect((process) => Effect.as(Clockwork, process.stdout)))).toEqualTypeOf<
      Effect.Effect<void, never, Clockwork>
    >()
  })
})
