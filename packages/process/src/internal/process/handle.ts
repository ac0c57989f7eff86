/**
 * What the user holds of a running process.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import type { ProcessExit, ResourceUsage } from "../../ExitStatus.ts"
import type { Descendant, Notification, Pressure, ProcessBase, TreeUsage } from "../../Process.ts"
import { type ExitError, type KeeperLost, type StreamError, type Unkillable, UsageHidden } from "../../ProcessError.ts"
import * as Signal from "../../Signal.ts"
import type { RawCgroupUsage, Ticket } from "../backend.ts"
import * as Group from "../cgroup/usage.ts"
import { makeCgroupUsage, makeUsage } from "../usage.ts"
import * as Descendants from "./descendants.ts"
import { readUsage } from "./procfs.ts"
import { stopOf } from "./request.ts"
import type { Run } from "./run.ts"
import * as Tree from "./treeUsage.ts"

type End =
  | Sink.Sink<void, Uint8Array, never, StreamError>
  | Stream.Stream<Uint8Array, StreamError>
  | Effect.Effect<unknown, unknown>

/** Effects are made when they are asked for: most processes are asked for one or two of them. */
export class Handle implements ProcessBase<unknown> {
  declare readonly stdin?: End | undefined
  declare readonly stdout?: End | undefined
  declare readonly stderr?: End | undefined
  readonly #run: Run

  constructor(run: Run) {
    this.#run = run
    for (const { target } of run.plan.ends) {
      if (target === 0) this.stdin = endOf(run, 0)
      else if (target === 1) this.stdout = endOf(run, 1)
      else if (target === 2) this.stderr = endOf(run, 2)
    }
  }

  /** What the backend knows the process by, as long as that is not over. */
  static ticketOf(handle: object): Ticket | undefined {
    return #run in handle ? handle.#run.ticket : undefined
  }

  get pid(): number {
    return this.#run.pid
  }

  get command(): Command.Command {
    return this.#run.plan.command
  }

  get exit(): Effect.Effect<ProcessExit, KeeperLost> {
    return Deferred.await(this.#run.exit)
  }

  get success(): Effect.Effect<ProcessExit, ExitError | KeeperLost | unknown> {
    return success(this.#run)
  }

  get isRunning(): Effect.Effect<boolean> {
    return Effect.sync(() => this.#run.isRunning)
  }

  get ended(): Effect.Effect<void> {
    return Deferred.await(this.#run.end)
  }

  get notifications(): Stream.Stream<Notification> {
    return this.#run.inbox?.stream ?? Stream.empty
  }

  get usage(): Effect.Effect<ResourceUsage, KeeperLost | UsageHidden> {
    if (this.#run.level !== "cgroup") return this.#ownUsage
    return Effect.zipWith(this.#ownUsage, this.#groupUsage, (own, group) =>
      group === undefined ? own : { ...own, cgroup: makeCgroupUsage(group) }
    )
  }

  get treeUsage(): Effect.Effect<TreeUsage, KeeperLost | UsageHidden> {
    if (this.#run.level !== "cgroup") return this.#sumOfTree
    return Effect.zipWith(this.#sumOfTree, this.#groupUsage, (sum, group) =>
      group === undefined ? sum : Tree.ofGroup(makeCgroupUsage(group), sum)
    )
  }

  get pressure(): Effect.Effect<Pressure> {
    return Effect.suspend(() => Group.pressure(this.#run.ticket?.cgroup?.path))
  }

  /** Of its cgroup, as it is now, or as it was told last where that is gone. */
  get #groupUsage(): Effect.Effect<RawCgroupUsage | undefined> {
    return Effect.suspend(() => {
      const path = this.#run.isEnded ? undefined : this.#run.ticket?.cgroup?.path
      const now = path === undefined ? Effect.undefined : Group.read(path)
      return Effect.map(now, (found) => found ?? this.#run.ticket?.cgroup?.usage)
    })
  }

  get #ownUsage(): Effect.Effect<ResourceUsage, KeeperLost | UsageHidden> {
    const run = this.#run
    return Effect.suspend(() => {
      const known = Effect.map(this.exit, (exit) => exit.usage)
      if (!run.isRunning) return known
      const own = run.usage
      if (own !== undefined) return Effect.succeed(makeUsage(own))
      return Effect.flatMap(readUsage(run.pid, run.helper || process.pid), (usage) => this.#whenShown(usage, known))
    })
  }

  get #sumOfTree(): Effect.Effect<TreeUsage, KeeperLost | UsageHidden> {
    const run = this.#run
    return Effect.suspend(() => {
      const known = Effect.map(this.exit, (exit) => Tree.ofOne(exit.usage, "exit", 0))
      if (!run.isRunning) return known
      const own = run.usage
      if (own !== undefined) {
        return Effect.succeed(Tree.ofOne(makeUsage(own), "other", 1 + (run.descendants?.length ?? 0)))
      }
      const isShared = run.plan.request.level === "group"
      return Effect.flatMap(Tree.read(run.pid, run.helper || process.pid, run.helper, isShared), (usage) =>
        this.#whenShown(usage, known)
      )
    })
  }

  /** Where the process has just been waited for, its final figures are on the way. */
  #whenShown<A extends object>(
    usage: A | "gone" | "hidden",
    known: Effect.Effect<A, KeeperLost>
  ): Effect.Effect<A, KeeperLost | UsageHidden> {
    if (usage === "gone") return known
    return usage === "hidden" ? Effect.fail(new UsageHidden({ pid: this.pid })) : Effect.succeed(usage)
  }

  get descendants(): Effect.Effect<ReadonlyArray<Descendant>> {
    const run = this.#run
    return Effect.suspend(() => {
      if (run.isEnded) return Effect.succeed([])
      const own = run.descendants
      const all =
        own === undefined
          ? Descendants.read(run.pid, run.helper, run.plan.request.level === "group")
          : Effect.succeed(own)
      return Effect.map(all, (found) => found.map((one) => ({ ...one, age: Duration.millis(one.age) })))
    })
  }

  signal(name: Signal.Signal, options?: { readonly to?: Command.Reach | undefined }): Effect.Effect<boolean> {
    return Effect.callback<boolean>((resume) =>
      this.#run.signal(Signal.toNumber(name), options?.to ?? "leader", (errno) => resume(Effect.succeed(errno === 0)))
    )
  }

  stop(policy?: Command.StopOptions): Effect.Effect<ProcessExit, KeeperLost | Unkillable> {
    return Effect.suspend(() => {
      const { command } = this
      const options = { ...command.stop, ...policy }
      return Effect.andThen(this.#run.stop(stopOf(Command.stopPolicy(Command.stop(command, options)))), this.exit)
    })
  }

  fd(descriptor: number): End {
    const end = descriptor > 2 ? endOf(this.#run, descriptor) : undefined
    if (end === undefined) throw new RangeError(`descriptor ${descriptor} is not a pipe to this program`)
    return end
  }
}

const endOf = (run: Run, target: number): End | undefined => {
  const consumer = run.ends.consumers.get(target)
  if (consumer !== undefined) return Fiber.join(consumer)
  const role = run.plan.ends.find((end) => end.target === target)?.role
  if (role?._tag === "Writer") return run.ends.targets.get(target)?.sink
  return role?._tag === "Reader" ? run.ends.sources.get(target)?.stream : undefined
}

/** The exit of a run where it is a success. A failure of its input comes first: it explains what else went wrong. */
export const success = (run: Run): Effect.Effect<ProcessExit, ExitError | KeeperLost | unknown> => {
  const exit = Effect.flatMap(Deferred.await(run.exit), (exit) => run.check(exit))
  return run.ends.inputFailure === undefined ? exit : Effect.raceFirst(Deferred.await(run.ends.inputFailure), exit)
}
