/**
 * The same pipelines by `bash -o pipefail`: the same bytes, the same status of every stage, the same failure.
 *
 * Two things are otherwise on purpose. A pipeline does not fail because a stage was killed by SIGPIPE, whose reader had ended. And one
 * whose program cannot be started does not run the others to their ends.
 */
import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { expect } from "@effect/vitest"
import { Pipeline, type Report, type StageFailed } from "@nursery/pipeline"
import { Command, ExitStatus } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import { folder, onKeeper } from "../support/setup.ts"

/** Words that a space separates, or words. */
type Words = string | ReadonlyArray<string>

const sh = (script: string): Words => ["sh", "-c", script]
const bash = (script: string): Words => ["bash", "-c", script]
/** It goes on to write when it cannot. */
const deaf = (script: string): Words => ["sh", "-c", `trap '' PIPE; ${script}`]

const table: ReadonlyArray<ReadonlyArray<Words>> = [
  // Bytes in, bytes out.
  ["echo hello"],
  ["echo hello", "cat"],
  ["echo hello", "cat", "cat", "cat", "cat", "cat", "cat", "cat"],
  ["seq 1000", "wc -l"],
  ["seq 1000", "grep 7", "wc -l"],
  ["seq 1000", "sort -rn", "head -n 3"],
  ["seq 1000", "tail -n 2"],
  ["seq 100000", "tail -n 1"],
  ["seq 300000", "md5sum"],
  ["seq 300000", "gzip -c", "gzip -dc", "md5sum"],
  ["head -c 3000000 /dev/zero", "wc -c"],
  ["head -c 3000000 /dev/zero", "tr \\0 x", "tail -c 5"],
  ["printf a\\nb\\na\\n", "sort", "uniq -c", "sort -n"],
  ["printf no newline", "cat"],
  ["printf \\000\\001\\377", "cat", "od -c"],
  ["true", "wc -c"],
  ["true", "cat", "cat"],
  [sh("echo out; echo err >&2"), "cat"],
  [sh("echo out; echo err >&2"), ["sh", "-c", "cat >&2"], "cat"],
  ["cat", "cat"],
  ["cat", "cat", "cat", "wc -c"],
  ["true", "true", "true"],
  ["true", "cat", "true"],
  ["true", "md5sum", "cat"],
  ["true", sh("cat; echo $?"), "cat"],
  // More than all the buffers on its way.
  ["head -c 100000000 /dev/zero", "md5sum"],
  ["head -c 50000000 /dev/zero", "cat", "cat", "cat", "wc -c"],
  ["head -c 20000000 /dev/zero", "tr \\0 a", "fold -w 100", "sort -u", "wc -l"],
  ["head -c 5000000 /dev/zero", sh("cat; cat /dev/null"), "tail -c +4999999", "od -c"],
  // stderr into the pipe, the order of descriptors, and others than these.
  [sh("{ echo out; echo err >&2; } 2>&1"), "sort"],
  [sh("{ echo out; echo err >&2; } 2>&1 >/dev/null"), "cat"],
  [sh("exec 3>&1 >/dev/null; echo lost; echo kept >&3"), "cat"],
  [sh("exec 2>&1; ls /no/such/folder >/dev/null; echo $?"), "tail -n 1"],
  [sh("echo out; echo err >&2; exit 5"), sh("cat 2>&1; echo end >&2"), "cat"],
  // What bash puts together inside of a stage.
  [bash("cat <(seq 3) <(seq 2)"), "sort -n", "uniq -c"],
  [bash("diff <(seq 3) <(seq 4)"), "wc -l"],
  [bash("seq 5 | tee >(cat >/dev/null) | tail -n 1"), "cat"],
  [bash("set -o pipefail; false | true"), "cat"],
  // Failures, one at a time.
  ["false"],
  ["true", "true"],
  ["false", "true"],
  ["true", "false"],
  ["false", "cat"],
  ["true", "true", "false"],
  ["true", "false", "true"],
  ["false", "true", "true"],
  [sh("exit 3"), "cat", "cat"],
  ["cat", sh("cat; exit 3"), "cat"],
  ["seq 10", "cat", sh("cat >/dev/null; exit 255")],
  [sh("echo half; exit 2"), "cat"],
  [sh("seq 100000; exit 2"), "wc -l"],
  ["echo text", "grep nothing"],
  ["echo text", "grep nothing", "wc -l"],
  ["seq 10", "grep 5", "grep 5"],
  ["ls /no/such/folder", "cat"],
  ["cat /no/such/file", "sort", "wc -l"],
  ["seq 5", sh("cat >/dev/null; exit 1"), "cat"],
  ["cat", "cat", "false"],
  ["seq 100000", "sort", sh("cat >/dev/null; exit 77")],
  ["true", sh("exit 256"), "cat"],
  ["true", "cat", sh("exit 127")],
  ["true", sh("exit 126"), "cat"],
  ["test 1 = 2", "cat"],
  ["seq 3", "grep -q 2"],
  ["seq 3", "grep -q 4"],
  // Several failures: the last one is what the shell says.
  ["false", "false"],
  [sh("exit 1"), sh("exit 2"), sh("exit 3")],
  [sh("exit 3"), sh("cat >/dev/null; exit 2"), "cat"],
  [sh("exit 3"), sh("cat >/dev/null; exit 2"), sh("cat >/dev/null; exit 1")],
  [sh("exit 9"), "true", sh("cat >/dev/null; exit 4"), "true"],
  // Signals.
  [sh("kill -TERM $$"), "cat"],
  [sh("kill -KILL $$"), "cat"],
  ["echo text", sh("cat >/dev/null; kill -USR1 $$")],
  [sh("echo text; kill -SEGV $$"), "cat", "cat"],
  [sh("kill -HUP $$"), "cat", "cat"],
  ["true", sh("kill -INT $$"), "cat"],
  ["true", sh("cat; kill -ALRM $$")],
  ["echo text", sh("cat; kill -USR2 $$"), "cat"],
  [sh("kill -TERM $$"), sh("cat; kill -KILL $$"), "true"],
  ["seq 10", "cat", sh("cat >/dev/null; kill -TERM $$")],
  [sh("exit 3"), sh("cat; kill -FPE $$"), "cat"],
  [sh("sh -c 'kill -TERM $$'; exit 0"), "cat"],
  [sh("sh -c 'kill -TERM $$'"), "cat"],
  [sh("exit 143"), "cat"],
  ["timeout -s KILL 0.05 sleep 60", "cat"],
  [sh("exit 141"), "cat"],
  [sh("kill -PIPE $$"), "cat"],
  ["true", sh("cat; kill -PIPE $$")],
  // Readers that have enough.
  ["yes", "head -n 1"],
  ["yes", "cat", "head -n 1"],
  ["yes", "cat", "cat", "head -n 5"],
  ["yes", "head -c 1000000", "wc -c"],
  ["seq 10000000", "head -n 2"],
  ["seq 10000000", "grep -m 1 777"],
  ["yes", "true"],
  ["yes", "cat", "true"],
  ["yes", sh("exit 5")],
  ["yes", "cat", sh("read line; exit 6")],
  ["yes", sh("read line; echo $line")],
  ["yes", sh("exec <&-; exit 0")],
  ["yes", sh("head -n 3; exit 7"), "cat"],
  ["yes", "head -n 3", "head -n 2", "head -n 1"],
  [bash("yes; exit 3"), "head -n 1"],
  [sh("yes; true"), "head -n 1"],
  ["yes", "grep -q y"],
  ["yes", "sed 3q"],
  ["yes", "head -c 0"],
  ["yes", "dd bs=2 count=3 status=none"],
  ["yes", "cat", "sed 2q", "cat"],
  ["yes", sh("read a; read b; echo $a$b"), "cat"],
  ["yes", "head -n 100000", "tail -n 1"],
  ["yes", "cat", "head -n 2", sh("cat >/dev/null; false")],
  ["cat /dev/zero", "head -c 1000", "wc -c"],
  ["cat /dev/zero", "cat", "cat", "head -c 3", "od -c"],
  ["yes", "head -n 1", sh("cat; exit 3")],
  ["yes", sh("kill -TERM $$")],
  ["yes", "cat", sh("kill -KILL $$")],
  [sh("yes; exit 9"), "cat", "head -n 1"],
  // Stages that ignore SIGPIPE, and see the error.
  ["yes", deaf("cat 2>/dev/null"), "head -n 1"],
  ["yes", deaf("cat 2>/dev/null; exit 0"), "cat", "head -n 1"],
  [deaf("yes 2>/dev/null || exit 5"), "cat", "true"],
  [deaf("yes 2>/dev/null | cat 2>/dev/null"), "head -n 1"],
  ["yes", deaf("tr y n 2>/dev/null"), "sed 1q"],
  [deaf("yes 2>/dev/null"), "head -n 1"],
  [deaf("seq 10000000 2>/dev/null; exit 8"), "head -n 1"],
  [deaf("yes 2>/dev/null; exit 0"), "head -n 1"],
  [deaf("exec seq 10000000 2>/dev/null"), "cat", "head -n 1"],
  ["yes", deaf("cat 2>/dev/null; exit 4"), "head -n 1"],
  // Who does not read, closes early, or stays when it has closed.
  ["true", "sleep 0"],
  ["seq 100000", sh("exec <&-; exec cat /dev/null")],
  [sh("exec >&-; exit 0"), "cat"],
  [sh("echo text; exec >&-; exit 3"), "cat"],
  ["yes", sh("head -n 1; exec <&-; echo still here")]
]

/** Programs that are not there, or cannot be executed: what the shell says of them. The others would write nothing. */
const missing: ReadonlyArray<readonly [stage: number, pipeline: ReadonlyArray<Words>]> = [
  [0, ["no-such-program"]],
  [0, ["no-such-program", "cat"]],
  [1, ["true", "no-such-program"]],
  [1, ["true", "no-such-program", "cat"]],
  [2, ["true", "cat", "no-such-program"]],
  [1, ["true", "/no/such/program", "cat"]],
  [1, ["true", "/etc/passwd", "cat"]],
  [0, ["no-such-program", "cat", "cat"]],
  [2, ["echo text", "cat", "/no/such/folder/program"]],
  [1, ["yes", "no-such-program", "cat"]],
  [2, ["yes", "cat", "no-such-program"]],
  [3, ["yes", "cat", "cat", "/etc/passwd"]],
  [0, ["/etc", "true"]],
  [2, ["true", "true", "./missing-interpreter"]],
  [0, ["/", "cat"]],
  [0, ["./missing-interpreter", "cat"]]
]

const wordsOf = (words: Words): ReadonlyArray<string> => (typeof words === "string" ? words.split(" ") : words)

const lineOf = (stages: ReadonlyArray<Words>): string =>
  stages.map((stage) => Command.display(commandOf(stage))).join(" | ")

const commandOf = (words: Words) => {
  const [program = "", ...args] = wordsOf(words)
  return Command.make(program, args, { stderr: "null" })
}

interface Ran {
  readonly output: string
  readonly statuses: ReadonlyArray<number>
  readonly code: number
}

const byBash = (stages: ReadonlyArray<Words>, cwd: string): Effect.Effect<Ran> =>
  Effect.callback<Ran>((resume) => {
    // What the stages write to stderr is not looked at: descriptor 9 is the stderr of bash, by which it tells the statuses.
    const script = `exec 9>&2 2>/dev/null </dev/null; ${lineOf(stages)}; code=$? all="\${PIPESTATUS[*]}"; echo "$all $code" >&9`
    execFile(
      "bash",
      ["-o", "pipefail", "-c", script],
      { cwd, encoding: "latin1", maxBuffer: 64 * 1024 * 1024 },
      (_, output, told) => {
        const statuses = told.trim().split(" ").map(Number)
        const code = statuses.pop() ?? Number.NaN
        resume(Effect.succeed({ output, statuses, code }))
      }
    )
  })

const pipelineOf = (stages: ReadonlyArray<Words>, cwd: string) => {
  const [first = "true", ...others] = stages
  const command = (words: Words) => Command.cwd(commandOf(words), cwd)
  const begun = Pipeline.from("0" as string, command(first))
  return others.reduce(
    (pipeline: typeof begun, words, index) => pipeline.pipe(Pipeline.process(String(index + 1), command(words))),
    begun
  )
}

const statusesOf = (report: Report): ReadonlyArray<number> =>
  Object.values(report.stages).map((stage) =>
    stage.kind === "process" && stage.exit !== undefined ? ExitStatus.toShellCode(stage.exit.status) : Number.NaN
  )

/** What `set -o pipefail` says, as a policy: the last stage that has failed. */
const lastFailed = (report: Report): string | undefined =>
  Object.values(report.stages).findLast((stage) => stage.error !== undefined)?.name

const codeOf = ({ error }: StageFailed): number => {
  if (typeof error !== "object" || error === null) return Number.NaN
  if ("status" in error) return ExitStatus.toShellCode(error.status as ExitStatus.ExitStatus)
  // bash(1): 127 where there is no such command, 126 where it cannot be executed.
  const reason = "reason" in error ? (error.reason as { readonly _tag: string })._tag : ""
  return reason === "ProgramNotFound" || reason === "InterpreterNotFound" ? 127 : 126
}

onKeeper("bash -o pipefail", (it) => {
  it("is compared by 60 pipelines or more", () => {
    expect(table.length + missing.length).toBeGreaterThanOrEqual(60)
    expect(new Set(table.map(lineOf)).size).toBe(table.length)
  })

  for (const stages of table) {
    it.effect(lineOf(stages), () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        const theirs = yield* byBash(stages, cwd)
        const pipeline = pipelineOf(stages, cwd)

        const chunks: Array<Uint8Array> = []
        const gather = (chunk: Uint8Array) => Effect.sync(() => chunks.push(chunk))
        const run = pipeline.pipe(Pipeline.policy(lastFailed), Pipeline.toSink(Sink.forEach(gather)))
        const { code, report } = yield* Effect.match(run, {
          onFailure: (error) => {
            if (error._tag !== "StageFailed") throw error
            return { code: codeOf(error), report: error.report }
          },
          onSuccess: ({ report }) => ({ code: 0, report })
        })
        const output = Buffer.concat(chunks).toString("latin1")
        expect({ output, statuses: statusesOf(report), code }).toEqual(theirs)

        // A stage whose reader had enough is not the failure of a pipeline; all other failures are.
        const last = stages.length - 1
        const failed = theirs.statuses.some((status, index) => status !== 0 && (status !== 141 || index === last))
        expect(report.firstCause !== undefined).toBe(failed)
      })
    )
  }

  for (const [at, stages] of missing) {
    it.effect(`${lineOf(stages)} (cannot be started)`, () =>
      Effect.gen(function* () {
        const cwd = yield* folder
        writeFileSync(`${cwd}/missing-interpreter`, "#!/no/such/interpreter\n", { mode: 0o755 })
        const theirs = yield* byBash(stages, cwd)
        const error = yield* Effect.flip(Pipeline.string(pipelineOf(stages, cwd)))
        if (error._tag !== "StageFailed") throw error
        expect([codeOf(error), error.stage, ""]).toEqual([theirs.code, `${at}`, theirs.output])
      })
    )
  }
})
