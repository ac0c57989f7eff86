/**
 * A worker with a limit of time, as one would run ffmpeg: it may finish its file before it is ended for good.
 */
import { Command, Nursery, Process } from "@nursery/process"
import { Console, Effect } from "effect"

// Stands for `ffmpeg -i in.mov out.mp4`: endless work, and on SIGINT an orderly end.
const encode = Command.make({ shell: true, stop: { signal: "SIGINT", grace: "5 seconds" } })`
  trap 'echo "closing the file"; exit 0' INT
  echo "encoding"
  while :; do sleep 0.05; done
`

const program = Process.exitStatus(encode).pipe(
  Effect.timeoutOrElse({
    duration: "1 second",
    // When this runs the encoder has ended: the limit interrupts it, and that is the close of its scope.
    orElse: () => Console.log("took too long, and is gone")
  })
)

await Effect.runPromise(program.pipe(Effect.provide(Nursery.layer)))
