/** Networks with a wire between them: what goes over it, who may make one, and that nothing is left of it. */
import { existsSync } from "node:fs"
import { connect } from "node:net"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Namespace from "../../src/Namespace.ts"
import * as Nursery from "../../src/Nursery.ts"
import * as Process from "../../src/Process.ts"
import * as Levels from "../support/levels.ts"
import * as Seen from "../support/status.ts"
import { until } from "../support/within.ts"

const without = Levels.because("pid-namespace")
const isRoot = Seen.isCapable(Seen.CAP_NET_ADMIN) && Seen.isCapable(Seen.CAP_SYS_ADMIN)
const needsRoot = isRoot ? without : " (skipped: it needs CAP_NET_ADMIN and CAP_SYS_ADMIN)"

/** Of four addresses that no other run of these tests uses at the same time. */
const subnet = `10.${64 + ((process.pid >> 14) & 63)}.${(process.pid >> 6) & 255}`
const first = (process.pid & 63) * 4
const [theirs, ours] = [`${subnet}.${first + 1}`, `${subnet}.${first + 2}`]

const node = (script: string, namespaces?: Namespace.Namespace) =>
  Command.make(process.execPath, ["-e", script], { namespaces, cwd: "/" })

/** Says hello to whoever connects; it is there when this returns. */
const serve = (host: string, namespaces: Namespace.Namespace) =>
  Effect.gen(function* () {
    const script = `require("net").createServer((s) => s.end("hello")).listen(7000, "${host}", () => console.log("up"))`
    const server = yield* Process.spawn(node(script, namespaces).pipe(Command.stdout("pipe")))
    expect(yield* Stream.runHead(server.stdout)).toMatchObject({ _tag: "Some" })
  })

const ask = (host: string, namespaces: Namespace.Namespace) =>
  Process.string(node(`require("net").connect(7000, "${host}").pipe(process.stdout)`, namespaces))

/** From this program. */
const askHere = (host: string) =>
  Effect.promise(
    () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(7000, host)
        socket.on("data", (bytes) => resolve(bytes.toString()))
        socket.on("error", reject)
      })
  )

const twoSets = Effect.gen(function* () {
  const one = yield* Namespace.make({ user: true, network: true })
  const other = yield* Namespace.make({ user: one, network: true })
  return [one, other] as const
})

const isThere = (device: string): boolean => existsSync(`/sys/class/net/${device}`)

/** The kernel takes devices away in the background. */
const gone = (device: string) => Effect.promise(() => until(`see ${device} go`, () => !isThere(device)))

describe.skipIf(without !== "")(`Namespace.veth${without}`, () => {
  it.live("joins two networks of one user namespace, for any user", () =>
    Effect.gen(function* () {
      const [one, other] = yield* twoSets
      const routes = [{ to: "default", via: "10.83.0.1" }, { to: "10.9.0.0/16" }]
      const names = yield* Namespace.veth(
        { namespace: one, addresses: ["10.83.0.1/24", "fd83::1/64"] },
        { namespace: other, name: "wire", addresses: ["10.83.0.2/24", "fd83::2/64"], routes }
      )
      expect(names).toEqual(["eth0", "wire"])
      yield* serve("10.83.0.1", one)
      expect(yield* ask("10.83.0.1", other)).toBe("hello")
      yield* serve("fd83::2", other)
      expect(yield* ask("fd83::2", one)).toBe("hello")
      const table = yield* Process.string(Command.make("cat", ["/proc/net/route"], { namespaces: other, cwd: "/" }))
      expect(table).toMatch(/^wire\t00000000\t0100530A/m)
      expect(table).toMatch(/^wire\t0000090A\t00000000/m)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live("fails with what was wrong, and leaves no half of it", () =>
    Effect.gen(function* () {
      const [one, other] = yield* twoSets
      const twice = { namespace: one, addresses: ["10.83.0.1/24", "10.83.0.1/24"] }
      const error = yield* Effect.flip(Namespace.veth(twice, { namespace: other }))
      expect(error).toMatchObject({ _tag: "NamespaceSetup", namespace: "network", step: "connect", errno: "EEXIST" })
      expect(error.message).toContain("10.83.0.1/24")
      const astray = { namespace: other, routes: [{ to: "10.9.0.0/16", via: "10.8.0.1" }] }
      const second = yield* Effect.flip(Namespace.veth({ namespace: one }, astray))
      expect(second.message).toContain("10.9.0.0/16 by 10.8.0.1")
      yield* Namespace.veth({ namespace: one }, { namespace: other })
      const third = yield* Effect.flip(Namespace.veth({ namespace: one }, { namespace: other }))
      expect(third.message).toContain("of that name already")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  const bad: ReadonlyArray<readonly [end: Omit<Namespace.NetworkEnd, "namespace">, says: string]> = [
    [{ name: "a name of many words" }, "no name of a device"],
    [{ name: ".." }, "no name of a device"],
    [{ addresses: ["10.0.0.1"] }, "with a prefix"],
    [{ addresses: ["10.0.0.1/33"] }, "0 to 32 bits"],
    [{ addresses: ["localhost/8"] }, "with a prefix"],
    [{ routes: [{ to: "default", via: "nobody" }] }, "is no address"],
    [{ routes: [{ to: "10.0.0.0/8", via: "fd00::1" }] }, "another family"]
  ]

  it.live("says what is wrong with an end before anything is made", () =>
    Effect.gen(function* () {
      const [one, other] = yield* twoSets
      for (const [end, says] of bad) {
        const error = yield* Effect.flip(Namespace.veth({ namespace: one, ...end }, { namespace: other }))
        expect(error).toMatchObject({ step: "connect", errno: "EINVAL" })
        expect(error.message).toContain(says)
      }
      const none = yield* Namespace.make({ uts: true })
      const networkless = yield* Effect.flip(Namespace.veth({ namespace: none }, { namespace: one }))
      expect(networkless.message).toContain("network: true")
      expect((yield* Effect.flip(Namespace.veth({}, {}))).message).toContain("one of the two")
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live.skipIf(isRoot)(`of an ordinary user is forbidden elsewhere${isRoot ? " (skipped: this user may)" : ""}`, () =>
    Effect.gen(function* () {
      const sets = [yield* Namespace.make({ network: true }), yield* Namespace.make({ network: true })]
      for (const other of [undefined, sets[1]]) {
        const error = yield* Effect.flip(Namespace.veth({ namespace: sets[0] }, { namespace: other }))
        expect(error).toMatchObject({ step: "connect", errno: "EPERM" })
        expect(error.message).toContain("user namespace of the other")
      }
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )

  it.live.skipIf(needsRoot !== "")(`of root joins any two, also that of this program${needsRoot}`, () =>
    Effect.gen(function* () {
      const device = yield* Effect.scoped(
        Effect.gen(function* () {
          const set = yield* Namespace.make({ user: true, network: true, pid: true })
          const [inside, here] = yield* Namespace.veth(
            { namespace: set, addresses: [`${theirs}/30`] },
            { addresses: [`${ours}/30`] }
          )
          expect(inside).toBe("eth0")
          expect(isThere(here)).toBe(true)
          yield* serve(theirs, set)
          expect(yield* askHere(theirs)).toBe("hello")
          const other = yield* Namespace.make({ network: true })
          yield* Namespace.veth({ namespace: other, addresses: ["10.84.0.2/24"] }, { namespace: set, name: "eth1" })
          return here
        })
      )
      yield* gone(device)
    }).pipe(Effect.scoped, Effect.provide(Nursery.layer))
  )
})

it.live("is Unsupported without a keeper", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(Namespace.veth({}, {}))
    expect(error).toMatchObject({ _tag: "Unsupported", feature: "Namespace.veth" })
  }).pipe(Effect.scoped, Effect.provide(Nursery.layerPortable))
)
