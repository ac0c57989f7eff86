/** Records between processes: read, written, and bad. */
import { expect } from "@effect/vitest"
import { type BadRecord, Codec, Pipeline } from "@nursery/pipeline"
import { Command } from "@nursery/process"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { onEveryWay, sh } from "../support/setup.ts"

const Event = Schema.Struct({ id: Schema.Int, name: Schema.String })
const events = Codec.ndjson(Event)

onEveryWay("records", (it) => {
  it.effect("go from one process to another", () =>
    Effect.gen(function* () {
      const script = `seq 20000 | sed 's/.*/{"id":&,"name":"event &"}/'`
      const pipeline = Pipeline.from("events", sh(script)).pipe(
        Pipeline.decode("decode", events),
        Pipeline.filter("even", ({ id }) => id % 2 === 0),
        Pipeline.map("name", ({ id, name }) => ({ id: id * 10, name: name.toUpperCase() })),
        Pipeline.encode("encode", events),
        Pipeline.process("tail", Command.make`tail -n 1`)
      )
      const { report, value } = yield* pipeline.pipe(Pipeline.toSink(Sink.collect<Uint8Array>()))
      expect(Buffer.concat(value).toString()).toBe('{"id":200000,"name":"EVENT 20000"}\n')
      expect(report.stages.decode).toMatchObject({ recordsIn: undefined, recordsOut: 20_000 })
      expect(report.stages.encode).toMatchObject({ recordsIn: 10_000, recordsOut: undefined })
      expect(report.stages.encode.bytesOut).toBe(report.stages.tail.bytesIn)
      expect(report.stages.events.bytesOut).toBe(report.stages.decode.bytesIn)
    })
  )

  it.effect("are typed errors where they are bad, with the stage, the record and its place", () =>
    Effect.gen(function* () {
      const bad = (text: string, options?: { readonly maxRecordSize: number }) =>
        Pipeline.from(text).pipe(Pipeline.decode("events", events, options), Pipeline.run, Effect.flip)
      const good = '{"id":1,"name":"a"}\n'
      expect(yield* bad(`${good}{"id":"x","name":"b"}\n`)).toMatchObject({
        stage: "events",
        error: { _tag: "DecodeError", record: 2, offset: 20, reason: { _tag: "SchemaMismatch" } }
      })
      expect(yield* bad(`${good}${good}{"id"`)).toMatchObject({ error: { record: 3, offset: 40 } })
      expect(yield* bad(`${good}${"x".repeat(100)}`, { maxRecordSize: 50 })).toMatchObject({
        error: { record: 2, reason: { _tag: "RecordTooLarge" } }
      })
      const none = yield* Pipeline.from("").pipe(Pipeline.decode("events", events), Pipeline.collect)
      expect(none).toEqual([])
    })
  )

  it.effect("are blamed on the process that died while it wrote them, not on the one that reads", () =>
    Effect.gen(function* () {
      const error = yield* Pipeline.from("export", sh(`printf '{"id":1,"name":"a"}\\n{"id":2,'; kill -KILL $$`)).pipe(
        Pipeline.decode("events", events),
        Pipeline.run,
        Effect.flip
      )
      expect(error).toMatchObject({ stage: "export", error: { status: { signal: "SIGKILL" } } })
    })
  )

  it.effect("go elsewhere where they are bad, as asked", () =>
    Effect.gen(function* () {
      const bad: Array<BadRecord> = []
      const keep = (record: BadRecord) => Effect.sync(() => bad.push(record))
      const good = yield* Pipeline.from('{"id":1,"name":"a"}\nnonsense\n{"id":3,"name":"c"}\n').pipe(
        Pipeline.decode("events", events, { deadLetters: Sink.forEach(keep) }),
        Pipeline.collect
      )
      expect(good.map(({ id }) => id)).toEqual([1, 3])
      expect(bad.map(({ error }) => [error.record, error.offset])).toEqual([[2, 20]])
    })
  )

  it.effect("cannot be written where they have no form", () =>
    Effect.gen(function* () {
      const error = yield* Pipeline.fromStream(Stream.make("a", "b\nc")).pipe(
        Pipeline.encode("lines", Codec.lines()),
        Pipeline.process("cat", Command.make("cat")),
        Pipeline.run,
        Effect.flip
      )
      expect(error).toMatchObject({ stage: "lines", error: { _tag: "EncodeError", record: 2 } })
    })
  )

  it.effect("are whole, however the bytes come, whose memory is used again", () =>
    Effect.gen(function* () {
      // Larger than what one read takes, and cut anywhere.
      const script = `for i in 1 2 3 4 5 6 7 8 9; do head -c 3333$i /dev/zero | tr '\\0' $i; echo; done`
      const lines = yield* Pipeline.from("lines", sh(script)).pipe(
        Pipeline.decode("decode", Codec.lines()),
        Pipeline.collect
      )
      expect(lines).toEqual(Array.from({ length: 9 }, (_, i) => `${i + 1}`.repeat(Number(`3333${i + 1}`))))
      const chunks = yield* Pipeline.from("lines", sh(script)).pipe(
        Pipeline.decode("bytes", Codec.bytes),
        Pipeline.collect
      )
      expect(Buffer.concat(chunks).toString()).toBe(`${lines.join("\n")}\n`)
    })
  )
})
