/**
 * One work, done in turn by several contenders: A B C, A B C, ..., so that whatever else the machine does meets all of them alike.
 */
import type { Arena } from "./arena.ts"
import type { Installed } from "./installed.ts"
import type { Native } from "./native.ts"

/** How much is done: `full` for figures to publish, `quick` to see whether something has become slower. */
export interface Size {
  readonly quick: boolean
  readonly rounds: number
  /** How many services a supervisor has. */
  readonly services: number
}

export interface Context {
  readonly native: Native
  readonly arena: Arena
  /** Made when it is first wanted, for that takes long. */
  readonly installed: () => Installed
  readonly size: Size
  /** Tells somebody who watches what goes on. */
  readonly progress: (text: string) => void
}

/** What Nursery has to reach: beside another contender as a ratio (Nursery's figure by the other's), or by itself. */
export interface Goal {
  readonly at: "least" | "most"
  readonly value: number
}

export interface Row {
  readonly who: string
  /** One figure for each round. */
  readonly figures: ReadonlyArray<number>
  readonly ours: boolean
  /** Of our row: of the figure itself. Of another's: of the ratio of our figure to this one. */
  readonly goal: Goal | undefined
}

export interface Measurement {
  readonly id: string
  readonly work: string
  readonly unit: string
  readonly rows: ReadonlyArray<Row>
  /** What a reader has to know to make sense of the figures. */
  readonly note: string | undefined
}

export interface Contender {
  readonly who: string
  readonly ours?: boolean
  readonly goal?: Goal
  /** One round; the figure of it. */
  readonly measure: () => Promise<number>
}

export const atLeast = (value: number): Goal => ({ at: "least", value })
export const atMost = (value: number): Goal => ({ at: "most", value })

/** The first round of everybody warms up and does not count. */
export const compete = async (
  context: Pick<Context, "size" | "progress">,
  options: {
    readonly id: string
    readonly work: string
    readonly unit: string
    readonly note?: string
    readonly rounds?: number
    readonly contenders: ReadonlyArray<Contender>
  }
): Promise<Measurement> => {
  const rounds = options.rounds ?? context.size.rounds
  const figures = options.contenders.map((): Array<number> => [])
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of options.contenders.entries()) {
      context.progress(`${options.id} ${options.work}: round ${round} of ${rounds}, ${contender.who}`)
      const figure = await contender.measure()
      if (round > 0) figures[index]?.push(figure)
    }
  }
  return {
    id: options.id,
    work: options.work,
    unit: options.unit,
    note: options.note,
    rows: options.contenders.map((contender, index) => ({
      who: contender.who,
      ours: contender.ours === true,
      goal: contender.goal,
      figures: figures[index] ?? []
    }))
  }
}
