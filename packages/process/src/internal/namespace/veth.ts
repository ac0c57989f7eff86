/**
 * A pair of network devices between two networks. It is made and configured by a process that enters both and ends then: what has been
 * made belongs to the networks, and goes with them.
 *
 * @internal
 */
import { readFileSync } from "node:fs"
import { isIPv4, isIPv6 } from "node:net"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { NetworkEnd, Route } from "../../Namespace.ts"
import type { Nursery } from "../../Nursery.ts"
import { NamespaceSetup } from "../../ProcessError.ts"
import type { Backend, NamespaceItem, NamespaceKind, Prefix, SpawnRequest, Ticket } from "../backend.ts"
import { bytesOfIPv6 } from "../fd/address.ts"
import { problemOf } from "./explain.ts"
import { backendFor, type Failure, requestOf } from "./make.ts"
import { isValue, type Value } from "./value.ts"

type Checked<A> = Result.Result<A, NamespaceSetup>

const invalid = (problem: string, errno = "EINVAL") =>
  Result.fail(new NamespaceSetup({ namespace: "network", step: "connect", errno, problem }))

/** `needsBits`: what is on the wire cannot be told without. */
const prefixOf = (text: string, needsBits: boolean): Checked<Prefix> => {
  const [address = "", bits, ...more] = text.split("/")
  const family = isIPv4(address) ? "inet" : isIPv6(address) && !address.includes("%") ? "inet6" : undefined
  if (family === undefined || more.length > 0 || (needsBits && bits === undefined)) {
    const wanted = needsBits ? "address with a prefix, such as 10.0.0.1/24" : "address"
    return invalid(`${JSON.stringify(text)} is no ${wanted}`)
  }
  const width = family === "inet" ? 32 : 128
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= width)) {
    return invalid(`the prefix of ${JSON.stringify(text)} is not one of 0 to ${width} bits`)
  }
  const bytes = family === "inet" ? address.split(".").map(Number) : bytesOfIPv6(address)
  return Result.succeed({ text, family, bytes, bits: bits === undefined ? width : Number(bits) })
}

const everywhere = (family: Prefix["family"]): Prefix => ({ text: "default", family, bytes: [], bits: 0 })

const routeItem = (device: string, { to, via: by }: Route): Checked<NamespaceItem> =>
  Result.gen(function* () {
    const via = by === undefined ? undefined : yield* prefixOf(by, false)
    const target = to === "default" ? everywhere(via?.family ?? "inet") : yield* prefixOf(to, false)
    if (via !== undefined && via.family !== target.family) {
      return yield* invalid(`the route to ${to} is by ${via.text}, an address of another family`)
    }
    return { kind: "route", device, to: target, via } as const
  })

/** What is done in the network that the device is in. */
const deviceItems = ({ device, end: { addresses = [], routes = [] } }: End): Checked<ReadonlyArray<NamespaceItem>> =>
  Result.all([
    ...addresses.map((text) =>
      Result.map(prefixOf(text, true), (address): NamespaceItem => ({ kind: "address", device, address }))
    ),
    Result.succeed<NamespaceItem>({ kind: "linkUp", device }),
    ...routes.map((route) => routeItem(device, route))
  ])

interface End {
  readonly end: NetworkEnd
  /** `undefined`: the network of this program. */
  readonly set: Value | undefined
  readonly device: string
}

let count = 0

/** In the network of this program there may be others of any name. */
const nameOf = ({ name, namespace }: NetworkEnd): string =>
  name ?? (namespace === undefined ? `nv${process.pid}-${(count++).toString(36)}` : "eth0")

/** Of the kernel, without the NUL at its end. */
const longestName = 15

const isDevice = (name: string): boolean =>
  name !== "" && Buffer.byteLength(name) <= longestName && !/[\s/:\0%]/.test(name) && !/^\.{1,2}$/.test(name)

const endOf = (backend: Backend, end: NetworkEnd): Checked<End> => {
  const set = isValue(end.namespace) ? end.namespace : undefined
  const refusal = set?.refusal(backend)
  if (refusal !== undefined) return invalid(refusal, "EBADF")
  if (set !== undefined && set.entering(["network"]).length === 0) {
    return invalid("the set has no network of its own: make it with `network: true`")
  }
  const device = nameOf(end)
  if (isDevice(device)) return Result.succeed({ end, set, device })
  return invalid(`${JSON.stringify(device)} is no name of a device: at most ${longestName} bytes, no blank, / or :`)
}

const CAP_SYS_ADMIN = 21n

/** Whether it may enter networks as who it is. */
const isPrivileged = (): boolean => {
  const capabilities = /^CapEff:\s*(\w+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]
  return capabilities !== undefined && ((BigInt(`0x${capabilities}`) >> CAP_SYS_ADMIN) & 1n) === 1n
}

/** Who is not privileged is so over a network in its user namespace. */
const kindsToEnter = (): ReadonlyArray<NamespaceKind> => (isPrivileged() ? ["network"] : ["user", "network"])

/** Begins in the network of one of them; the other has to be known by a process. */
const itemsOf = (one: End, other: End): Checked<ReadonlyArray<NamespaceItem>> =>
  Result.gen(function* () {
    const isFar = ({ set }: End): boolean => set?.insideOf("network") !== undefined
    const [near, far] = isFar(other) ? [one, other] : [other, one]
    const process = far.set?.insideOf("network")
    if (process === undefined) {
      return yield* invalid("one of the two networks has to be that of a set of Namespace.make or Namespace.ofProcess")
    }
    const veth: NamespaceItem = { kind: "veth", near: near.device, far: far.device, process }
    return [
      ...(near.set?.entering(kindsToEnter()) ?? []),
      veth,
      ...(yield* deviceItems(near)),
      ...(far.set?.entering(["network"]) ?? []),
      ...(yield* deviceItems(far))
    ]
  })

/** Runs what is arranged by the items and nothing else, to its end. */
const carryOut = (backend: Backend, request: SpawnRequest): Effect.Effect<void, Failure> =>
  Effect.callback((resume) => {
    let done: Effect.Effect<void, Failure> = Effect.void
    const ticket: Ticket = backend.spawn(request, {
      started: () => {},
      failed: (failure) => resume(Effect.fail(new NamespaceSetup(problemOf(request, failure)))),
      exited: () => {},
      ended: () => resume(done),
      lost: (error) => {
        done = Effect.fail(error)
        resume(done)
      },
      unkillable: () => ticket.cancel()
    })
  })

export const veth = (
  one: NetworkEnd,
  other: NetworkEnd
): Effect.Effect<readonly [one: string, other: string], Failure, Nursery> =>
  Effect.gen(function* () {
    const backend = yield* backendFor("Namespace.veth")
    const ends = yield* Effect.fromResult(Result.all([endOf(backend, one), endOf(backend, other)]))
    const items = yield* Effect.fromResult(itemsOf(...ends))
    yield* Effect.uninterruptible(carryOut(backend, requestOf("done", "tree", items)))
    return [ends[0].device, ends[1].device] as const
  })
