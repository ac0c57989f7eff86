/**
 * A connection to the store, for the server, the workers and the Effects of the application.
 */
import { connect, type Socket } from "node:net"
import { encode, makeDecoder, type Reply } from "./resp.ts"

export interface Client {
  /** Fails while the store is away, and connects again with the next call. */
  readonly call: (...command: ReadonlyArray<string>) => Promise<Reply>
  readonly close: () => void
}

interface Waiter {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

export const makeClient = (path: string): Client => {
  let socket: Socket | undefined
  let waiting: Array<Waiter> = []

  const open = (): Socket => {
    const opened = connect(path)
    const decode = makeDecoder()
    opened.on("data", (chunk) => {
      // Replies come in the order of the commands.
      for (const reply of decode(chunk)) {
        const waiter = waiting.shift()
        if (reply instanceof Error) waiter?.reject(reply)
        else waiter?.resolve(reply)
      }
    })
    const lost = () => {
      if (socket !== opened) return
      socket = undefined
      const left = waiting
      waiting = []
      for (const { reject } of left) reject(new Error("the store is away"))
    }
    return opened.on("error", lost).on("close", lost)
  }

  return {
    call: (...command) =>
      new Promise((resolve, reject) => {
        socket ??= open()
        waiting.push({ resolve, reject })
        socket.write(encode(command))
      }),
    close: () => socket?.destroy()
  }
}
