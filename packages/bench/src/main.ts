/**
 * `pnpm bench` measures everything, `pnpm bench P2 P4` some of it; `--quick` with less data and fewer rounds, `--rounds <n>` with
 * so many rounds, `--json <file>` leaves all figures there.
 *
 * Nothing is a test: whether a goal was reached is printed, and the exit status says only that everything could be measured.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { pipeline, read } from "./benchmarks/flow.ts"
import { soak } from "./benchmarks/soak.ts"
import { parallelSpawns, singleSpawns } from "./benchmarks/spawn.ts"
import { startUp } from "./benchmarks/startUp.ts"
import { stretch } from "./benchmarks/stretch.ts"
import { describeMachine } from "./harness/machine.ts"
import type { Context, Measurement } from "./harness/measurement.ts"
import { compile } from "./harness/native.ts"
import { showTable } from "./harness/table.ts"

const benchmarks: Readonly<Record<string, (context: Context) => Promise<ReadonlyArray<Measurement>>>> = {
  P1: stretch,
  P2: parallelSpawns,
  P3: singleSpawns,
  P4: read,
  P5: pipeline,
  P13: startUp,
  P14: soak
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, rounds: { type: "string" }, json: { type: "string" } }
})

const wanted = positionals.length === 0 ? Object.keys(benchmarks) : positionals
const unknown = wanted.filter((id) => benchmarks[id] === undefined)
const rounds = Number(values.rounds ?? (values.quick ? 3 : 7))
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(
    `usage: pnpm bench [${Object.keys(benchmarks).join(" | ")}]... [--quick] [--rounds <n>] [--json <file>]`
  )
  process.exit(2)
}

const native = compile()
try {
  const machine = describeMachine(native.compiler)
  const watched = process.stderr.isTTY === true
  const progress = (text: string): void => {
    if (watched) process.stderr.write(`\r\u001b[K${text}`)
  }
  const measurements: Array<Measurement> = []
  for (const id of wanted) {
    if (!watched) console.error(`measuring ${id}`)
    const measured = await benchmarks[id]?.({ native, size: { quick: values.quick, rounds }, progress })
    measurements.push(...(measured ?? []))
  }
  if (watched) process.stderr.write("\r\u001b[K")
  console.log(`${machine}\n\n${showTable(measurements)}`)
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, measurements }, null, 2))
} finally {
  native.remove()
}
