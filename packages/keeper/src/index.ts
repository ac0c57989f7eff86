/**
 * Finds the keeper, the native program that starts and ends the processes of a Nursery.
 *
 * Only looks: nothing is compiled, downloaded or started here. Everything that can be wrong with the binary's place is a value with
 * a message that says what to do; whether the binary is a keeper of the right version shows when it is started.
 *
 * @since 0.1.0
 */
import { accessSync, constants, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * A keeper that can be started.
 *
 * @since 0.1.0
 */
export interface KeeperBinary {
  readonly _tag: "KeeperBinary"
  /** The absolute path of the program. */
  readonly path: string
  /** Where it was found: the variable `NURSERY_KEEPER`, a package of prebuilt binaries, or the build of this workspace. */
  readonly source: "environment" | "package" | "workspace"
}

/**
 * There is no keeper to start.
 *
 * **Details**
 *
 * - `platform`: the keeper is for Linux on x64 and arm64, and this is something else
 * - `notBuilt`: its sources are here, and were not compiled yet
 * - `notExecutable`: there is a file, which this user may not execute
 * - `notFound`: the file that `NURSERY_KEEPER` names is not there, or no package holds a binary for this machine
 *
 * @since 0.1.0
 */
export interface KeeperMissing {
  readonly _tag: "KeeperMissing"
  readonly reason: "platform" | "notBuilt" | "notExecutable" | "notFound"
  /** What is wrong, and what to do about it. */
  readonly message: string
}

/**
 * What `locate` looks at; each has the value of the running program by default.
 *
 * @since 0.1.0
 */
export interface LocateOptions {
  readonly platform?: string
  readonly arch?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The folder of the package `@nursery/keeper`. */
  readonly packageFolder?: string
}

const binary = (path: string, source: KeeperBinary["source"]): KeeperBinary => ({ _tag: "KeeperBinary", path, source })

const missing = (reason: KeeperMissing["reason"], message: string): KeeperMissing => ({
  _tag: "KeeperMissing",
  reason,
  message
})

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** The kernel refuses Node the child's pipes under `/proc/<keeper>/fd` when the binary may be executed but not read. */
const isUsable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

const use = (path: string, source: KeeperBinary["source"]): KeeperBinary | KeeperMissing =>
  isUsable(path)
    ? binary(path, source)
    : missing(
        "notExecutable",
        `the keeper ${path} is not a file that may be read and executed: run \`chmod 755 ${path}\``
      )

/** The binary of an installed package such as `@nursery/keeper-linux-x64`, or undefined when that is not installed. */
const prebuilt = (packageFolder: string, name: string): string | undefined => {
  try {
    const manifest = createRequire(join(packageFolder, "package.json")).resolve(`@nursery/${name}/package.json`)
    return join(dirname(manifest), "bin", `nursery-${name}`)
  } catch {
    return undefined
  }
}

/**
 * Finds the keeper for this machine: the file that the environment variable `NURSERY_KEEPER` names, else the one of an installed
 * package `@nursery/keeper-linux-<arch>`, else the one that the workspace built.
 *
 * **Example** (Where is it?)
 *
 * ```ts
 * import { locate } from "@nursery/keeper"
 *
 * const keeper = locate()
 * console.log(keeper._tag === "KeeperBinary" ? keeper.path : keeper.message)
 * ```
 *
 * @since 0.1.0
 */
export const locate = (options: LocateOptions = {}): KeeperBinary | KeeperMissing => {
  const { arch = process.arch, env = process.env, platform = process.platform } = options
  const packageFolder = options.packageFolder ?? dirname(dirname(fileURLToPath(import.meta.url)))

  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64")) {
    return missing("platform", `the keeper is for Linux on x64 and arm64, this is ${platform} on ${arch}`)
  }

  const explicit = env["NURSERY_KEEPER"]
  if (explicit !== undefined && explicit !== "") {
    const path = resolve(explicit)
    return exists(path)
      ? use(path, "environment")
      : missing("notFound", `there is no keeper at ${path}, which NURSERY_KEEPER names: correct or unset that variable`)
  }

  const name = `keeper-linux-${arch}`
  const installed = prebuilt(packageFolder, name)
  if (installed !== undefined && exists(installed)) return use(installed, "package")

  const built = join(packageFolder, "bin", `nursery-${name}`)
  if (exists(built)) return use(built, "workspace")

  const script = join(packageFolder, "build.mjs")
  return exists(script)
    ? missing(
        "notBuilt",
        `the keeper was not built yet: run \`node ${script}\`, which needs a C compiler ` +
          "(on Debian `apt install musl-tools` or `apt install gcc`)"
      )
    : missing(
        "notFound",
        `no keeper for this machine: install the package @nursery/${name}, or name a keeper in NURSERY_KEEPER`
      )
}
