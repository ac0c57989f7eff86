/**
 * A spawn for the backend's own ends: with nothing of this program, and with nothing that it inherits.
 *
 * @internal
 */
import type { Level, SpawnRequest } from "./backend.ts"

export const bareRequest = (
  program: string,
  argv: ReadonlyArray<string>,
  level: Level,
  more?: Partial<Pick<SpawnRequest, "fds" | "setup">>
): SpawnRequest => ({
  program,
  argv,
  searchPath: "",
  cwd: "/",
  clearEnv: true,
  env: [],
  level,
  session: "new",
  stop: { signal: 0, reach: "tree", grace: undefined, linger: undefined },
  umask: undefined,
  fds: [],
  shellFallback: false,
  groupOnFailure: false,
  ...more
})
