/**
 * The options of probes, checked: nothing is thrown, what is wrong becomes a text for `InvalidTree`.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { HttpRequest, TcpAddress } from "../../Ready.ts"
import type { Address } from "./connect.ts"
import type { Request } from "./http.ts"

/** An option as it is used, and what is wrong with it. */
export interface Checked<A> {
  readonly value: A
  readonly problem: string | undefined
}

/** A duration that something can happen in; `fallback` where nothing or something else is said. */
export const duration = (
  option: string,
  input: Duration.Input | undefined,
  fallback: Duration.Duration
): Checked<Duration.Duration> => {
  if (input === undefined) return { value: fallback, problem: undefined }
  const value = Option.getOrUndefined(Duration.fromInput(input))
  if (value === undefined) return { value: fallback, problem: `${option} is no duration` }
  const isPositive = Duration.isPositive(value)
  return isPositive ? { value, problem: undefined } : { value: fallback, problem: `${option} has to be more than 0` }
}

export const count = (option: string, input: number | undefined, fallback: number): Checked<number> => {
  if (input === undefined) return { value: fallback, problem: undefined }
  if (Number.isInteger(input) && input > 0) return { value: input, problem: undefined }
  return { value: fallback, problem: `${option} has to be a number from 1 on` }
}

export const descriptor = (input: number): string | undefined =>
  Number.isInteger(input) && input > 2 ? undefined : `${input} is no descriptor from 3 on`

export const socketPath = (path: string): string | undefined =>
  path === "" ? "the path of its socket is empty" : undefined

/** The first that is wrong. */
export const firstProblem = (...all: ReadonlyArray<string | undefined>): string | undefined =>
  all.find((problem) => problem !== undefined)

export const tcp = (input: TcpAddress): Checked<Address & { readonly host: string; readonly port: number }> => {
  const { host = "localhost", port } = typeof input === "number" ? { port: input } : input
  const isPort = Number.isInteger(port) && port > 0 && port < 65536
  return { value: { host, port }, problem: isPort ? undefined : `${port} is no port that one can connect to` }
}

export const showTcp = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`

const nowhere = new URL("http://invalid.invalid/")

/** `2xx` and `3xx` are good where nothing is said. */
export const http = (input: string | URL | HttpRequest): Checked<Request> => {
  const options: HttpRequest = typeof input === "string" || input instanceof URL ? { url: input } : input
  const url = URL.parse(String(options.url)) ?? undefined
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:"
  const { status } = options
  const isGood = (code: number): boolean => {
    if (status === undefined) return code >= 200 && code < 400
    return typeof status === "number" ? code === status : status.includes(code)
  }
  return {
    value: {
      url: url !== undefined && isHttp ? url : nowhere,
      method: options.method ?? "GET",
      headers: options.headers ?? {},
      socketPath: options.socket,
      rejectUnauthorized: options.rejectUnauthorized ?? true,
      status: isGood,
      body: options.body
    },
    // It may hold a password: it is not shown.
    problem: isHttp ? undefined : "its url is no address of http or https"
  }
}

/** Without a password, and without a query, which may be one. */
export const showHttp = ({ url, socketPath }: Request): string => {
  const shown = `http ${url.origin}${url.pathname}`
  return socketPath === undefined ? shown : `${shown} at ${socketPath}`
}
