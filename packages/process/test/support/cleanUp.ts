/** Runs in each test file's process. That is killed when it is done, and hears nothing of its exit. */
import { flushCompileCache } from "node:module"
import { afterAll } from "vitest"
import { removeTemporary } from "./native.ts"

afterAll(removeTemporary)
// What Node does at the exit, where there is one: other processes load the same modules. Without a folder for it nothing happens.
afterAll(() => flushCompileCache())
