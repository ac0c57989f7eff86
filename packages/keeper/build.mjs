// Builds the keeper from its C sources: `node build.mjs [--arch arm64] [--optional]`.
//
// Plain JavaScript for any Node from 18 on, because it runs while the workspace is being set up. The binary appears at its place by
// a rename, so that neither a running keeper nor a second build at the same time ever sees half of one.
// `--optional` is for the installation of the workspace: what prevents the build is said, and the installation goes on.

import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/**
 * @typedef {"x64" | "arm64"} Arch
 * @typedef {readonly [program: string, ...args: Array<string>]} Compiler
 * @typedef {{ readonly arch?: Arch, readonly sources?: string, readonly out?: string, readonly env?: NodeJS.ProcessEnv }} Options
 *   `sources` is the folder of the C files, `out` the folder of the binary, `env` says `CC` and `PATH`.
 * @typedef {{ readonly _tag: "Built", readonly path: string, readonly compiler: string, readonly linkage: "static" | "dynamic" }} Built
 * @typedef {{ readonly _tag: "UpToDate", readonly path: string }} UpToDate
 * @typedef {{ readonly _tag: "Failed", readonly reason: "platform" | "noCompiler" | "noSources" | "compile" | "write", readonly message: string }} Failed
 */

const here = dirname(fileURLToPath(import.meta.url))

/**
 * In order of preference: musl makes the smallest binary, and the only static one where glibc's static half is not installed.
 * @type {Record<Arch, ReadonlyArray<Compiler>>}
 */
const native = {
  x64: [["musl-gcc"], ["cc"], ["clang"]],
  arm64: [["musl-gcc"], ["cc"], ["clang"]]
}

/** @type {Record<Arch, ReadonlyArray<Compiler>>} */
const cross = {
  x64: [["x86_64-linux-musl-gcc"], ["x86_64-linux-gnu-gcc"]],
  arm64: [["aarch64-linux-musl-gcc"], ["aarch64-linux-gnu-gcc"]]
}

/** @type {Record<Arch, string>} */
const crossPackage = { x64: "gcc-x86-64-linux-gnu", arm64: "gcc-aarch64-linux-gnu" }

/**
 * Not position independent: relocations would dirty pages that every reaper, a fork of the keeper, then pays for.
 */
export const compileFlags = [
  "-std=c11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wshadow",
  "-Wvla",
  "-Wstrict-prototypes",
  "-Wmissing-prototypes",
  "-Wpointer-arith",
  "-Wwrite-strings",
  "-Wformat=2",
  "-fno-common",
  "-fno-strict-aliasing",
  "-fstack-protector-strong",
  "-U_FORTIFY_SOURCE",
  "-D_FORTIFY_SOURCE=2",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-pie"
]

const linkFlags = ["-s", "-Wl,--gc-sections", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]

/** @param {string} arch @returns {arch is Arch} */
const isArch = (arch) => arch === "x64" || arch === "arm64"

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error))

/**
 * The full path of a program, or undefined.
 * @param {string} program @param {NodeJS.ProcessEnv} env
 */
const which = (program, env) => {
  const candidates = program.includes("/")
    ? [resolve(program)]
    : (env["PATH"] ?? "")
        .split(delimiter)
        .filter((folder) => isAbsolute(folder))
        .map((folder) => join(folder, program))
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** @param {Arch} arch @param {NodeJS.ProcessEnv} env @returns {ReadonlyArray<Compiler>} */
const wantedCompilers = (arch, env) => {
  const [program, ...args] = (env["CC"] ?? "").split(/\s+/).filter((word) => word !== "")
  if (program !== undefined) return [[program, ...args]]
  return arch === process.arch ? native[arch] : cross[arch]
}

/** @param {Arch} arch @param {NodeJS.ProcessEnv} env */
const noCompilerMessage = (arch, env) => {
  const tried = wantedCompilers(arch, env)
    .map(([program]) => program)
    .join(", ")
  const install =
    arch === process.arch ? "`apt install musl-tools` or `apt install gcc`" : `\`apt install ${crossPackage[arch]}\``
  return (
    `no C compiler for linux-${arch} (looked for ${tried}): install one, on Debian by ${install}, ` +
    `or name one in CC; then run \`${buildCommand(arch)}\``
  )
}

/** @param {Arch} arch */
const buildCommand = (arch) => {
  const script = relative(process.cwd(), join(here, "build.mjs"))
  return `node ${script.startsWith("..") ? join(here, "build.mjs") : script}${arch === process.arch ? "" : ` --arch ${arch}`}`
}

/** @param {string} folder */
const listSources = (folder) => {
  try {
    return readdirSync(folder)
      .filter((name) => /\.[ch]$/.test(name))
      .sort()
  } catch {
    return []
  }
}

/** @param {string} file */
const readIfThere = (file) => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

/** @param {string} folder @param {ReadonlyArray<string>} names */
const hashOf = (folder, names) => {
  const hash = createHash("sha256").update(readFileSync(fileURLToPath(import.meta.url)))
  for (const name of names) hash.update(`\0${name}\0`).update(readFileSync(join(folder, name)))
  return hash.digest("hex")
}

/** @param {Compiler} compiler @param {NodeJS.ProcessEnv} env */
const versionOf = ([program, ...args], env) => {
  const { stdout } = spawnSync(program, [...args, "--version"], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"]
  })
  return [program, ...args, (stdout ?? "").split("\n")[0]].join(" ")
}

/** @param {Compiler} compiler @param {ReadonlyArray<string>} args @param {NodeJS.ProcessEnv} env */
const run = ([program, ...first], args, env) => {
  const { error, status, stderr } = spawnSync(program, [...first, ...args], {
    // A fixed language, because what the linker says is looked at below.
    env: { ...env, LC_ALL: "C" },
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"]
  })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr === "" ? `exit status ${status}` : stderr
}

/** @param {string} file */
const discard = (file) => {
  try {
    rmSync(file, { force: true })
  } catch {
    // Where nothing could be written there is nothing to remove.
  }
}

/** What the linkers say when there is a libc to link against, but no static one. */
const noStaticLibc = /cannot find -l|cannot find crt|unable to find library|library not found/

/**
 * @param {Compiler} compiler @param {ReadonlyArray<string>} files @param {string} target @param {NodeJS.ProcessEnv} env
 * @returns {{ readonly linkage: "static" | "dynamic" } | { readonly failure: string }}
 */
const compile = (compiler, files, target, env) => {
  const args = [...compileFlags, "-o", target, ...files, ...linkFlags]
  const failure = run(compiler, ["-static", ...args], env)
  if (failure === undefined) return { linkage: "static" }
  if (!noStaticLibc.test(failure)) return { failure }
  const second = run(compiler, ["-no-pie", ...args], env)
  return second === undefined ? { linkage: "dynamic" } : { failure: second }
}

/**
 * Builds the keeper if its sources or the compiler changed since the last time.
 *
 * A compiler that is there but cannot build it (without the headers of the kernel or of libc, say) is passed over for the next one.
 * @param {Options} options
 * @returns {Built | UpToDate | Failed}
 */
export const build = ({
  arch = isArch(process.arch) ? process.arch : "x64",
  sources = join(here, "src"),
  out = join(here, "bin"),
  env = process.env
} = {}) => {
  if (process.platform !== "linux" || !isArch(process.arch)) {
    const message = `the keeper is for Linux on x64 and arm64, this is ${process.platform} on ${process.arch}`
    return { _tag: "Failed", reason: "platform", message }
  }
  const names = listSources(sources)
  const files = names.filter((name) => name.endsWith(".c")).map((name) => join(sources, name))
  if (files.length === 0) return { _tag: "Failed", reason: "noSources", message: `no C sources in ${sources}` }

  const path = join(out, `nursery-keeper-linux-${arch}`)
  const stampFile = `${path}.stamp`
  const compilers = wantedCompilers(arch, env).flatMap(([program, ...args]) => {
    const found = which(program, env)
    return found === undefined ? [] : [/** @type {Compiler} */ ([found, ...args])]
  })
  const sourceHash = hashOf(sources, names)
  // The first that is there is part of the stamp, also when another one did the work in the end.
  const preferred = compilers[0]
  const stamp = `${sourceHash}\n${preferred === undefined ? "" : versionOf(preferred, env)}\n`
  const before = which(path, env) === undefined ? undefined : readIfThere(stampFile)
  if (before === stamp) return { _tag: "UpToDate", path }
  if (preferred === undefined) {
    // Built elsewhere, or the compiler was removed since: the sources are what counts.
    if (before?.startsWith(`${sourceHash}\n`) === true) return { _tag: "UpToDate", path }
    return { _tag: "Failed", reason: "noCompiler", message: noCompilerMessage(arch, env) }
  }

  const temporary = join(out, `.nursery-keeper-${arch}-${process.pid}`)
  try {
    if (mkdirSync(out, { recursive: true }) !== undefined) chmodSync(out, 0o755)
    /** @type {Array<string>} */
    const failures = []
    for (const compiler of compilers) {
      const result = compile(compiler, files, temporary, env)
      if ("failure" in result) {
        failures.push(`${compiler.join(" ")}:\n${result.failure.trimEnd()}`)
        continue
      }
      // Whatever the umask: Node opens pipes through /proc/<keeper>/fd, which the kernel refuses for a binary that is not readable.
      chmodSync(temporary, 0o755)
      renameSync(temporary, path)
      writeFileSync(temporary, stamp)
      renameSync(temporary, stampFile)
      return { _tag: "Built", path, compiler: compiler.join(" "), linkage: result.linkage }
    }
    return { _tag: "Failed", reason: "compile", message: `the keeper does not compile\n${failures.join("\n")}` }
  } catch (error) {
    return { _tag: "Failed", reason: "write", message: `cannot write the keeper to ${out}: ${messageOf(error)}` }
  } finally {
    discard(temporary)
  }
}

/** @param {ReadonlyArray<string>} args */
const main = (args) => {
  const optional = args.includes("--optional")
  const at = args.indexOf("--arch")
  const arch = at === -1 ? process.arch : (args[at + 1] ?? "")
  if (at !== -1 && !isArch(arch)) {
    console.error(`nursery: --arch is x64 or arm64, not ${JSON.stringify(arch)}`)
    return 2
  }
  const result = build(isArch(arch) ? { arch } : {})
  switch (result._tag) {
    case "UpToDate":
      return 0
    case "Built":
      console.error(`nursery: built ${relative(process.cwd(), result.path)} (${result.compiler}, ${result.linkage})`)
      return 0
    case "Failed":
      console.error(`nursery: ${result.message}`)
      return optional ? 0 : 1
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2))
}
