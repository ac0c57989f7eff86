/**
 * The environment of this program, as it was last told to the keeper.
 *
 * Reading `process.env` takes about a microsecond for each variable, far more than all the rest of a spawn, so it is compared once
 * in a turn of the event loop, and sent only when it has changed. There is no cheaper way to see a change: any code may assign to
 * `process.env` at any time. What is assigned between two spawns of the same turn is seen by the next turn; a program that waits
 * for one process to start before it changes its environment for the other never meets that, and one that does not can use the
 * command's own `env`.
 *
 * @internal
 */
export class EnvironmentSnapshot {
  names: ReadonlyArray<string> = []
  values: ReadonlyArray<string> = []
  #taken = false

  /** Takes it again where something has changed since the last time, and says so. */
  refresh(): boolean {
    const env = process.env
    const names = Object.getOwnPropertyNames(env)
    if (this.#taken && this.#same(env, names)) return false
    const present: Array<string> = []
    const values: Array<string> = []
    for (const name of names) {
      const value = env[name]
      // `process.env` may have been replaced by a plain object, whose values can be anything.
      if (value === undefined || name === "" || name.includes("=")) continue
      present.push(name)
      values.push(String(value))
    }
    this.names = present
    this.values = values
    this.#taken = true
    return true
  }

  #same(env: NodeJS.ProcessEnv, names: ReadonlyArray<string>): boolean {
    if (names.length !== this.names.length) return false
    for (let index = 0; index < names.length; index++) {
      const name = names[index] ?? ""
      if (name !== this.names[index] || env[name] !== this.values[index]) return false
    }
    return true
  }
}
