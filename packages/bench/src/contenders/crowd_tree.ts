/**
 * Many processes as the children of one supervisor.
 */
import { Command } from "@nursery/process"
import { Child, Supervisor } from "@nursery/supervisor"
import { serveCrowds } from "./crowds.ts"

serveCrowds((program, count) => {
  const service = Command.make(program, [], { stdin: "null", stdout: "null", stderr: "null" })
  const children = Array.from({ length: count }, (_, index) => Child.process(`service-${index}`, service))
  const tree = Supervisor.make("services", children, { intensity: { restarts: 1_000_000, within: "1 second" } })
  return Supervisor.start(tree)
})
