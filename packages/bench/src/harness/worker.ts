/**
 * A contender that lives in a Node of its own for all of its rounds, so that it is warm and has no other's heap or handles.
 *
 * `Worker` is the side of the benchmark, `serve` that of the contender. A round is a name and numbers, its result is numbers.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"

export type Round = (...parameters: ReadonlyArray<number>) => Promise<ReadonlyArray<number>>

const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((item) => typeof item === "number")

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Object.entries(value).find(([key]) => key === name)?.[1] : undefined

/** Answers the rounds that a `Worker` asks for, until it has no more. */
export const serve = (rounds: Readonly<Record<string, Round>>, close: () => Promise<void> = async () => {}): void => {
  const answer = async (message: unknown) => {
    const name = field(message, "round")
    if (name === "close") {
      await close()
      process.disconnect()
      return
    }
    const parameters = field(message, "parameters")
    const round = typeof name === "string" ? rounds[name] : undefined
    if (round === undefined || !isNumbers(parameters)) throw new Error(`no such round: ${JSON.stringify(message)}`)
    process.send?.({ result: await round(...parameters) })
  }
  process.on("message", (message) => {
    answer(message).catch((error) => {
      console.error(error)
      process.exit(1)
    })
  })
}

export class Worker {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Starts a file of `contenders`. */
  static start(
    file: string,
    args: ReadonlyArray<string>,
    nodeOptions: ReadonlyArray<string> = [],
    env: Readonly<Record<string, string>> = {}
  ): Worker {
    const path = join(import.meta.dirname, "..", "contenders", file)
    return new Worker(fork(path, [...args], { execArgv: [...nodeOptions], env: { ...process.env, ...env } }))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async round(name: string, ...parameters: ReadonlyArray<number>): Promise<ReadonlyArray<number>> {
    const result = field(await this.#ask({ round: name, parameters }), "result")
    if (!isNumbers(result)) throw new Error(`the round ${name} gave no numbers`)
    return result
  }

  /** Lets it end by itself, and makes sure that it did so in good order. */
  async close(): Promise<void> {
    this.#child.send({ round: "close" })
    const [code, signal]: ReadonlyArray<unknown> = await once(this.#child, "exit")
    if (code !== 0) throw new Error(`a contender ended with ${code ?? signal}`)
  }

  #ask(message: { readonly round: string; readonly parameters: ReadonlyArray<number> }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onMessage = (reply: unknown) => {
        this.#child.off("exit", onExit)
        resolve(reply)
      }
      const onExit = (code: number | null, signal: string | null) => {
        this.#child.off("message", onMessage)
        reject(new Error(`a contender died in round ${message.round} with ${code ?? signal}`))
      }
      this.#child.once("message", onMessage)
      this.#child.once("exit", onExit)
      this.#child.send(message)
    })
  }
}
