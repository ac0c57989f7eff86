/**
 * A program that insists on a terminal, and a dialogue with it.
 */
import { Command, Expect, Fd, Nursery, Process } from "@nursery/process"
import { Console, Effect, Redacted } from "effect"

// Stands for a program that insists on a terminal.
const login = `
  printf "login: "; read user
  stty -echo; printf "password: "; read password; stty echo; echo
  [ "$password" = secret ] && echo "welcome, $user" || echo "login incorrect"
`

const program = Effect.gen(function* () {
  const pty = yield* Fd.pty()
  yield* Process.spawn(Command.make("sh", ["-c", login], { stdin: pty, stdout: pty, stderr: pty }))
  const dialogue = yield* Expect.dialogue(pty, { timeout: "10 seconds" })
  yield* dialogue.until("login: ")
  yield* dialogue.send("ada\r")
  yield* dialogue.until("password: ")
  yield* dialogue.send(Redacted.make("secret\r"))
  const answer = yield* dialogue.until({ welcome: /welcome, (?<user>\w+)/, refused: "incorrect" })
  if (answer.pattern === "welcome") yield* Console.log("logged in:", answer.groups["user"])
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(Nursery.layer)))
