/**
 * The one door to `effect/process`, which is marked unstable: words and quoting of command lines, and the commands to translate.
 *
 * @internal
 */

import type * as ChildProcess from "effect/process/ChildProcess"
import * as CommandLine from "effect/process/CommandLine"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

/** One argument: a string, or a secret one that is never shown. */
export type Word = CommandLine.Word

/** A value inside `${}` of a template. */
export type TemplateExpression = CommandLine.TemplateExpression

/** A command of `effect/process`. */
export type StandardCommand = ChildProcess.StandardCommand

/** The options of a command of `effect/process`. */
export type CommandOptions = ChildProcess.CommandOptions

/** A further descriptor of a command of `effect/process`. */
export type AdditionalFd = ChildProcess.AdditionalFdConfig

/** Splits a template into program and arguments; throws `CommandLineError` where the text would need a shell. */
export const parseTemplate = (
  strings: TemplateStringsArray,
  expressions: ReadonlyArray<TemplateExpression>
): readonly [program: string, args: ReadonlyArray<Word>] => {
  const [program = "", ...args] = Result.getOrThrow(CommandLine.template(strings, ...expressions))
  if (Redacted.isRedacted(program)) {
    throw new CommandLine.CommandLineError({
      reason: "InvalidArgument",
      message: "the program of a command cannot be Redacted"
    })
  }
  return [program, args]
}

/** The script of a template used with the option `shell`; throws `CommandLineError` for values, whose quoting depends on the shell. */
export const parseScript = (strings: TemplateStringsArray, expressions: ReadonlyArray<TemplateExpression>): string => {
  if (expressions.length > 0) {
    throw new CommandLine.CommandLineError({
      reason: "UnsupportedSyntax",
      message: "a script for a shell takes no values: pass them through env, or build the script with CommandLine.quote"
    })
  }
  const [script] = strings
  if (script === undefined) {
    throw new CommandLine.CommandLineError({
      reason: "InvalidEscape",
      message: "the script contains an invalid escape sequence"
    })
  }
  return script
}

/** The words as a line for people, quoted for a POSIX shell; secrets as `<redacted>`, control characters as escapes. */
export const display = (words: ReadonlyArray<Word>): string => CommandLine.display(words)
