/** Pipelines of the drop-in spawner: what they do on every backend, and what kernel pipes add. */
import { describe, expect, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Nursery from "../../src/Nursery.ts"
import { both, bytes, descriptor, keeper, linesOf, text } from "./support.ts"

const sh = (script: string, options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("sh", ["-c", script], options)
const pipe = ChildProcess.pipeTo
const cat = ChildProcess.make("cat")
const fd3 = (type: "input" | "output" | "duplex") => ({ additionalFds: { fd3: { type } } })

/** The pids of the processes of the only pipeline, in the order of their start. */
const pids = Effect.map(Nursery.processes, (all) => all.map(({ pid }) => pid))

for (const [name, spawner] of both) {
  layer(spawner)(`14. on the ${name}`, (it) => {
    const tags = sh("echo out; echo err >&2; echo three >&3", fd3("output"))
    for (const [how, command, output] of [
      ["stdout to stdin", sh("echo out; echo err >&2").pipe(pipe(cat)), "out\n"],
      ["stderr to stdin", sh("echo out; echo err >&2").pipe(pipe(cat, { from: "stderr" })), "err\n"],
      ["fd3 to stdin", tags.pipe(pipe(cat, { from: "fd3" })), "three\n"],
      ["stdout to fd3", sh("echo out").pipe(pipe(sh("cat <&3"), { to: "fd3" })), "out\n"],
      [
        "stderr to fd3",
        sh("echo err >&2").pipe(pipe(sh("cat <&3", fd3("input")), { from: "stderr", to: "fd3" })),
        "err\n"
      ],
      ["a descriptor that was not configured is empty", sh("echo out").pipe(pipe(cat, { from: "fd7" })), ""],
      ["a source that is inherited is empty", sh("", { stdout: "inherit" }).pipe(pipe(cat)), ""],
      ["a source that is ignored is empty", sh("echo lost", { stdout: "ignore" }).pipe(pipe(cat)), ""],
      [
        "a target's own stdin is replaced",
        sh("echo out").pipe(pipe(ChildProcess.make("cat", { stdin: "ignore" }))),
        "out\n"
      ],
      [
        "three stages",
        sh("echo a b").pipe(pipe(ChildProcess.make("tr", ["a-z", "A-Z"])), pipe(ChildProcess.make("tr", [" ", "-"]))),
        "A-B\n"
      ],
      [
        "a pipeline as a target",
        sh("echo out").pipe(pipe(cat.pipe(pipe(ChildProcess.make("tr", ["o", "0"]))))),
        "0ut\n"
      ]
    ] as const) {
      it.effect(how, () =>
        Effect.gen(function* () {
          const handle = yield* command
          expect(yield* text(handle.stdout)).toBe(output)
          expect(yield* handle.exitCode).toBe(0)
        })
      )
    }

    it.effect("all is what both wrote, in any order", () =>
      Effect.gen(function* () {
        const handle = yield* sh("echo out; echo err >&2; echo more").pipe(
          pipe(ChildProcess.make("sort"), { from: "all" })
        )
        expect(yield* text(handle.stdout)).toBe("err\nmore\nout\n")
      })
    )

    it.effect("a Sink of the source transduces what is piped", () =>
      Effect.gen(function* () {
        const upper = Sink.map(Sink.collect<Uint8Array>(), (chunks) =>
          bytes(Buffer.concat(chunks).toString().toUpperCase())
        )
        const handle = yield* sh("echo out", { stdout: upper }).pipe(pipe(cat))
        expect(yield* text(handle.stdout)).toBe("OUT\n")
      })
    )

    it.effect("a source that fails fails the exitCode of its target", () =>
      Effect.gen(function* () {
        const error = PlatformError.systemError({ _tag: "Unknown", module: "Test", method: "sink" })
        const handle = yield* sh("echo out", { stdout: Sink.fail(error) }).pipe(pipe(cat))
        expect(yield* Effect.flip(handle.exitCode)).toBe(error)
      })
    )

    it.effect("a duplex target answers on the same descriptor", () =>
      Effect.gen(function* () {
        const answering = sh('request=$(cat <&3); echo "pong to $request" >&3', fd3("duplex"))
        const handle = yield* sh("echo ping").pipe(pipe(answering, { to: "fd3" }))
        expect(yield* text(handle.getOutputFd(3))).toBe("pong to ping\n")
      })
    )

    it.effect("a target without endOnDone stays open after the source's end", () =>
      Effect.gen(function* () {
        const handle = yield* sh("echo line").pipe(
          pipe(ChildProcess.make("cat", { stdin: { stream: "pipe", endOnDone: false } }))
        )
        expect(yield* yield* linesOf(handle.stdout)).toBe("line")
        expect(yield* handle.isRunning).toBe(true)
      })
    )

    it.effect("what a stage before the last writes elsewhere does not hold it", () =>
      Effect.gen(function* () {
        const noise = "head -c 1000000 /dev/zero"
        const first = sh(`${noise} >&2; ${noise} >&3; echo end`, fd3("output"))
        const handle = yield* first.pipe(pipe(cat))
        expect(yield* text(handle.stdout)).toBe("end\n")
      })
    )

    it.effect("stdin is the first one's, status and output are the last one's", () =>
      Effect.gen(function* () {
        const handle = yield* sh("cat; exit 3").pipe(pipe(sh("cat; echo err >&2; exit 4")))
        yield* Stream.run(Stream.make(bytes("through")), handle.stdin)
        expect([yield* text(handle.stdout), yield* text(handle.stderr)]).toEqual(["through", "err\n"])
        expect(yield* handle.exitCode).toBe(4)
      })
    )

    it.effect("kill ends all stages, and may be called again", () =>
      Effect.gen(function* () {
        const handle = yield* sh("echo ready; exec sleep 1000").pipe(pipe(sh("cat; exec sleep 1000")))
        expect(yield* yield* linesOf(handle.stdout)).toBe("ready")
        yield* handle.kill()
        expect(yield* pids).toEqual([])
        yield* handle.kill()
      })
    )

    it.effect("nothing is left of the earlier stages when a later one cannot be started", () =>
      Effect.gen(function* () {
        const sleep = ChildProcess.make("sleep", ["1000"])
        const error = yield* Effect.flip(sleep.pipe(pipe(sleep), pipe(ChildProcess.make("/no/such/program"))))
        expect(error.reason).toMatchObject({ _tag: "NotFound", syscall: "spawn /no/such/program" })
        // The scope is still open.
        expect(yield* pids).toEqual([])
      })
    )

    it.effect("nothing is started when what a later stage says is wrong", () =>
      Effect.gen(function* () {
        const events = yield* Nursery.events.pipe(
          Stream.takeUntil(({ _tag }) => _tag === "Ended"),
          Stream.runCollect,
          Effect.forkScoped
        )
        yield* Effect.yieldNow
        const error = yield* Effect.flip(cat.pipe(pipe(ChildProcess.make("cat", ["\0"]))))
        expect(error.reason._tag).toBe("BadArgument")
        yield* Effect.scoped(Effect.flatMap(ChildProcess.make("true"), (handle) => handle.exitCode))
        expect((yield* Fiber.join(events)).map(({ _tag }) => _tag)).toEqual(["Started", "Exited", "Ended"])
      })
    )
  })
}

layer(keeper)("14. plain commands on the keeper", (it) => {
  describe("are joined by a kernel pipe", () => {
    it.effect("which this program has no end of", () =>
      Effect.gen(function* () {
        // No `exec`: in the middle of one a process has nothing that others may look at.
        const handle = yield* sh("echo ready; cat").pipe(pipe(sh("cat; exec true")), pipe(cat))
        expect(yield* yield* linesOf(handle.stdout)).toBe("ready")
        const [first = 0, second = 0, third = 0] = yield* pids
        const joints = [descriptor(first, 1), descriptor(second, 1)]
        expect(joints.filter((joint) => joint.startsWith("pipe:"))).toHaveLength(2)
        expect([descriptor(second, 0), descriptor(third, 0)]).toEqual(joints)
        expect(descriptor(third, 0)).not.toBe(descriptor(third, 1))
      })
    )

    it.effect("one for both outputs", () =>
      Effect.gen(function* () {
        const handle = yield* sh("echo ready; cat").pipe(pipe(cat, { from: "all" }))
        expect(yield* yield* linesOf(handle.stdout)).toBe("ready")
        const [first = 0, second = 0] = yield* pids
        expect([descriptor(first, 1), descriptor(first, 2)]).toEqual([descriptor(second, 0), descriptor(second, 0)])
      })
    )

    it.effect("whose writer is told by the kernel when its reader has left", () =>
      Effect.gen(function* () {
        const ended = yield* Nursery.events.pipe(
          Stream.filter((event) => event._tag === "Exited" && event.process.name === "yes"),
          Stream.runHead,
          Effect.forkScoped
        )
        yield* Effect.yieldNow
        const handle = yield* ChildProcess.make("yes").pipe(pipe(ChildProcess.make("head", ["-n", "1"])))
        expect(yield* text(handle.stdout)).toBe("y\n")
        yield* Fiber.join(ended)
      })
    )
  })
})
