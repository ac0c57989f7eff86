/** The parts of the keeper that stand alone, tested in C under the sanitizers, and the fuzzer of its decoder. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import * as F from "./frames.ts"
import * as Tools from "./tools.ts"

const here = import.meta.dirname
const missing = Tools.sanitizer()

/** Which sources a test program is made of. */
const programs: ReadonlyArray<readonly [name: string, sources: ReadonlyArray<string>]> = [
  ["memory", ["memory.c"]],
  ["frames", ["frames.c", "object_check.c", "setup.c"]],
  ["walk", ["walk.c", "system.c"]]
]

const environment = { ...process.env, ASAN_OPTIONS: "detect_leaks=1" }

describe.skipIf(missing !== undefined)(`sanitized${Tools.because(missing)}`, () => {
  for (const [name, sources] of missing === undefined ? programs : []) {
    const program = Tools.compile(`unit-${name}`, Tools.compiler(), Tools.sanitizedFlags, [
      join(here, "unit", `${name}.c`),
      ...Tools.keeperSources(sources)
    ])
    describe(`${name}.c`, () => {
      const tests = execFileSync(program, { encoding: "utf8" }).trim().split("\n")
      it.each(tests)("%s", (test) => {
        const { stderr, status, signal } = spawnSync(program, [test], { encoding: "utf8", env: environment })
        expect({ stderr, status, signal }).toEqual({ stderr: "", status: 0, signal: null })
      })
    })
  }
})

/** Valid frames of every type, one by one and together: where the mutations begin. */
const seeds = (): ReadonlyArray<string> => {
  const folder = join(Tools.temporaryFolder(), "seeds")
  mkdirSync(folder)
  const spawn: F.Spawn = {
    argv: ["sh", "-c", "true"],
    cwd: "/tmp",
    env: ["A=1", "B"],
    flags: 15,
    fds: [
      { target: 0, kind: F.Kind.file, value: F.File.read, path: "/dev/null" },
      { target: 1, kind: F.Kind.pipeOut, value: 65536 },
      { target: 2, kind: F.Kind.inherit, value: 2 },
      { target: 3, kind: F.Kind.file, value: F.File.append, path: "/tmp/x" },
      { target: 9, kind: F.Kind.object, value: 7, extra: 1 }
    ]
  }
  const setup = [
    F.limit(7, 5n, F.keep),
    F.number(F.Setup.nice, -5),
    F.setup(F.Setup.scheduler, F.u32(3, 0)),
    F.setup(F.Setup.affinity, F.u64(3n, 1n)),
    F.credentials(1, 2, [3, 4]),
    F.capabilities(5n, "drop"),
    F.setup(F.Setup.noNewPrivileges, Buffer.alloc(0)),
    F.sandbox(13n, 1n),
    F.sandboxPath("/tmp", 4n),
    F.sandboxPort(80, 1n),
    F.filter([6, 0, 0, 0x7fff0000]),
    F.setup(F.Setup.terminal, F.u32(0))
  ]
  const inGroup = [F.cgroupFile("memory.max", "1"), F.cgroup("/sys/fs/cgroup/nursery")]
  const frames = [
    F.frame(F.Request.hello, 1, F.hello()),
    F.frame(F.Request.spawn, 2, F.spawn(spawn)),
    F.frame(F.Request.spawn, 3, F.spawn({ argv: ["true"] })),
    F.frame(F.Request.spawn, 9, F.spawn({ argv: ["true"], setup })),
    F.frame(F.Request.spawn, 10, F.spawn({ argv: ["true"], level: F.Level.cgroup, setup: inGroup })),
    F.frame(F.Request.cancel, 2),
    F.frame(F.Request.signal, 4, Buffer.concat([F.u32(2), Buffer.from([15, 1, 0, 0])])),
    F.frame(F.Request.stop, 2, F.policy()),
    F.frame(F.Request.close, 5, F.u32(1, 2, 3)),
    F.frame(F.Request.pipe, 6, F.u32(0)),
    F.frame(F.Request.drop, 6),
    F.frame(F.Request.release, 2),
    F.frame(F.Request.retain, 2),
    F.frame(F.Request.environment, 7, Buffer.concat([F.u32(2), F.strings("A=1", "PATH=/bin")])),
    F.frame(F.Request.listen, 8),
    F.frame(F.Request.drop, 6, F.u32(1)),
    F.frame(F.Request.object, 9, F.object(F.ObjectKind.pipe, F.u32(0))),
    F.frame(F.Request.object, 10, F.object(F.ObjectKind.file, F.u32(3, 0o600), F.strings("/tmp/x"))),
    F.frame(F.Request.object, 11, F.object(F.ObjectKind.memory, F.u32(1, 3, 0), Buffer.from("abc"))),
    F.frame(F.Request.object, 12, F.listening({ family: F.Address.path, name: "/tmp/x" })),
    F.frame(F.Request.seal, 11),
    F.frame(F.Request.object, 13, F.pty(132, 50, 3)),
    F.frame(F.Request.resize, 14, F.resize(13, 80, 24))
  ]
  return [...frames, Buffer.concat(frames)].map((bytes, index) => {
    const file = join(folder, `seed-${index}`)
    writeFileSync(file, bytes)
    return file
  })
}

const fuzzSeconds = Tools.fuzzSeconds(1)
const fuzzer = [join(here, "fuzz", "frames.c"), ...Tools.keeperSources(["frames.c", "object_check.c", "setup.c"])]

describe("fuzzing the decoder", () => {
  const libFuzzer = Tools.libFuzzer()
  const limit = (fuzzSeconds + 180) * 1000

  it.skipIf(libFuzzer instanceof Tools.Missing)(
    `finds nothing with libFuzzer${Tools.because(libFuzzer)}`,
    { timeout: limit },
    () => {
      if (libFuzzer instanceof Tools.Missing) return
      const program = Tools.compile(
        "fuzz-frames",
        libFuzzer,
        [...Tools.sanitizedFlags, "-O1", "-fsanitize=fuzzer"],
        fuzzer
      )
      const folder = join(seeds()[0] ?? "", "..")
      // Alternately too little and too much memory would only test the fuzzer: frames are small.
      const options = [`-max_total_time=${fuzzSeconds}`, "-max_len=4096", "-rss_limit_mb=1024", "-print_final_stats=1"]
      const { stderr, status } = spawnSync(program, [...options, folder], { encoding: "utf8", cwd: folder })
      expect(status, stderr).toBe(0)
      expect(Number(/number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1])).toBeGreaterThan(1000)
    }
  )

  it.skipIf(missing !== undefined)(
    `finds nothing with mutations of our own${Tools.because(missing)}`,
    {
      timeout: limit
    },
    () => {
      const program = Tools.compile(
        "fuzz-own",
        Tools.compiler(),
        [...Tools.sanitizedFlags, "-O1", "-DOWN_LOOP"],
        fuzzer
      )
      const seed = Tools.campaign ? Date.now() % 1_000_000 : 1
      const { stdout, stderr, status } = spawnSync(program, [`${fuzzSeconds}`, `${seed}`, ...seeds()], {
        encoding: "utf8"
      })
      expect({ stderr, status, seed }).toEqual({ stderr: "", status: 0, seed })
      expect(stdout).toMatch(/^\d{4,} rounds/)
    }
  )
})
