/**
 * The store that needs no installation: strings and lists in an SQLite file, by those of Redis's commands that the application uses.
 *
 * It answers when the change is in the file, so nothing that it has said is lost when it is killed.
 */
import { rmSync } from "node:fs"
import { createServer } from "node:net"
import { DatabaseSync } from "node:sqlite"
import { encode, makeDecoder, type Reply } from "../resp.ts"

const [, , file = "", socket = ""] = process.argv

const database = new DatabaseSync(file)
database.exec(`
  pragma journal_mode = wal;
  create table if not exists strings (key text primary key, value text not null) strict;
  create table if not exists items (id integer primary key, key text not null, value text not null) strict;
  create index if not exists items_by_key on items (key, id);
`)

const get = database.prepare("select value from strings where key = ?")
const set = database.prepare("insert into strings values (?, ?) on conflict do update set value = excluded.value")
const add = database.prepare(
  "insert into strings values (?, '1') on conflict do update set value = value + 1 returning value"
)
const push = database.prepare("insert into items (key, value) values (?, ?)")
const count = database.prepare("select count(*) as value from items where key = ?")
const first = database.prepare("select value from items where key = ? order by id limit 1")
const move = database.prepare(
  "update items set key = ?, id = (select max(id) + 1 from items) where id = (select min(id) from items where key = ?) returning value"
)
const remove = database.prepare("delete from items where id = (select min(id) from items where key = ? and value = ?)")

const textOf = (row: Record<string, unknown> | undefined): string | null =>
  row === undefined ? null : String(row["value"])

const answer = ([name = "", ...args]: ReadonlyArray<string>): Reply => {
  const [a = "", b = "", c = ""] = args
  switch (name) {
    case "PING":
      return "PONG"
    case "GET":
      return textOf(get.get(a))
    case "SET":
      set.run(a, b)
      return "OK"
    case "INCR":
      return Number(textOf(add.get(a)))
    case "RPUSH":
      push.run(a, b)
      return Number(textOf(count.get(a)))
    case "LLEN":
      return Number(textOf(count.get(a)))
    case "LINDEX": // 0
      return textOf(first.get(a))
    case "LMOVE": // LEFT RIGHT
      return textOf(move.get(b, a))
    case "LREM": // 1
      return Number(remove.run(a, c).changes)
    default:
      return new Error(`unknown command '${name}'`)
  }
}

const server = createServer((connection) => {
  const decode = makeDecoder()
  connection.on("error", () => connection.destroy())
  connection.on("data", (chunk) => {
    for (const command of decode(chunk)) {
      connection.write(encode(Array.isArray(command) ? answer(command.map(String)) : new Error("not a command")))
    }
  })
})

// One that was killed has left its file, and nobody listens there.
rmSync(socket, { force: true })
server.listen(socket)
