/**
 * `node:child_process` as it is.
 */
import { spawn } from "node:child_process"
import { serve } from "../harness/worker.ts"
import { producer, timed } from "./flows.ts"
import { keepHeap } from "./heap.ts"
import { inLanes, program, spawnRounds } from "./rounds.ts"

const one = () =>
  new Promise<boolean>((resolve, reject) => {
    const child = spawn(program, { stdio: "ignore" })
    child.on("error", reject)
    child.on("close", (code) => resolve(code === 0))
  })

const read = (bytes: number, block: number) =>
  new Promise<number>((resolve, reject) => {
    const child = spawn(producer, [String(bytes), String(block)], { stdio: ["ignore", "pipe", "inherit"] })
    let got = 0
    child.stdout.on("data", (chunk: Buffer) => {
      got += chunk.length
    })
    child.on("error", reject)
    child.on("close", (code) => (code === 0 ? resolve(got) : reject(new Error(`the producer ended with ${code}`))))
  })

keepHeap()
serve({ ...spawnRounds({ one, many: inLanes(one) }), read: timed(read) })
