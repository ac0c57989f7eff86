/**
 * Services as the children of one supervisor. Any number of restarts is right: they are what is measured.
 */
import { Command, Nursery } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import * as Effect from "effect/Effect"
import { untilAsked } from "./until_asked.ts"

const [, , program = "", services] = process.argv

const service = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
const children = Array.from({ length: Number(services) }, (_, index) => Child.process(`service-${index}`, service))
const tree = Supervisor.make("services", children, { intensity: { restarts: 1_000_000, within: "1 second" } })

untilAsked(Effect.provide(Supervisor.run(tree), Nursery.layer))
