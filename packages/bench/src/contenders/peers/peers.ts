/**
 * The supervisors of others, set up as their users do, and where there is a choice as fast as they can be: the services' program is the
 * run script itself, without a shell before it, and nothing is logged.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Supervisor } from "../../harness/supervised.ts"

interface Peer extends Supervisor {
  /** The program that has to be on PATH, and the Debian package that brings it. */
  readonly needs: string
  readonly debian: string
}

/** `service-0001` and so on, so that every list of them is in the order of their numbers. */
const names = (services: number): ReadonlyArray<string> =>
  Array.from({ length: services }, (_, index) => `service-${String(index + 1).padStart(5, "0")}`)

/** A folder for each service with its program as `run`. */
const scanFolder = (folder: string, program: string, services: number): string => {
  const scan = join(folder, "scan")
  mkdirSync(scan)
  for (const name of names(services)) {
    mkdirSync(join(scan, name))
    symlinkSync(program, join(scan, name, "run"))
  }
  return scan
}

const otp: Peer = {
  who: "OTP",
  needs: "erlc",
  debian: "erlang-base",
  prepare: (folder, program, services) => {
    const sources = ["services.erl", "service.erl"].map((name) => join(import.meta.dirname, name))
    execFileSync("erlc", ["-o", folder, ...sources])
    const quiet = ["-kernel", "logger_level", "none"]
    const start = ["-s", "services", "start"]
    return {
      program: "erl",
      args: ["-noshell", ...quiet, "-pa", folder, ...start, "-extra", program, String(services)],
      end: "SIGTERM",
      collects: true,
      // A port that closes closes its pipes, and that is all.
      services: "leaves them"
    }
  }
}

const s6: Peer = {
  who: "s6",
  needs: "s6-svscan",
  debian: "s6",
  prepare: (folder, program, services) => ({
    program: "s6-svscan",
    args: ["-c", String(services + 100), scanFolder(folder, program, services)],
    end: "SIGTERM"
  })
}

const runit: Peer = {
  who: "runit",
  needs: "runsvdir",
  debian: "runit",
  prepare: (folder, program, services) => ({
    program: "runsvdir",
    args: ["-P", scanFolder(folder, program, services)],
    // With SIGTERM it would leave everything as it is.
    end: "SIGHUP"
  })
}

const supervisord: Peer = {
  who: "supervisord",
  needs: "supervisord",
  debian: "supervisor",
  prepare: (folder, program, services) => {
    const itself = [
      "[supervisord]",
      "nodaemon = true",
      `pidfile = ${join(folder, "pid")}`,
      "logfile = /dev/null",
      "logfile_maxbytes = 0",
      "loglevel = critical",
      `minfds = ${services * 8 + 1000}`,
      `minprocs = ${services + 100}`
    ]
    const service = (name: string) => [
      `[program:${name}]`,
      `command = ${program}`,
      "autorestart = true",
      "startsecs = 0",
      "startretries = 1000000",
      "stdout_logfile = NONE",
      "stderr_logfile = NONE"
    ]
    const configuration = join(folder, "supervisord.conf")
    writeFileSync(configuration, [...itself, ...names(services).flatMap(service), ""].join("\n"))
    return { program: "supervisord", args: ["-c", configuration], end: "SIGTERM" }
  }
}

const all: ReadonlyArray<Peer> = [otp, s6, runit, supervisord]

const isInstalled = ({ needs }: Peer): boolean => {
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${needs}`], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const version = ({ debian }: Peer): string => {
  try {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own syntax
    return execFileSync("dpkg-query", ["-W", "-f", "${Version}", debian], { encoding: "utf8" })
  } catch {
    return "of an unknown version"
  }
}

/** Those that are there. */
export const installed: ReadonlyArray<Peer> = all.filter(isInstalled)

/** What a reader has to know of them. */
export const described = (): string => {
  const present = installed.map((peer) => `${peer.who} (${peer.debian} ${version(peer)})`)
  const absent = all.filter((peer) => !installed.includes(peer)).map(({ debian }) => debian)
  return [present.join(", "), absent.length === 0 ? "" : `not installed: ${absent.join(", ")}`]
    .filter((part) => part !== "")
    .join("; ")
}
