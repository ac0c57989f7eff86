import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const packages = join(import.meta.dirname, "packages")

// The long test campaigns run the same files: tests read this variable where they have a longer form.
const campaign = process.env["NURSERY_CAMPAIGN"] !== undefined

/**
 * Tests of functions and of simulated processes, which touch nothing outside of their own objects: they share a process for each
 * package, for most of their time would be the loading of the same modules. All others get one of their own.
 */
const pure: Readonly<Record<string, ReadonlyArray<string>>> = {
  bench: ["statistics", "table"],
  examples: ["app/resp", "links", "otherSupervisors", "tour/story"],
  pipeline: ["PipelineError", "codec/*", "internal/{dispatcher,plan,verdict}"],
  process: [
    "{Command,ExitStatus,ProcessError,Signal,Stdio,architecture,guaranteesPage}",
    "internal/{command,process}/*",
    "internal/{errno,text}",
    "internal/streams/tail",
    "keeper/{decoder,frames}",
    "spawner/{options,plan}"
  ],
  supervisor: [
    "{Child,ChildError,Restart,SupervisorError,validate}",
    "core/*",
    "ready/{policy,sockets}",
    "scenarios/{agreement,alive,events,launch,layer,limits,metrics,virtual}",
    "shell/*"
  ],
  testing: ["{Program,TestNursery,contract,notifications}"]
}

const setupFiles = [join(packages, "process/test/support/cleanUp.ts")]

const filesOf = (name: string): Array<string> => (pure[name] ?? []).map((file) => `test/${file}.test.ts`)

export default defineConfig({
  test: {
    // Tests start real processes, look at the process table and change signal handlers: each file gets a process of its own, but for
    // those below that do nothing of the kind.
    pool: "forks",
    isolate: true,
    maxWorkers: 2,
    // For tests that hang: a slow machine on which others work as well takes many times as long as a quiet one.
    testTimeout: campaign ? 1_800_000 : 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    passWithNoTests: false,
    projects: readdirSync(packages)
      .filter((name) => existsSync(join(packages, name, "test")))
      .flatMap((name) => [
        ...(pure[name] === undefined
          ? []
          : [
              {
                extends: true,
                test: {
                  name: `${name}, pure`,
                  root: join(packages, name),
                  include: filesOf(name),
                  isolate: false,
                  setupFiles
                }
              }
            ]),
        {
          extends: true,
          test: {
            name,
            root: join(packages, name),
            include: ["test/**/*.test.ts"],
            exclude: filesOf(name),
            setupFiles,
            // Tests of types: `it("...", () => { expectTypeOf(..)...; // @ts-expect-error ... })`, compiled and never run.
            typecheck: {
              enabled: true,
              checker: join(import.meta.dirname, "node_modules/.bin/tsc"),
              tsconfig: join(packages, name, "tsconfig.json"),
              include: ["test/**/*.test-d.ts"],
              ignoreSourceErrors: true
            }
          }
        }
      ])
  }
})
