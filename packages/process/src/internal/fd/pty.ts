/**
 * Pseudo-terminals. Public as `Fd.pty`.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { Fd } from "../../Fd.ts"
import { DescriptorGone, FdError } from "../../FdError.ts"
import type { Nursery } from "../../Nursery.ts"
import { InvalidArgument, type KeeperLost, Unsupported } from "../../ProcessError.ts"
import type { Backend } from "../backend.ts"
import type { Held, HeldFailure, HeldPty } from "../held.ts"
import { Source } from "../streams/source.ts"
import { Target } from "../streams/target.ts"
import { backendOf, failed, hold } from "./make.ts"
import { Slot } from "./slot.ts"
import { Value } from "./value.ts"

/**
 * How a terminal is at first.
 *
 * @category models
 */
export interface PtyOptions {
  /** How many characters a line has, from 1 to 65535; 80 by default. */
  readonly columns?: number | undefined
  /** How many lines there are, from 1 to 65535; 24 by default. */
  readonly rows?: number | undefined
  /** Whether what is typed is shown; `true` by default. Programs turn it off by themselves where they ask for a password. */
  readonly echo?: boolean | undefined
  /**
   * Whether bytes pass as they are (`cfmakeraw(3)`): no lines, no echo, no Ctrl-C, no line feed that becomes two characters. `false` by
   * default; programs that draw on the whole screen set it by themselves.
   */
  readonly raw?: boolean | undefined
}

/**
 * A pseudo-terminal. As an Fd it is its terminal, for the processes that use it; the rest is this program's side: what a person would
 * see and type.
 *
 * @category models
 */
export interface Pty extends Fd<"duplex", "terminal"> {
  /** Its name in the file system, such as `/dev/pts/3`. */
  readonly path: string
  /**
   * What the terminal shows, escape sequences and all. It has one consumer. Without one the processes wait as soon as about 200 KiB
   * have been written. When its consumer is done, the rest is thrown away, and the processes go on.
   *
   * It ends when no process has the terminal any more and neither has the keeper: when the scope closes, or before where it was given
   * away (`Fd.give`, `Fd.close`). Nothing that was written before is lost. `KeeperLost` where a helper was killed.
   */
  readonly output: Stream.Stream<Uint8Array, FdError | KeeperLost>
  /**
   * Types. It can be used again and again, and does not close anything: the end of input is a character too, Ctrl-D (`"\x04"`), as
   * Ctrl-C is (`"\x03"`) and the Enter key (`"\r"`). Who writes waits while the processes do not read.
   */
  readonly input: Sink.Sink<void, Uint8Array, never, FdError | KeeperLost>
  /** Changes its size. The foreground process group gets SIGWINCH when it is another one. */
  readonly resize: (columns: number, rows: number) => Effect.Effect<void, FdError | KeeperLost>
}

type Failure = FdError | KeeperLost

const isSize = (value: unknown): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 0xffff

const sizeProblem = (columns: number, rows: number): InvalidArgument | undefined => {
  const option = isSize(columns) ? (isSize(rows) ? undefined : "rows") : "columns"
  return option === undefined
    ? undefined
    : new InvalidArgument({ option, problem: "is no size of a terminal: an integer from 1 to 65535" })
}

const hungUp = "no process has this terminal any more, or its scope has closed: make another one"

class Terminal extends Value<"duplex", "terminal"> implements Pty {
  readonly path: string
  readonly output: Pty["output"]
  readonly input: Pty["input"]
  readonly #pty: HeldPty
  readonly #source: Source<Failure>
  readonly #target: Target<Failure>

  constructor(backend: Backend, held: Held, pty: HeldPty) {
    const path = `/dev/pts/${pty.number}`
    super(new Slot(backend, held, 0, "terminal", "duplex", `the terminal ${path}`), "terminal", "duplex", false)
    this.path = path
    this.#pty = pty
    this.#source = new Source<Failure>({
      handle: pty.output,
      name: `the output of ${path}`,
      onError: (errno) => this.#gone(`read ${path}`, errno),
      ending: Effect.callback<void, Failure>((resume) => {
        pty.onHangup((lost) => resume(lost === undefined ? Effect.void : Effect.fail(lost)))
      })
    })
    this.#target = new Target<Failure>({
      handle: pty.input,
      onError: (errno) => held.lost ?? this.#gone(`write to ${path}`, errno),
      endOnDone: false
    })
    this.output = this.#source.stream
    this.input = this.#target.sink
  }

  readonly resize = (columns: number, rows: number): Effect.Effect<void, Failure> =>
    Effect.callback<void, Failure>((resume) => {
      const operation = `resize ${this.path}`
      const problem = sizeProblem(columns, rows)
      if (problem !== undefined) {
        resume(Effect.fail(failed(problem, operation)))
        return
      }
      this.#pty.resize(columns, rows, (result: HeldFailure | KeeperLost | undefined) => {
        if (result === undefined) resume(Effect.void)
        else resume(Effect.fail("errno" in result ? this.#gone(operation) : result))
      })
    })

  /** The processes that still have it get SIGHUP. */
  close(): void {
    this.#source.close()
    this.#target.close()
    this.slot.close()
    this.slot.held.drop()
  }

  #gone(operation: string, errno?: string): FdError {
    const reason = new DescriptorGone({ problem: hungUp })
    return new FdError({ reason, operation, step: "use", ...(errno === undefined ? undefined : { errno }) })
  }
}

/**
 * A pseudo-terminal (`pty(7)`): for programs that want to talk to a person, such as shells, editors and whatever asks for a password.
 * Processes get its terminal as `stdin`, `stdout` and `stderr`; this program reads `output`, writes `input` and can `resize`.
 *
 * **Details**
 *
 * A process with the terminal as its `stdin` leads a new session whose controlling terminal it becomes (the option
 * `controllingTerminal`): Ctrl-C reaches its foreground process group, and the job control of a shell works. The terminal survives
 * the processes that use it one after the other, until the scope closes; then those that still have it get SIGHUP.
 *
 * A helper carries the bytes, in both directions and with back-pressure in both. Expect waits for what a program says.
 *
 * **Gotchas**
 *
 * - What is typed is shown, as long as the terminal echoes: `output` has both. Line feeds come as `"\r\n"`.
 * - While the keeper holds the terminal, `output` goes on when its process has ended. `Fd.give` makes it end with the process.
 * - Until a program reads single characters, a line of input has 4095 bytes at most; the kernel drops the rest.
 *
 * **Example** (What a program says to a person)
 *
 * ```ts
 * import { Command, Fd, Nursery, Process } from "@nursery/process"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import assert from "node:assert/strict"
 *
 * const program = Effect.gen(function* () {
 *   const pty = yield* Fd.pty({ columns: 132, rows: 50 })
 *   const terminal = Fd.give(pty)
 *   const script = "tty -s && stty size"
 *   yield* Process.spawn(Command.make("sh", ["-c", script], { stdin: terminal, stdout: terminal, stderr: terminal }))
 *   return yield* pty.output.pipe(Stream.decodeText, Stream.mkString)
 * }).pipe(Effect.scoped)
 *
 * assert.equal(await Effect.runPromise(Effect.provide(program, Nursery.layer)), "50 132\r\n")
 * ```
 *
 * @category constructors
 */
export const pty = (options: PtyOptions = {}): Effect.Effect<Pty, FdError | KeeperLost, Nursery | Scope.Scope> => {
  const { columns = 80, rows = 24, echo = true, raw = false } = options
  const operation = "make a pseudo-terminal"
  const problem = sizeProblem(columns, rows)
  if (problem !== undefined) return Effect.fail(failed(problem, operation))
  const request = { kind: "pty", columns, rows, raw, echo } as const
  const acquire = Effect.flatMap(backendOf, (backend) =>
    Effect.flatMap(hold(backend, request, operation), (held) =>
      held.pty === undefined
        ? Effect.fail(failed(new Unsupported({ feature: "Fd.pty", problem: "nothing here has terminals" }), operation))
        : Effect.succeed(new Terminal(backend, held, held.pty))
    )
  )
  return Effect.acquireRelease(acquire, (made) => Effect.sync(() => made.close()))
}
