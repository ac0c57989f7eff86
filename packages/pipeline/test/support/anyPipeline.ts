/** Pipelines at random, and what is known beforehand of how each may end. */
import { Pipeline } from "@nursery/pipeline"
import { Command, type Fd, type Nursery } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Random } from "../../../process/test/support/random.ts"

type Line = Pipeline.Pipeline<Uint8Array, unknown, Nursery.Nursery, Readonly<Record<string, "process" | "typed">>>

export interface AnyPipeline {
  readonly pipeline: Line
  /** A line for people. */
  readonly text: string
  /** The stages in the order of the report. */
  readonly names: ReadonlyArray<string>
  /** Those that can fail by themselves. */
  readonly failing: ReadonlySet<string>
  /** One of them does. */
  readonly fails: boolean
  /** Its source can fail, which is no stage. */
  readonly sourceFails: boolean
  /** It ends by itself. */
  readonly ends: boolean
  /** How many bytes come out of it where it succeeds. */
  readonly size: number | undefined
}

/** What every process holds open as long as it is there. */
type Canary = Fd.Fd<"writable">

const bytes = (text: string) => new TextEncoder().encode(text)
const letter = bytes("a")
const breaks = new Uint8Array(10_000).fill(10)

/** Takes all. */
const all = (chunk: Uint8Array) => Effect.succeed(chunk)

class Builder {
  readonly #random: Random
  readonly #canary: Canary
  readonly #names: Array<string> = []
  readonly #failing = new Set<string>()
  #fails = false
  #sourceFails = false
  #text: Array<string> = []
  /** What has been said of the source and the stages until here. */
  #ends = true
  #size: number | undefined = 0

  constructor(random: Random, canary: Canary) {
    this.#random = random
    this.#canary = canary
  }

  build(): AnyPipeline {
    let pipeline = this.#source()
    for (let left = this.#random.below(6); left > 0; left--) {
      pipeline = this.#random.below(3) === 0 ? this.#typed(pipeline) : this.#process(pipeline)
    }
    return {
      pipeline,
      text: this.#text.join(" | "),
      names: this.#names,
      failing: this.#failing,
      fails: this.#fails,
      sourceFails: this.#sourceFails,
      ends: this.#ends,
      size: this.#size
    }
  }

  #name(kind: string): string {
    const name = `${this.#names.length} ${kind}`
    this.#names.push(name)
    this.#text.push(name)
    return name
  }

  command(program: string, ...args: ReadonlyArray<string>) {
    const stop = { grace: "50 millis" } as const
    const containment = this.#random.below(4) === 0 ? "group" : "tree"
    return Command.make(program, args, { stderr: "null", stop, containment, fds: { 9: this.#canary } })
  }

  #sh(script: string) {
    return this.command("/bin/sh", "-c", script)
  }

  #source(): Line {
    const count = this.#random.below(40_000)
    const sized = Array.from({ length: count }, (_, n) => `${n + 1}`.length + 1).reduce((sum, each) => sum + each, 0)
    switch (this.#random.below(8)) {
      case 0: {
        this.#ends = false
        this.#size = undefined
        return Pipeline.from(this.#name("yes"), this.command("yes"))
      }
      case 1: {
        this.#text.push("Stream")
        this.#size = count * letter.length
        return Pipeline.fromStream(Stream.range(1, count).pipe(Stream.map(() => letter)))
      }
      case 2: {
        this.#text.push("endless Stream")
        this.#ends = false
        this.#size = undefined
        return Pipeline.fromStream(Stream.forever(Stream.succeed(breaks)))
      }
      case 3: {
        this.#text.push("failing Stream")
        this.#sourceFails = true
        this.#size = undefined
        return Pipeline.fromStream(Stream.concat(Stream.make(letter), Stream.fail("source")))
      }
      case 4: {
        this.#size = sized + letter.length
        const seq = Pipeline.from(this.#name("seq"), this.command("seq", `${count}`))
        return Pipeline.merge([seq, Pipeline.from("a")])
      }
      case 5: {
        this.#size = sized
        const seq = Pipeline.from(this.#name("seq"), this.command("seq", `${count}`))
        return Pipeline.join(this.#name("join"), this.command("cat", "/dev/fd/3"), { 3: seq })
      }
      case 6: {
        const name = this.#name("fails")
        // Or it is ended by SIGPIPE.
        this.#failing.add(name)
        this.#size = undefined
        return Pipeline.from(name, this.#sh("echo half; exit 3"))
      }
      default: {
        this.#size = sized
        return Pipeline.from(this.#name("seq"), this.command("seq", `${count}`))
      }
    }
  }

  #failed(name: string): void {
    this.#failing.add(name)
    this.#fails = true
    this.#size = undefined
  }

  /** It reads a part at the most. */
  #bounds(): void {
    this.#ends = true
    this.#size = undefined
  }

  #process(line: Line): Line {
    const add = (name: string, command: ReturnType<Builder["command"]>): Line =>
      line.pipe(Pipeline.process(name, command))
    switch (this.#random.below(12)) {
      case 0: {
        this.#bounds()
        return add(this.#name("head"), this.command("head", "-n", `${1 + this.#random.below(5000)}`))
      }
      case 1: {
        this.#bounds()
        const name = this.#name("head and fail")
        this.#failed(name)
        return add(name, this.#sh(`head -n ${this.#random.below(100)}; exit 3`))
      }
      case 2: {
        const name = this.#name("cat and fail")
        this.#failed(name)
        return add(name, this.#sh("cat; exit 4"))
      }
      case 3: {
        if (this.#random.below(3) > 0) break
        const name = this.#name("missing")
        this.#bounds()
        this.#failed(name)
        return add(name, this.command("no-such-program"))
      }
      case 4: {
        this.#bounds()
        return add(this.#name("true"), this.command("true"))
      }
      case 5: {
        this.#bounds()
        return add(this.#name("closes"), this.#sh("exec <&-; echo text"))
      }
      case 6:
        return add(this.#name("leaves"), this.#sh("sleep 600 & cat"))
      case 7:
        return add(this.#name("deaf"), this.#sh("trap '' PIPE; cat; exit 0"))
      case 8:
        return add(this.#name("stubborn"), this.#sh("trap '' TERM; cat"))
    }
    return add(this.#name("cat"), this.command("cat"))
  }

  #typed(line: Line): Line {
    switch (this.#random.below(9)) {
      case 0: {
        const name = this.#name("may fail")
        this.#failing.add(name)
        let left = this.#random.below(10)
        const count = (chunk: Uint8Array) =>
          Effect.suspend(
            (): Effect.Effect<Uint8Array, string> => (left-- > 0 ? Effect.succeed(chunk) : Effect.fail("n"))
          )
        return line.pipe(Pipeline.mapEffect(name, count))
      }
      case 1: {
        this.#bounds()
        const count = 1 + this.#random.below(20)
        return line.pipe(
          Pipeline.transform(this.#name("take"), (line: Stream.Stream<Uint8Array>) => Stream.take(line, count))
        )
      }
      case 2: {
        this.#bounds()
        return line.pipe(Pipeline.transform(this.#name("ignore"), () => Stream.make(letter, letter)))
      }
      case 3:
        return line.pipe(Pipeline.tee(this.#name("tee"), Sink.forEach(all)))
      case 4: {
        const inside = this.#name("copy")
        const copy = this.#random.below(2) === 0 ? this.command("cat") : this.command("true")
        return line.pipe(
          Pipeline.tee(this.#name("tee"), (part) => part.pipe(Pipeline.process(inside, Command.stdout(copy, "null"))))
        )
      }
      case 5: {
        const fan = `${this.#names.length + 2} fan`
        for (const way of [0, 1]) this.#names.push(`${fan}/${way}/cat`)
        return line.pipe(
          Pipeline.fanOut(this.#name("fan"), { ways: 2 }, (part) =>
            part.pipe(Pipeline.process("cat", this.command("cat")))
          )
        )
      }
    }
    return line.pipe(Pipeline.map(this.#name("map"), (chunk: Uint8Array) => chunk))
  }
}

export const anyPipeline = (random: Random, canary: Canary): AnyPipeline => new Builder(random, canary).build()
