/** A tree as it is known to those who hear its events, and nothing else; and as its snapshots have it. */
import type { ChildExit } from "../../src/ChildExit.ts"
import type { Snapshot, Status, SupervisorEvent } from "../../src/SupervisorEvent.ts"

export interface Standing {
  readonly status: Status
  readonly incarnation: number
  readonly lastExit: ChildExit | undefined
}

/** What is known to somebody who has heard the events, and nothing else. */
export class Hearsay {
  readonly children = new Map<string, Standing>()
  state: Snapshot["state"] = "starting"

  hear(event: SupervisorEvent): void {
    switch (event._tag) {
      case "Changed":
        this.#set(event, { incarnation: event.incarnation, status: event.status })
        break
      case "Exited":
        this.#set(event, { lastExit: event.exit })
        break
      case "Removed":
        this.children.delete([...event.path, event.child].join("/"))
        break
      case "TreeReady":
        if (event.path.length === 1) this.state = "ready"
        break
      case "TreeStopping":
        if (event.path.length === 1) this.state = "stopping"
        break
      case "TreeEnded": {
        if (event.path.length === 1) this.state = "ended"
        // A tree in a tree is another one when it is started again.
        const below = `${event.path.join("/")}/`
        if (event.path.length === 1) break
        for (const key of this.children.keys()) if (key.startsWith(below)) this.children.delete(key)
        break
      }
      default:
        break
    }
  }

  #set(event: { readonly path: ReadonlyArray<string>; readonly child: string }, change: Partial<Standing>): void {
    const key = [...event.path, event.child].join("/")
    this.children.set(key, { ...(this.children.get(key) ?? unknown), ...change })
  }
}

/** As a child stands that nothing has been told of. */
export const unknown: Standing = { status: "waiting", incarnation: 0, lastExit: undefined }

export const standings = (snapshot: Snapshot): ReadonlyArray<readonly [string, Standing]> =>
  snapshot.children.flatMap(({ incarnation, lastExit, name, status, tree }) => [
    [[...snapshot.path, name].join("/"), { incarnation, lastExit, status }] as const,
    ...(tree === undefined ? [] : standings(tree))
  ])
