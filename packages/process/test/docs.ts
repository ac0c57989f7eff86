/**
 * The examples of the documentation: every ```ts block of the Markdown files and of the doc comments.
 *
 * An info string may say more: "ts no-run" for a block that only has to compile, "ts no-check" for one that is not even complete, and
 * "ts needs-python3" for one that runs only where that program is installed.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"

export interface Example {
  /** Where it stands: the file, relative to the root of the workspace, and the line of its opening fence, from 1. */
  readonly file: string
  readonly line: number
  readonly code: string
  readonly run: boolean
  readonly check: boolean
  /** Programs that it runs, and that are not on every machine. */
  readonly needs: ReadonlyArray<string>
}

export const root = join(import.meta.dirname, "../../..")

const flags = ["no-run", "no-check"]

/** So many examples are one program: enough to save time, and few enough to find the one that fails. */
const AT_ONCE = 9

/**
 * The blocks of one file. In TypeScript only fences in doc comments count, where each line begins with an asterisk.
 */
export const extract = (file: string, text: string): ReadonlyArray<Example> => {
  const prefix = file.endsWith(".md") ? /^\s*/ : /^\s*\*\s?\s*/
  const examples: Array<Example> = []
  let open: { readonly line: number; readonly info: ReadonlyArray<string>; readonly margin: number } | undefined
  let code: Array<string> = []
  for (const [index, line] of text.split("\n").entries()) {
    const margin = prefix.exec(line)?.[0].length
    const fence = margin === undefined ? undefined : /^```(.*)$/.exec(line.slice(margin))?.[1]?.trim()
    if (open === undefined) {
      if (fence === undefined || margin === undefined) continue
      open = { line: index + 1, info: fence.split(/\s+/), margin }
      code = []
    } else if (fence === "") {
      const [language, ...marks] = open.info
      if (language === "ts") {
        const needs = marks.filter((mark) => mark.startsWith("needs-")).map((mark) => mark.slice("needs-".length))
        const unknown = marks.find((mark) => !flags.includes(mark) && !mark.startsWith("needs-"))
        if (unknown !== undefined) throw new Error(`${file}:${open.line}: unknown mark "${unknown}" on a code block`)
        const check = !marks.includes("no-check")
        const run = check && !marks.includes("no-run")
        examples.push({ file, line: open.line, code: code.join("\n"), run, check, needs })
      }
      open = undefined
    } else {
      // An empty line of a comment may lack the blank after its asterisk.
      code.push(line.slice(open.margin))
    }
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: a code block without an end`)
  return examples
}

const filesBelow = (folder: string, extension: string): ReadonlyArray<string> => {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(extension))
      .sort()
      .map((name) => join(folder, name))
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return []
    throw error
  }
}

export const allExamples = (): ReadonlyArray<Example> =>
  [
    ...readdirSync(root).filter((name) => name.endsWith(".md")),
    ...filesBelow("docs", ".md"),
    ...readdirSync(join(root, "packages")).flatMap((name) => filesBelow(join("packages", name, "src"), ".ts"))
  ].flatMap((file) => extract(file, readFileSync(join(root, file), "utf8")))

/** The outcome of a program: what it wrote, to either stream, and whether it exited with 0. */
export interface Outcome {
  readonly ok: boolean
  readonly output: string
}

const start = (program: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv): Promise<Outcome> =>
  new Promise((resolve) => {
    // SIGKILL, for an example that hangs may well be one that ignores SIGTERM.
    const options = { cwd, env, timeout: 100_000, killSignal: "SIGKILL", maxBuffer: 1 << 24 } as const
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      const ended = error?.killed === true ? "\n(killed after 100 seconds)" : ""
      resolve({ ok: error === null, output: `${stdout}${stderr}${ended}` })
    })
    child.stdin?.end()
  })

/** A folder outside of the workspace in which the examples are modules, and the packages are installed as at a user's. */
export class Playground {
  readonly folder: string
  readonly #places = new Map<string, Example>()
  readonly #names = new Map<Example, string>()

  constructor(examples: ReadonlyArray<Example>) {
    this.folder = mkdtempSync(join(tmpdir(), "nursery-docs-"))
    this.#installPackages()
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }')
    writeFileSync(
      join(this.folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.base.json"),
        compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
        files: examples.filter(({ check }) => check).map((example) => this.#place(example))
      })
    )
  }

  #installPackages(): void {
    const installed = join(root, "packages/process/node_modules")
    const modules = join(this.folder, "node_modules")
    mkdirSync(join(modules, "@nursery"), { recursive: true })
    for (const name of readdirSync(installed)) {
      if (!name.startsWith(".") && name !== "@nursery") symlinkSync(join(installed, name), join(modules, name))
    }
    for (const name of readdirSync(join(root, "packages"))) {
      symlinkSync(join(root, "packages", name), join(modules, "@nursery", name))
    }
  }

  /** Empty lines above keep the numbers of the lines, so that errors name them as they are in the documentation. */
  #place(example: Example): string {
    const name = `${dirname(example.file)}/${basename(example.file)}`.replaceAll(/[^A-Za-z0-9]+/g, "_")
    const file = `${name}_${example.line}.ts`
    writeFileSync(join(this.folder, file), `${"\n".repeat(example.line)}${example.code}\n`)
    this.#places.set(file, example)
    this.#names.set(example, file)
    return file
  }

  /** Compiles all of them at once and gives the errors of each. */
  async check(): Promise<ReadonlyMap<Example, string>> {
    const tsc = join(root, "node_modules/.bin/tsc")
    const { ok, output } = await start(tsc, ["--pretty", "false", "--project", this.folder], this.folder, process.env)
    const errors = new Map<Example, string>()
    let current: Example | undefined
    for (const line of output.split("\n")) {
      const match = /^([^\s(]+)(\(\d+,\d+\): .*)$/.exec(line)
      if (match !== null) current = this.#places.get(relative(this.folder, join(this.folder, match[1] ?? "")))
      if (current === undefined) continue
      const text = match === null ? line : `${current.file}${match[2]}`
      errors.set(current, `${errors.get(current) ?? ""}${text}\n`)
    }
    if (!ok && errors.size === 0) throw new Error(`the examples could not be compiled:\n${output}`)
    return errors
  }

  /** Runs one as a program of its own, with nothing on stdin. */
  run(example: Example): Promise<Outcome> {
    const file = this.#names.get(example)
    if (file === undefined) throw new Error(`${example.file}:${example.line} is not part of this playground`)
    return this.#start(file)
  }

  #start(file: string): Promise<Outcome> {
    return start(process.execPath, [join(this.folder, file)], this.folder, {
      ...process.env,
      // That of all tests where there is one.
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(this.folder, ".cache")
    })
  }

  /**
   * Runs many: as few programs, each of which does what some of them do one after the other, for most of the time of a program is the
   * loading of the same modules. Where one of these does not exit with 0, its examples are run one by one, which tells them apart.
   */
  async runAll(examples: ReadonlyArray<Example>): Promise<ReadonlyMap<Example, Outcome>> {
    const outcomes = new Map<Example, Outcome>()
    const rest = examples.slice()
    const work = async (): Promise<void> => {
      for (let some = rest.splice(0, AT_ONCE); some.length > 0; some = rest.splice(0, AT_ONCE)) {
        const together = await this.#runTogether(some)
        for (const example of some) outcomes.set(example, together.ok ? together : await this.run(example))
      }
    }
    await Promise.all([work(), work()])
    return outcomes
  }

  #runTogether(examples: ReadonlyArray<Example>): Promise<Outcome> {
    const files = examples.map((example) => this.#names.get(example) ?? "")
    const name = `together_${files[0]}`
    const lines = files.map((file) => `await import(${JSON.stringify(`./${file}`)})\n`)
    writeFileSync(join(this.folder, name), lines.join(""))
    return this.#start(name)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
