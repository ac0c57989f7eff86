/**
 * Lines as a program writes them. The program runs as long as somebody reads.
 */
import { Command, Nursery, Process } from "@nursery/process"
import { Console, Effect, Stream } from "effect"

// Would never end by itself.
const log = Command.make({
  shell: true
})`i=0; while :; do i=$((i + 1)); echo "request $i took $((i * 7 % 10)) ms"; done`

const slow = Process.lines(log).pipe(
  Stream.filter((line) => line.endsWith(" 9 ms")),
  Stream.take(3) // and then the program is ended
)

await Effect.runPromise(Stream.runForEach(slow, Console.log).pipe(Effect.provide(Nursery.layer)))
