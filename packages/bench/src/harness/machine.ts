/**
 * Where the figures come from.
 */
import { readFileSync } from "node:fs"
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os"
import { join } from "node:path"

/** Of a dependency of this package, as it is installed: not every package lets its manifest be imported. */
const versionOf = (name: string): string => {
  const path = join(import.meta.dirname, "../../node_modules", name, "package.json")
  return /"version": *"([^"]*)"/.exec(readFileSync(path, "utf8"))?.[1] ?? "of an unknown version"
}

/** With it, children that lead a session get a share of the processor apart from their parent's. */
const autogroups = (): string => {
  try {
    return readFileSync("/proc/sys/kernel/sched_autogroup_enabled", "utf8").trim() === "1" ? "with" : "without"
  } catch {
    return "without"
  }
}

export const describeMachine = (compiler: string): string =>
  [
    `${availableParallelism()} x ${cpus()[0]?.model ?? process.arch}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, ${autogroups()} autogroups`,
    `Node ${process.versions.node}, effect ${versionOf("effect")}, execa ${versionOf("execa")}, ${compiler}`,
    `${new Date().toISOString()}, load before the run ${loadavg()
      .map((load) => load.toFixed(2))
      .join(" ")}`
  ].join("\n")
