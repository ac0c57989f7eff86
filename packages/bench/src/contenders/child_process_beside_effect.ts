/**
 * `node:child_process` in a program that uses Effect for something else: with the same heap as the contenders that are Effects.
 */
import "@effect/platform-node/NodeServices"
import "effect/Effect"
import "effect/Stream"
import "./child_process.ts"
