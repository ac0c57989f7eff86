/**
 * A place to start processes at, and to see that nothing of them is left.
 *
 * Three proofs are taken together: end of file of a pipe that every process inherits, for those that keep their descriptors; a mark
 * in the environment, for those that close them; and the table of processes below the helpers, for zombies.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Command from "../../src/Command.ts"
import * as Stdio from "../../src/Stdio.ts"
import { Canary, News } from "./fifo.ts"
import { actor, temporary } from "./native.ts"
import * as Proc from "./proc.ts"

/** The number of the descriptor by which processes hold the canary. */
const CANARY = 9

export type Play = Command.Command<"null", "inherit", "inherit", { readonly [CANARY]: Stdio.Append }>

let count = 0

export class Stage {
  readonly folder: string
  readonly mark: string
  readonly news: News
  readonly canary: Canary

  constructor() {
    count++
    // At most 15 characters, for the kernel shows no more of a name.
    this.mark = `n${process.pid.toString(36)}-${count.toString(36)}-${Date.now().toString(36).slice(-4)}`
    this.folder = join(temporary(), this.mark)
    mkdirSync(this.folder)
    chmodSync(this.folder, 0o777)
    this.news = new News(join(this.folder, "news"))
    this.canary = new Canary(join(this.folder, "canary"))
  }

  /** What a program on this stage needs to know. */
  get environment(): { readonly [name: string]: string } {
    return {
      NURSERY_ACTOR: actor(),
      NURSERY_NEWS: this.news.path,
      NURSERY_CANARY: this.canary.path,
      NURSERY_MARK: this.mark
    }
  }

  /** A command of the words of `actor.c`, which holds the canary. */
  play(words: string): Play {
    return Command.make(actor(), words.split(" "), {
      env: this.environment,
      fds: { [CANARY]: Stdio.append(this.canary.path) }
    })
  }

  /** Any program, on the stage as a play is. */
  command(program: string, args: ReadonlyArray<string>): Play {
    return Command.make(program, args, {
      env: this.environment,
      fds: { [CANARY]: Stdio.append(this.canary.path) }
    })
  }

  hears(...names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<number>> {
    return Effect.promise(() => this.news.hears(...names))
  }

  /** Everything that is left at this moment, described. */
  left(): ReadonlyArray<string> {
    const all = Proc.families().flatMap((family) => Proc.below(family.guard))
    return [
      ...(this.canary.isHeld() ? ["somebody who holds the canary"] : []),
      ...Proc.show(Proc.marked(this.mark)),
      ...Proc.show(all.filter((entry) => !Proc.isHelper(entry)))
    ]
  }

  /** Ends what a test that failed has left. */
  close(): void {
    for (const { pid } of Proc.marked(this.mark)) Proc.kill(pid)
    this.news.close()
    this.canary.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export const make: Effect.Effect<Stage, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Stage()),
  (stage) => Effect.sync(() => stage.close())
)
