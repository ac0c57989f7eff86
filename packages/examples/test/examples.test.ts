import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { run, source } from "./run.ts"

/** What each example writes. */
const outputs: Readonly<Record<string, RegExp>> = {
  // Of whatever dictionary there is, or of the few words of its own.
  "anagrams.ts": /^\S+( \S+){3,}\n$/,
  "compressAndCount.ts":
    /^100000\nnumbers succeeded \ncount succeeded 588895\ncopy succeeded 588895\ngzip succeeded 588895\n$/,
  "decisions.ts": /^the worker was killed by SIGKILL\nworker: ready\nextra: failed\n$/,
  "dependencies.ts": /\ndb 2, migrate 1, api 2, proxy 1\n$/,
  "dropInSpawner.ts": /^ +1 apple\n +2 pear\n/,
  "dynamicChildren.ts": /^the session of bob has ended\n$/,
  "errorsByReason.ts":
    /^v\d+\.\d+\.\d+\nno-such-program is not installed\nfalse exited with code 1\n"sort --field-separator" exited with code 2\n/,
  "firstPipeline.ts": /^root is user 0\n(\S+ is user 1\n)?\d+ users; sort was process \d+\n$/,
  "firstProgram.ts": /^started pid \d+; leaving the scope\nall gone\n$/,
  "firstTree.ts":
    /^.*: listening on port \d+ \{ 'nursery\.child': 'app\/web'.*\n\{ _tag: 'Significant', child: 'client', value: 'hello' \}\n$/,
  "logAnalysis.ts": /^ +8 \/page\/6\n +7 \/page\/5\n +7 \/page\/4\n/,
  "nestedTrees.ts": /^after 2 attempts: pages gave up after 3 attempts: "sh -c 'exit 3'" exited with code 3\n$/,
  "oneChild.ts": /^sleeper is ready, in life 2\n$/,
  "ownLogs.ts": /^slow: 21, 771, 1521, 2271 ms\n$/,
  // Elsewhere than on Debian there is no such list.
  "packageSizes.ts": /^(\d+ packages\n(\S+: \d+ MiB\n){3}|cannot start "dpkg-query": no such program.*\n)$/,
  "processSubstitution.ts": /^not running: mail\n"list": "sh -c 'exit 3'" exited with code 3\n$/,
  // Of the last look.
  "progressDisplay.ts": /^zeros +succeeded.*\ngzip +succeeded.*\ncount +succeeded.*\n\d+\.\d s\n$/,
  // The failure comes when it comes.
  "pythonWorkers.ts":
    /^(?=[\s\S]*\n4711: no answer after 2 attempts\n)ketle: kettle\n(4711.*\n)?spatulla: spatula\n(4711.*\n)?whisc: whisk\n(4711.*\n)?$/,
  "restartBySchedule.ts":
    /^flaky gave up after 4 attempts: "sh -c 'exit 7'" exited with code 7\nlife 1: Failed\nlife 2: Failed\nlife 3: Failed\nlife 4: Failed\n$/,
  "serverInTest.ts": /^the server says hello\n$/,
  "socketActivation.ts": /^first life: served\nsecond life: served\n$/,
  "socketPair.ts": /^hello world\nand the server: Exited\n$/,
  "streamLines.ts": /^request 7 took 9 ms\nrequest 17 took 9 ms\nrequest 27 took 9 ms\n$/,
  "supervisedPipeline.ts": /^running: sh, grep, cat\nrunning again: sh, grep, cat; of before: 0\n$/,
  "terminalDialogue.ts": /^logged in: ada\n$/,
  "timeLimit.ts": /^encoding\nclosing the file\ntook too long, and is gone\n$/,
  "treeControl.ts":
    /^blue is ready again, in life 2\ngreen is ready again, in life 2\nblue is ready again, in life 3\n$/,
  "treeInVirtualTime.ts": /^it held\n$/
}

/** What is not on every machine, and an example cannot do without. */
const needs: Readonly<Record<string, string>> = { "pythonWorkers.ts": "python3" }

const root = join(import.meta.dirname, "../../..")

const documents = ["README.md", ...readdirSync(join(root, "docs")).map((name) => join("docs", name))]
  .filter((name) => name.endsWith(".md"))
  .map((name) => readFileSync(join(root, name), "utf8"))

/** The program without the comment that says what the file is. */
const programOf = (name: string): string => readFileSync(source(name), "utf8").replace(/^\/\*\*.*?\*\/\n/s, "")

it("knows every example", () => {
  const examples = readdirSync(source("")).filter((name) => name.endsWith(".ts") && name !== "main.ts")
  expect(Object.keys(outputs)).toEqual(examples.sort())
})

describe.each(Object.entries(outputs))("%s", (name, output) => {
  const program = needs[name]
  const isMissing = program !== undefined && spawnSync(program, ["--version"]).status !== 0
  const suffix = isMissing ? ` (needs ${program})` : ""
  it.skipIf(isMissing)(`does what it says, and leaves by itself${suffix}`, async () => {
    expect(await run(name)).toEqual({ code: 0, stdout: expect.stringMatching(output), stderr: "" })
  })

  it("is quoted by the documentation as it is", () => {
    const block = `\`\`\`ts${program === undefined ? "" : ` needs-${program}`}\n${programOf(name)}\`\`\`\n`
    expect(documents.some((text) => text.includes(block))).toBe(true)
  })
})
