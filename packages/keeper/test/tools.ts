/**
 * The programs that these tests need: which compilers and emulators are here, and what is built with them.
 *
 * A build is kept in a folder of this user's, under the hash of everything that it is made from, so that the test files of one run
 * and the next runs share it.
 */
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterAll } from "vitest"
import { build, compileFlags } from "../build.mjs"

export const isRoot = process.getuid?.() === 0

/** An ordinary user without any processes of its own. */
export const ordinaryUser = isRoot ? 30_000 + (process.pid % 20_000) : (process.getuid?.() ?? 0)

/** Long campaigns instead of a few seconds. */
export const campaign = process.env["NURSERY_CAMPAIGN"] !== undefined

/** How long to fuzz: `NURSERY_CAMPAIGN=1` is ten minutes, a larger number so many seconds. */
export const fuzzSeconds = (usual: number): number => {
  const given = Number(process.env["NURSERY_CAMPAIGN"])
  return campaign ? (given > 1 ? given : 600) : usual
}

export const which = (program: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

const isOurs = (folder: string): boolean => {
  const about = lstatSync(folder)
  return about.isDirectory() && about.uid === process.getuid?.() && (about.mode & 0o022) === 0
}

const temporaryFolders: Array<string> = []
// The process of a test file is killed when it is done, and hears nothing of its exit.
afterAll(() => {
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true })
})

/** A folder for one test, which every user can enter. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "nursery-keeper-"))
  chmodSync(folder, 0o755)
  temporaryFolders.push(folder)
  return folder
}

const makeCache = (): string => {
  const folder = join(tmpdir(), `nursery-keeper-test-${process.getuid?.()}`)
  try {
    mkdirSync(folder, { mode: 0o755 })
    chmodSync(folder, 0o755)
  } catch {
    // It is there, or cannot be: the next line tells.
  }
  if (existsSync(folder) && isOurs(folder)) return folder
  // Somebody else has taken the name.
  return temporaryFolder()
}

const cache = makeCache()

const sourceFolder = join(import.meta.dirname, "../src")
const testFolder = import.meta.dirname

const filesIn = (folder: string, pattern: RegExp): ReadonlyArray<string> =>
  readdirSync(folder)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name))

/** The C files of the keeper, all or those named. */
export const keeperSources = (names?: ReadonlyArray<string>): ReadonlyArray<string> =>
  filesIn(sourceFolder, /\.c$/).filter((file) => names?.some((name) => file.endsWith(`/${name}`)) ?? true)

const headers = (): ReadonlyArray<string> => [
  ...filesIn(sourceFolder, /\.h$/),
  ...["native", "unit", "fuzz"]
    .map((name) => join(testFolder, name))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => filesIn(folder, /\.h$/))
]

const LOCK_LIMIT = 120_000

const ageOf = (path: string): number => {
  try {
    return Date.now() - statSync(path).mtimeMs
  } catch {
    return 0
  }
}

/** False when another process has built it in the meantime. */
const takeLock = (path: string): boolean => {
  const lock = `${path}.lock`
  for (;;) {
    try {
      mkdirSync(lock)
      return true
    } catch {
      if (existsSync(path)) return false
      // Who died while building leaves it behind.
      if (ageOf(lock) > LOCK_LIMIT) rmSync(lock, { recursive: true, force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}

/** Builds of sources that are no more. */
const forgetOld = (name: string): void => {
  for (const file of readdirSync(cache)) {
    const path = join(cache, file)
    if (file.startsWith(`${name}-`) && ageOf(path) > 24 * 3_600_000) rmSync(path, { recursive: true, force: true })
  }
}

/** Compiles, unless that has been done, and returns the path; what the compiler says against it is thrown. */
export const compile = (name: string, compiler: string, args: ReadonlyArray<string>, files: ReadonlyArray<string>) => {
  const hash = createHash("sha256").update(JSON.stringify([compiler, args, files]))
  for (const file of [...files, ...headers()]) hash.update(readFileSync(file))
  const path = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`)
  if (existsSync(path) || !takeLock(path)) return path
  try {
    const temporary = `${path}.new`
    const { error, status, stderr } = spawnSync(compiler, [...args, "-o", temporary, ...files], { encoding: "utf8" })
    if (status !== 0) throw new Error(`${compiler} cannot build ${name}: ${error?.message ?? stderr}`)
    chmodSync(temporary, 0o755)
    renameSync(temporary, path)
    forgetOld(name)
  } finally {
    rmSync(`${path}.lock`, { recursive: true, force: true })
  }
  return path
}

const sanitize = ["-O0", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

/** The flags of the project without those that a sanitizer replaces. */
const checkedFlags = compileFlags.filter((flag) => !/^-(O|f(no-pie|stack-protector)|U_FORTIFY|D_FORTIFY)/.test(flag))

export const sanitizedFlags = [...checkedFlags, ...sanitize, `-I${sourceFolder}`]

const builtBy = (compiler: string, flags: ReadonlyArray<string>): string | undefined => {
  const result = spawnSync(compiler, [...flags, "-x", "c", "-o", "/dev/null", "-"], {
    input: "int main(void){return 0;}"
  })
  return result.status === 0 ? undefined : `${compiler} ${flags.join(" ")} does not work here`
}

/** Why something cannot be tested here. */
export class Missing {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** For the title of a test that is skipped. */
export const because = (missing: unknown): string => (missing instanceof Missing ? ` (skipped: ${missing.reason})` : "")

export const cc = which("cc") ?? which("clang") ?? which("gcc")

const nativeProgram = (name: string, files: ReadonlyArray<string>): string => {
  if (cc === undefined) throw new Error("these tests need a C compiler")
  const sources = files.map((file) => join(testFolder, "native", file))
  return compile(name, cc, ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"], sources)
}

const once = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** The compiler of the sanitized programs, once `sanitizer` has found nothing missing. */
export const compiler = (): string => {
  if (cc === undefined) throw new Error("no C compiler")
  return cc
}

/** A clang that comes with libFuzzer. */
export const libFuzzer = once((): string | Missing => {
  const clang = which("clang")
  if (clang === undefined) return new Missing("no clang")
  const source = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size){return data[size - size] == 0 && 0;}"
  const result = spawnSync(clang, [...sanitize, "-fsanitize=fuzzer", "-x", "c", "-o", "/dev/null", "-"], {
    input: source
  })
  return result.status === 0 ? clang : new Missing("clang has no libFuzzer: `apt install libclang-rt-14-dev`")
})

/** See `native/init.c`. */
export const init = once(() => nativeProgram("init", ["init.c", "owner.c"]))
/** See `native/probe.c`. */
export const probe = once(() => nativeProgram("probe", ["probe.c"]))

/** How often a process has gone to sleep so far. */
export const voluntarySwitches = (pid: number): number =>
  Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1])

const tasksOf = (uid: number): number =>
  readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/.test(name) && lstatSync(`/proc/${name}`).uid === uid ? readdirSync(`/proc/${name}/task`) : []
    } catch {
      return []
    }
  }).length

/** Whether an ordinary user may have a user namespace. */
const hasUserNamespaces = once(() => spawnSync("unshare", ["--user", "true"]).status === 0)

/**
 * For the init: room for so many processes and threads more. The limit is one of the user, so those that there are count; the ones
 * of other tests come and go meanwhile, unless a user namespace keeps them apart.
 */
export const processLimit = (more: number): ReadonlyArray<string> =>
  !isRoot && hasUserNamespaces() ? ["-n", "-l", `nproc=${more}`] : ["-l", `nproc=${tasksOf(ordinaryUser) + more}`]

/** A folder of this state of the sources alone: other checkouts of this user have other ones. */
const folderOfSources = (name: string): string => {
  const hash = createHash("sha256")
  for (const file of [...keeperSources(), ...headers()]) hash.update(readFileSync(file))
  forgetOld(name)
  return join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`)
}

/** The keeper as users get it. */
export const releaseKeeper = once((): string => {
  const result = build({ out: folderOfSources("release") })
  if (result._tag === "Failed") throw new Error(result.message)
  return result.path
})

export const sanitizer = once((): Missing | undefined => {
  if (cc === undefined) return new Missing("no C compiler")
  const problem = builtBy(cc, sanitize)
  return problem === undefined ? undefined : new Missing(problem)
})

const inNative = (name: string): string => join(testFolder, "native", name)

const checkedKeeper = (name: string, flags: ReadonlyArray<string>, files: ReadonlyArray<string>): string | Missing => {
  const missing = sanitizer()
  if (missing !== undefined) return missing
  const all = [...keeperSources(), inNative("leaks.c"), ...files]
  return compile(name, compiler(), [...sanitizedFlags, ...flags, "-Wl,--wrap=_exit", "-DNURSERY_PLAIN_FORK"], all)
}

/** Every access of memory, every leak and all undefined behaviour is an error. */
export const sanitizedKeeper = once(() => checkedKeeper("keeper-sanitized", [], []))

/** The same, and its system calls can be made to fail. */
export const faultyKeeper = once(() =>
  checkedKeeper("keeper-faulty", ["-include", inNative("faults.h")], [inNative("faults.c")])
)

/** The same as the sanitized one, as it is on a kernel before 5.14, which has no cgroup.kill. */
export const keeperWithoutKill = once(() => checkedKeeper("keeper-without-kill", ['-DKILL_FILE="cgroup.none"'], []))

export const arm64Keeper = once((): { readonly path: string; readonly emulator: string } | Missing => {
  const emulator = which("qemu-aarch64-static") ?? which("qemu-aarch64")
  if (process.arch === "arm64") return new Missing("this machine is arm64 itself")
  if (emulator === undefined) return new Missing("no qemu-aarch64-static: `apt install qemu-user-static`")
  const result = build({ arch: "arm64", out: folderOfSources("arm64") })
  if (result._tag === "Failed") return new Missing(result.message)
  return { path: result.path, emulator }
})
