/** Processes with random maps of descriptors: what they have is compared with what was declared. */
import { readdirSync, readlinkSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Command from "../../src/Command.ts"
import * as Fd from "../../src/Fd.ts"
import * as Process from "../../src/Process.ts"
import { make as random } from "./random.ts"

const kinds = { pipe: /^pipe:/, stream: /^socket:/, memory: /^\/memfd:nursery/, file: /^\/etc\/passwd$/ }

const what = (fd: Fd.Fd): RegExp => Object.entries(kinds).find(([kind]) => kind === fd.kind)?.[1] ?? /^$/

const show = (entries: Iterable<readonly [number, unknown]>): string =>
  [...entries]
    .toSorted(([a], [b]) => a - b)
    .map(([target, each]) => `${target} ${each}`)
    .join(", ")

/** So many processes, at these levels in turn; what was found that is not as it was declared. */
export const tryMaps = (rounds: number, levels: ReadonlyArray<Command.Containment>) =>
  Effect.gen(function* () {
    const { below: any } = random("maps")
    const pipes = yield* Effect.all(Array.from({ length: 3 }, () => Fd.pipe()))
    const pairs = yield* Effect.all(Array.from({ length: 2 }, () => Fd.socketpair()))
    const memory = yield* Fd.memory("m", { sealed: true })
    const file = yield* Fd.file("/etc/passwd")
    const all = [...pipes.flatMap(({ read, write }) => [read, write]), ...pairs.flat(), memory, file]
    const wrong: Array<string> = []
    for (let round = 0; round < rounds; round++) {
      const declared = new Map<number, RegExp>([/^pipe:/, /^pipe:/, /^\/dev\/null$/].entries())
      const fds: Record<number, Fd.Fd | "null"> = {}
      const count = any(10)
      for (let each = 0; each < count; each++) {
        const target = any(5) === 0 ? 3 + any(400) : 3 + any(12)
        const fd = all[any(all.length)]
        const isNull = fd === undefined || any(5) === 0
        fds[target] = isNull ? "null" : fd
        declared.set(target, isNull ? /^\/dev\/null$/ : what(fd))
      }
      const containment = levels[round % levels.length] ?? "tree"
      const options = { stdin: "pipe", stdout: "pipe", stderr: "null", fds, containment } as const
      const script = "echo here; read line"
      const found = yield* Effect.scoped(
        Effect.gen(function* () {
          const { pid, stdout } = yield* Process.spawn(Command.make("/bin/sh", ["-c", script], options))
          // Not before: the dynamic loader opens the libraries.
          yield* Stream.runDrain(Stream.take(stdout, 1))
          const folder = `/proc/${pid}/fd`
          return readdirSync(folder).map((name) => [Number(name), readlinkSync(`${folder}/${name}`)] as const)
        })
      )
      const isAsDeclared =
        found.length === declared.size && found.every(([target, link]) => declared.get(target)?.test(link) === true)
      if (!isAsDeclared) wrong.push(`${containment}: ${show(found)} instead of ${show(declared)}`)
    }
    return wrong
  })
