/**
 * A library of another language as a stage: two Python programs answer what comes to it, and their failures are records as well.
 */
import { Codec, type DeadLetter, Pipeline, Worker } from "@nursery/pipeline"
import { Command, Nursery } from "@nursery/process"
import { Console, Effect, Schedule, Schema, Sink } from "effect"

const script = `
import difflib
from nursery_worker import serve

known = ["colander", "kettle", "saucepan", "spatula", "whisk"]

def suggest(word):
    if not word.isalpha():
        raise ValueError("no word: " + word)
    return {"word": word, "meant": difflib.get_close_matches(word, known)}

serve(suggest)
`
const worker = Command.make("python3", ["-c", script], {
  env: { PYTHONPATH: Worker.pythonPath }, // where nursery_worker is
  stderr: "pipe" // for the error of a worker that fails
})

const Suggestion = Schema.Struct({ word: Schema.String, meant: Schema.Array(Schema.String) })

const tellOf = ({ error, request }: DeadLetter<string>) =>
  Console.log(`${request}: no answer after ${error.attempts} attempts`)

const spelling = Pipeline.from("ketle\nspatulla\n4711\nwhisc\n").pipe(
  Pipeline.decode("words", Codec.lines()),
  Pipeline.pool("suggest", worker, {
    request: Schema.String,
    response: Suggestion,
    size: 2,
    retry: Schedule.recurs(1), // a worker that fails is replaced, and its word is tried once more
    deadLetters: Sink.forEach(tellOf)
  }),
  Pipeline.mapEffect("tell", ({ meant, word }) => Console.log(`${word}: ${meant.join(", ")}`))
)

await Effect.runPromise(Pipeline.run(spelling).pipe(Effect.provide(Nursery.layer)))
