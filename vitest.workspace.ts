import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const packages = join(import.meta.dirname, "packages")

// The long test campaigns run the same files: tests read this variable where they have a longer form.
const campaign = process.env["NURSERY_CAMPAIGN"] !== undefined

export default defineConfig({
  test: {
    // Tests start real processes, look at the process table and change signal handlers: each file gets a process of its own.
    pool: "forks",
    isolate: true,
    maxWorkers: 2,
    testTimeout: campaign ? 1_800_000 : 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    passWithNoTests: false,
    projects: readdirSync(packages)
      .filter((name) => existsSync(join(packages, name, "test")))
      .map((name) => ({
        extends: true,
        test: {
          name,
          root: join(packages, name),
          include: ["test/**/*.test.ts"],
          setupFiles: [join(packages, "process/test/support/cleanUp.ts")],
          // Tests of types: `it("...", () => { expectTypeOf(..)...; // @ts-expect-error ... })`, compiled and never run.
          typecheck: {
            enabled: true,
            checker: join(import.meta.dirname, "node_modules/.bin/tsc"),
            tsconfig: join(packages, name, "tsconfig.json"),
            include: ["test/**/*.test-d.ts"],
            ignoreSourceErrors: true
          }
        }
      }))
  }
})
