/**
 * The three ways to write a command.
 *
 * @internal
 */
import type { Command } from "../../Command.ts"
import * as CommandLine from "../commandLine.ts"
import type { Options, Word } from "./options.ts"
import { defaults, make as makeValue } from "./value.ts"

type Values = ReadonlyArray<CommandLine.TemplateExpression>

// The overloads of `Command.make` give each stream the default of its type parameter exactly where its option is missing, which
// the compiler cannot follow in here.
type Unchecked = Command<never, never, never, never>

const withOptions = (program: string, args: ReadonlyArray<Word>, options: Options): Unchecked =>
  makeValue({
    program,
    args,
    cwd: options.cwd,
    env: options.env ?? defaults.env,
    clearEnv: options.clearEnv ?? defaults.clearEnv,
    shell: options.shell ?? defaults.shell,
    stdin: options.stdin ?? defaults.stdin,
    stdout: options.stdout ?? defaults.stdout,
    stderr: options.stderr ?? defaults.stderr,
    fds: options.fds ?? defaults.fds,
    stop: options.stop ?? defaults.stop,
    successCodes: options.successCodes ?? defaults.successCodes,
    containment: options.containment ?? defaults.containment,
    umask: options.umask,
    session: options.session ?? defaults.session,
    controllingTerminal: options.controllingTerminal,
    foreground: options.foreground ?? defaults.foreground,
    namespaces: options.namespaces,
    notify: options.notify ?? defaults.notify,
    limits: options.limits ?? defaults.limits,
    credentials: options.credentials,
    priority: options.priority,
    affinity: options.affinity,
    oomScoreAdjust: options.oomScoreAdjust,
    sandbox: options.sandbox,
    seccomp: options.seccomp,
    activation: options.activation,
    fdStore: options.fdStore
  }) as Unchecked

const fromTemplate = (options: Options, strings: TemplateStringsArray, values: Values): Unchecked => {
  if (options.shell !== undefined && options.shell !== false) {
    return withOptions(CommandLine.parseScript(strings, values), [], options)
  }
  const [program, args] = CommandLine.parseTemplate(strings, values)
  return withOptions(program, args, options)
}

const noOptions: Options = {}

export function make(strings: TemplateStringsArray, ...values: Values): Unchecked
export function make(options: Options): (strings: TemplateStringsArray, ...values: Values) => Unchecked
export function make(program: string, args?: ReadonlyArray<Word>, options?: Options): Unchecked
// What follows the first argument is what the overload with that first argument says.
export function make(first: TemplateStringsArray | Options | string, ...rest: ReadonlyArray<unknown>): unknown {
  if (typeof first === "string") {
    const [args = [], options = noOptions] = rest as readonly [ReadonlyArray<Word>?, Options?]
    return withOptions(first, args, options)
  }
  if ("raw" in first) return fromTemplate(noOptions, first, rest as Values)
  return (strings: TemplateStringsArray, ...values: Values) => fromTemplate(first, strings, values)
}
