/**
 * A socket whose other end the child holds: a Source and a Target over one handle, which is closed when both are done with it.
 *
 * @internal
 */
import type { Socket } from "node:net"
import { Source } from "./source.ts"
import { Target } from "./target.ts"

export interface DuplexOptions<E> {
  readonly socket: Socket
  readonly name: string
  readonly onError: (errno: string) => E
  readonly endOnDone?: boolean | undefined
}

export interface Duplex<E> {
  readonly source: Source<E>
  readonly target: Target<E>
  readonly close: (errno?: string) => void
}

export const make = <E>(options: DuplexOptions<E>): Duplex<E> => {
  const { socket, name, onError, endOnDone } = options
  let users = 2
  const leave = () => {
    if (--users === 0) socket.destroy()
  }
  const source = new Source<E>({ handle: socket, name, onError, release: leave })
  const target = new Target<E>({
    handle: socket,
    onError,
    endOnDone,
    release: () => {
      // The child reads end of file while it may still write.
      socket.end()
      leave()
    }
  })
  return {
    source,
    target,
    close: (errno) => {
      source.close(errno)
      target.close(errno)
      socket.destroy()
    }
  }
}
