/**
 * A pipeline as data, with its types forgotten: what the public functions make, what is planned and run.
 *
 * @internal
 */
import type { Command, Fd, Stdio } from "@nursery/process"
import type * as Duration from "effect/Duration"
import type * as Stream from "effect/Stream"
import type { Report } from "../Report.ts"

/** Bytes, or records of whatever type. */
export type Elements = Stream.Stream<unknown, unknown, unknown>

/** Where the first stage gets its input. */
export type Source =
  | { readonly _tag: "Stream"; readonly stream: Elements }
  | { readonly _tag: "File"; readonly file: Stdio.Read }
  | { readonly _tag: "Fd"; readonly fd: Fd.Fd<"readable" | "duplex"> }
  /** The first stage is a process, whose command says it. */
  | { readonly _tag: "Command" }

/** Where the output of the last stage goes to. */
export type Destination =
  /** Of a process where its command says, of anything else nowhere: it is read to its end. */
  | { readonly _tag: "AsIs" }
  /** To this program. */
  | { readonly _tag: "Program" }
  | { readonly _tag: "File"; readonly file: Stdio.OutputFile }
  | { readonly _tag: "Fd"; readonly fd: Fd.Fd<"writable" | "duplex"> }

export interface ProcessSpec {
  readonly _tag: "Process"
  readonly name: string
  readonly command: Command.Command
  /** What becomes of the processes that it leaves behind when it exits. */
  readonly descendants: "end" | "wait"
}

export interface TypedSpec {
  readonly _tag: "Typed"
  readonly name: string
  readonly transform: (input: Elements) => Elements
  /** It uses no chunk of bytes after it has asked for the next one, so that their memory can be used again. */
  readonly borrows: boolean
}

export type StageSpec = ProcessSpec | TypedSpec

export type Policy = "pipefail" | "last" | "all" | ((report: Report) => string | undefined)

export interface Spec {
  readonly source: Source
  readonly stages: ReadonlyArray<StageSpec>
  readonly policy: Policy
  readonly timeLimit: Duration.Input | undefined
}
