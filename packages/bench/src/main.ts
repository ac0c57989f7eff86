/**
 * `pnpm bench` measures everything, `pnpm bench P2 P4` some of it; `--quick` with less data and fewer rounds, `--rounds <n>` with
 * so many rounds, `--services <n>` with so many services for each supervisor, `--json <file>` leaves all figures there.
 *
 * Nothing is a test: whether a goal was reached is printed, and the exit status says only that everything could be measured.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { closing } from "./benchmarks/closing.ts"
import { coldStart } from "./benchmarks/coldStart.ts"
import { crowd } from "./benchmarks/crowd.ts"
import { flatness, pipeline, read, records } from "./benchmarks/flow.ts"
import { footprint } from "./benchmarks/footprint.ts"
import { idle } from "./benchmarks/idle.ts"
import { namespaces } from "./benchmarks/namespaces.ts"
import { pools } from "./benchmarks/pools.ts"
import { restart } from "./benchmarks/restart.ts"
import { setup } from "./benchmarks/setup.ts"
import { soak } from "./benchmarks/soak.ts"
import { parallelSpawns, singleSpawns } from "./benchmarks/spawn.ts"
import { startUp } from "./benchmarks/startUp.ts"
import { stretch } from "./benchmarks/stretch.ts"
import { described } from "./contenders/peers/peers.ts"
import { withArena } from "./harness/arena.ts"
import { type Installed, install } from "./harness/installed.ts"
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
  P6: records,
  P7: coldStart,
  P8: restart,
  P9: footprint,
  P10: crowd,
  P11: closing,
  P12: idle,
  P13: startUp,
  P14: soak,
  P15: setup,
  P16: namespaces,
  P17: pools,
  P18: flatness
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    services: { type: "string" },
    json: { type: "string" }
  }
})

const wanted = positionals.length === 0 ? Object.keys(benchmarks) : positionals
const unknown = wanted.filter((id) => benchmarks[id] === undefined)
const rounds = Number(values.rounds ?? (values.quick ? 3 : 7))
const services = Number(values.services ?? (values.quick ? 200 : 1000))
const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1
if (unknown.length > 0 || !isCount(rounds) || !isCount(services)) {
  const ids = Object.keys(benchmarks).join(" | ")
  console.error(`usage: pnpm bench [${ids}]... [--quick] [--rounds <n>] [--services <n>] [--json <file>]`)
  process.exit(2)
}

const watched = process.stderr.isTTY === true
const progress = (text: string): void => {
  if (watched) process.stderr.write(`\r\u001b[K${text}`)
}

const { machine, measurements } = await withArena(async (arena) => {
  const native = compile(arena.folder)
  const machine = `${describeMachine(native.compiler)}\n${described()}`
  let packages: Installed | undefined
  const installed = (): Installed => {
    packages ??= install(arena.subfolder("installed"))
    return packages
  }
  const size = { quick: values.quick, rounds, services }
  const measurements: Array<Measurement> = []
  for (const id of wanted) {
    if (!watched) console.error(`measuring ${id}`)
    measurements.push(...((await benchmarks[id]?.({ native, arena, installed, size, progress })) ?? []))
    arena.step("none")
  }
  return { machine, measurements }
})
progress("")
console.log(`${machine}\n\n${showTable(measurements)}`)
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, measurements }, null, 2))
