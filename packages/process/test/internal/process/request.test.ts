/** A command is planned once, and again only when what its plan was made from has changed. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { expect, it, onTestFinished } from "vitest"
import * as Command from "../../../src/Command.ts"
import type { Backend } from "../../../src/internal/backend.ts"
import { Slot } from "../../../src/internal/fd/slot.ts"
import { Value } from "../../../src/internal/fd/value.ts"
import type { Held } from "../../../src/internal/held.ts"
import { type Plan, plan } from "../../../src/internal/process/request.ts"
import * as Stdio from "../../../src/Stdio.ts"

const planOf = (command: Command.Command): Plan => Result.getOrThrow(plan(command, "none"))

const backend: Backend = {
  guarantees: () => {
    throw new Error("nobody asks")
  },
  spawn: () => {
    throw new Error("nothing is started")
  },
  pipe: undefined,
  close: () => {}
}

const held = (): Held => ({
  port: 0,
  lost: undefined,
  socket: undefined,
  open: () => -1,
  seal: () => {},
  drop: () => {}
})

it.each([
  ["nothing else", Command.make("true")],
  [
    "limits and numbers",
    Command.make("true", [], { limits: { core: 0 }, credentials: { user: 0, group: 0, groups: [] } })
  ],
  ["the names of a user and a group", Command.make("true", [], { credentials: { user: "root", group: "root" } })],
  ["a sandbox", Command.make("true", [], { sandbox: { read: ["/etc"], execute: [] } })]
])("is kept for a command with %s", (_, command) => {
  expect(planOf(command)).toBe(planOf(command))
})

it.each([
  ["a secret", Command.make("true", [Redacted.make("x")])],
  ["a file that is relative to the working directory", Command.make("true", [], { stdout: Stdio.append("x") })]
])("is not kept for a command with %s", (_, command) => {
  expect(planOf(command)).not.toBe(planOf(command))
})

it("is kept for an Fd until that is another thing, as the end of a pair is that this program uses", () => {
  const slot = new Slot(backend, held(), 0, "stream", "duplex", "one end of a pair of sockets")
  const fd = new Value(slot, "stream", "duplex", false)
  const commands = [Command.make("true", [], { fds: { 3: fd } }), Command.make("true", [], { activation: { fd } })]
  const first = commands.map(planOf)
  expect(commands.map(planOf)).toEqual(first)
  for (const [index, command] of commands.entries()) expect(planOf(command)).toBe(first[index])
  slot.held = held()
  for (const [index, command] of commands.entries()) {
    const { request } = planOf(command)
    expect(planOf(command)).not.toBe(first[index])
    expect(request.fds.find(({ target }) => target === 3)).toMatchObject({ kind: "held", held: slot.held })
  }
})

it("is made anew for a sandbox when the program is run by something else", () => {
  const folder = mkdtempSync(join(tmpdir(), "nursery-plan-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, "program")
  writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 })
  const command = Command.make(path, [], { sandbox: { execute: [] } })
  const files = () => planOf(command).request.setup?.flatMap((item) => (item.kind === "sandboxPath" ? [item.path] : []))
  const first = planOf(command)
  expect(files()).toContain("/bin/sh")
  expect(planOf(command)).toBe(first)
  // Another file, as whoever replaces a program makes it.
  writeFileSync(`${path}.new`, "#!/usr/bin/env perl\n", { mode: 0o755 })
  renameSync(`${path}.new`, path)
  expect(planOf(command)).not.toBe(first)
  expect(files()).toContain("/usr/bin/env")
  expect(files()).not.toContain("/bin/sh")
})
