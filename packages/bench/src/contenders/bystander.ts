/**
 * A program that does nothing: how long its event loop stops is what the machine adds to everybody's.
 */
import { stops } from "../harness/stops.ts"
import { serve } from "../harness/worker.ts"

serve(stops())
