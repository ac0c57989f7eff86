/**
 * Where the sides of workers for other languages are.
 *
 * @internal
 */
import { fileURLToPath } from "node:url"

/** Seen from here, and as well from where this is when it is published: `dist/internal/shared.js`. */
export const sides: string = fileURLToPath(new URL("../../workers/", import.meta.url))
