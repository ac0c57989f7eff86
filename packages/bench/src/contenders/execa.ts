/**
 * execa with its defaults.
 */
import { execa } from "execa"
import { serve } from "../harness/worker.ts"
import { inLanes, program, spawnRounds } from "./rounds.ts"

const one = async () => (await execa(program, { stdio: "ignore" })).exitCode === 0

serve(spawnRounds({ one, many: inLanes(one) }))
