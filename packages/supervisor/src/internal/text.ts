/**
 * Names in messages.
 *
 * @internal
 */

/** A path of names as one reads it: `app/web/nginx`. What is no ordinary name is quoted. */
export const showPath = (path: ReadonlyArray<string>): string =>
  path.map((name) => (/^[\w.@:+-]+$/.test(name) ? name : JSON.stringify(name))).join("/")
