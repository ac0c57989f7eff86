/** Runs in each test file's process. That is killed when it is done, and hears nothing of its exit. */
import { afterAll } from "vitest"
import { removeTemporary } from "./native.ts"

afterAll(removeTemporary)
