/**
 * Real and simulated processes side by side: each behaviour is written as a shell script and as a program of a simulation, and what is
 * expected of it is written once.
 */
import { layer, type Vitest } from "@effect/vitest"
import { Command, type KeeperUnavailable, Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Faults, Program, TestNursery } from "../src/index.ts"

/** The same program twice. */
export interface Play {
  readonly script: string
  readonly program: Program.Program
}

const { close, dieOf, exit, exits, fork, ignore, onSignal, runs, stderr, stdout, steps } = Program

const ready = stdout("ready\n")

// A shell that has a trap loses a signal that reaches its child between fork and exec: no child may live long.
const idle = "while :; do sleep 0.02; done"

/** What is played, by name. Whatever is about signals says when it is ready for them. */
export const plays = {
  ok: { script: "exit 0", program: Effect.void },
  three: { script: "exit 3", program: exit(3) },
  segfault: { script: "kill -SEGV $$", program: dieOf("SIGSEGV") },
  talk: { script: "echo out; echo err >&2; exit 4", program: steps(stdout("out\n"), stderr("err\n"), exit(4)) },
  lines: { script: "printf 'a\\nb\\nc'", program: stdout("a\nb\nc") },
  cat: { script: "exec cat", program: Program.cat },
  flood: {
    script: "exec yes",
    program: Effect.forever(stdout("y\n".repeat(1000)))
  },
  serve: { script: "echo ready; exec sleep 1000", program: steps(ready, runs) },
  stubborn: { script: "trap '' TERM; echo ready; exec sleep 1000", program: steps(ignore("SIGTERM"), ready, runs) },
  orderly: {
    script: `trap 'echo bye; exit 5' TERM; echo ready; ${idle}`,
    program: steps(onSignal("SIGTERM", steps(stdout("bye\n"), exit(5))), ready, runs)
  },
  counting: {
    script: `trap 'echo got' USR1; trap 'exit 6' USR2; echo ready; ${idle}`,
    program: steps(onSignal("SIGUSR1", stdout("got\n")), onSignal("SIGUSR2", exit(6)), ready, runs)
  },
  leaving: {
    script: "sleep 1000 & echo ready",
    program: steps(fork(runs), ready)
  },
  leavingStubborn: {
    script: "sh -c 'trap \"\" TERM; echo ready; exec sleep 1000' & read line; exit 2",
    program: steps(fork(steps(ignore("SIGTERM"), ready, runs)), Program.input(0).pipe(Stream.runDrain), exit(2))
  },
  daemonizing: {
    script: `setsid sh -c 'trap "echo rest; exit" TERM; echo ready; ${idle}' & exec sleep 1000`,
    program: steps(
      fork(steps(onSignal("SIGTERM", steps(stdout("rest\n"), exit())), ready, runs), { session: true }),
      runs
    )
  },
  third: {
    script: 'read line <&4; echo "got $line" >&3',
    program: Program.input(4).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.take(1),
      Stream.runForEach((line) => Program.write(3, `got ${line}\n`))
    )
  },
  closing: { script: "exec >&-; read line", program: steps(close(1), Program.input(0).pipe(Stream.runDrain), exits(1)) }
} satisfies Readonly<Record<string, Play>>

export type Name = keyof typeof plays

export interface Way {
  readonly name: "real" | "simulated"
  readonly command: (name: Name) => Command.Command<"null", "inherit", "inherit", {}>
  /** The keeper of a process dies. */
  readonly killKeeper: (pid: number) => Effect.Effect<unknown, never, Nursery.Nursery>
  readonly layer: Layer.Layer<Nursery.Nursery, KeeperUnavailable>
}

const programs: Program.Programs = Object.fromEntries(
  Object.entries(plays).map(([name, { program }]) => [name, program])
)

const real: Way = {
  name: "real",
  command: (name) => Command.make("/bin/sh", ["-c", plays[name].script]),
  killKeeper: Faults.killKeeper,
  layer: Nursery.layer
}

const simulated: Way = {
  name: "simulated",
  command: (name) => Command.make(name),
  // The service is there where the layer is; its type is not that of the real one.
  killKeeper: () =>
    Effect.flatMap(Effect.serviceOption(TestNursery.TestNursery), (found) =>
      Effect.provideService(TestNursery.loseKeeper, TestNursery.TestNursery, Option.getOrThrow(found))
    ),
  layer: TestNursery.layer(programs)
}

type It = Vitest.MethodsNonLive<Nursery.Nursery>

/** A group of tests, once with real and once with simulated processes, both in real time. */
export const onBothWays = (title: string, tests: (it: It, way: Way) => void): void => {
  for (const way of [real, simulated]) {
    layer(way.layer, { excludeTestServices: true })(`${title} (${way.name})`, (it) => tests(it, way))
  }
}
