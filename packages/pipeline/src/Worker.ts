/**
 * The worker side of a pool (`WorkerPool`), for programs on Effect; and where the same is for Python and for a POSIX shell.
 */
import { Socket } from "node:net"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Codec from "./Codec.ts"
import type { DecodeError, EncodeError } from "./CodecError.ts"

/**
 * What a worker reads and writes: as the pool has it.
 *
 * @category models
 */
export interface ServeOptions<Request, Response, RequestR, ResponseR> {
  /** A Schema, for NDJSON, or a codec. */
  readonly request:
    | Codec.Codec<Request, RequestR, unknown>
    | Schema.ConstraintCodec<Request, unknown, RequestR, unknown>
  /** A Schema, for NDJSON, or a codec. */
  readonly response:
    | Codec.Codec<Response, unknown, ResponseR>
    | Schema.ConstraintCodec<Response, unknown, unknown, ResponseR>
  /** `"stdio"` by default; for a pool over pairs of sockets, which are the worker's descriptor 3, `"socketpair"`. */
  readonly transport?: "stdio" | "socketpair" | undefined
  /** How many requests are answered at a time; their answers are in order all the same. 1 by default. */
  readonly concurrency?: number | undefined
}

type Format<A, DecodeR, EncodeR> =
  | Codec.Codec<A, DecodeR, EncodeR>
  | Schema.ConstraintCodec<A, unknown, DecodeR, EncodeR>

const isCodec = <A, DecodeR, EncodeR>(
  format: Format<A, DecodeR, EncodeR>
): format is Codec.Codec<A, DecodeR, EncodeR> => !Schema.isSchema(format)

/** A Schema stands for NDJSON. */
const codecOf = <A, DecodeR, EncodeR>(format: Format<A, DecodeR, EncodeR>): Codec.Codec<A, DecodeR, EncodeR> =>
  isCodec(format) ? format : Codec.ndjson(format)

/** Waits until there is room for more. Who does not read any more ends the process, by SIGPIPE or by an error that nobody handles. */
const write = (to: NodeJS.WritableStream, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (to.write(bytes)) resume(Effect.void)
    else to.once("drain", () => resume(Effect.void))
  })

/**
 * Answers requests until there are no more. A failure is for the program to end with: the pool tries the request again, or tells of it.
 *
 * **Example** (A worker that squares numbers)
 *
 * ```ts no-run
 * import { Worker } from "@nursery/pipeline"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const square = (n: number) => Effect.succeed(n * n)
 * await Effect.runPromise(Worker.serve({ request: Schema.Finite, response: Schema.Finite }, square))
 * ```
 *
 * @category serving
 */
export const serve = <Request, Response, RequestR, ResponseR, E, R>(
  options: ServeOptions<Request, Response, RequestR, ResponseR>,
  handle: (request: Request) => Effect.Effect<Response, E, R>
): Effect.Effect<void, E | DecodeError | EncodeError, R | RequestR | ResponseR> =>
  Effect.suspend(() => {
    const socket = options.transport === "socketpair" ? new Socket({ fd: 3 }) : undefined
    const input: AsyncIterable<Uint8Array> = socket ?? process.stdin
    return Stream.fromAsyncIterable(input, (cause) => cause).pipe(
      Stream.orDie,
      Codec.decode(codecOf(options.request)),
      Stream.mapEffect((request) => handle(request), { concurrency: options.concurrency ?? 1 }),
      // An answer does not wait for those after it.
      Stream.rechunk(1),
      Codec.encode(codecOf(options.response)),
      Stream.runForEach((bytes) => write(socket ?? process.stdout, bytes)),
      Effect.ensuring(Effect.sync(() => socket?.end()))
    )
  })

const folder = new URL("../workers/", import.meta.url)

/**
 * The folder of the module `nursery_worker` for Python 3, for the `PYTHONPATH` of a worker. Its `serve` is given a function.
 *
 * @category other languages
 */
export const pythonPath: string = fileURLToPath(folder)

/**
 * The file that a worker in a POSIX shell sources. Its `nursery_serve` is given the name of a function.
 *
 * @category other languages
 */
export const shellLibrary: string = fileURLToPath(new URL("nursery_worker.sh", folder))
