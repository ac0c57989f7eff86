/**
 * What is said when the helpers cannot be started or were lost, and what can be done about it.
 *
 * @internal
 */
import { KeeperLost, KeeperUnavailable } from "../../ProcessError.ts"
import { VERSION } from "./frames.ts"

const rebuild = "build it again with `node build.mjs` in packages/keeper, or install the package that holds it again"

type Reason = KeeperUnavailable["reason"]

const unavailable = (reason: Reason, path: string, message: string): KeeperUnavailable =>
  new KeeperUnavailable({ reason, path, message: `cannot start the keeper ${path}: ${message}` })

export const missing = (reason: Reason, message: string): KeeperUnavailable =>
  new KeeperUnavailable({ reason, message })

export const notFound = (path: string): KeeperUnavailable => unavailable("notFound", path, "there is no such file")

export const notExecutable = (path: string): KeeperUnavailable =>
  unavailable("notExecutable", path, `it is not a file that this user may read and execute: run \`chmod 755 ${path}\``)

export const notAProgram = (path: string): KeeperUnavailable =>
  unavailable("truncated", path, `it is neither a program nor a script: ${rebuild}`)

export const otherMachine = (path: string): KeeperUnavailable =>
  unavailable("truncated", path, `it was built for another kind of machine than ${process.arch}: ${rebuild}`)

export const truncated = (path: string, size: number, expected: number): KeeperUnavailable =>
  unavailable("truncated", path, `the file is truncated (${size} of ${expected} bytes): ${rebuild}`)

export const systemRefused = (path: string, code: string): KeeperUnavailable =>
  unavailable("failed", path, `${code}: the operating system would not start it`)

export const exitedEarly = (path: string, code: number | null, signal: string | null): KeeperUnavailable => {
  const how = signal === null ? `exited with status ${code}` : `was ended by ${signal}`
  return unavailable("failed", path, `it ${how} before it was ready: ${rebuild}`)
}

export const garbage = (path: string, what: string): KeeperUnavailable =>
  unavailable("failed", path, `it does not speak the protocol of a keeper (it sent ${what}): ${rebuild}`)

export const otherVersion = (path: string, version: number): KeeperUnavailable =>
  unavailable(
    "version",
    path,
    `it speaks version ${version} of the protocol and this package version ${VERSION}: bring @nursery/keeper and @nursery/process to the same version, or ${rebuild}`
  )

export const refusedHello = (path: string, text: string): KeeperUnavailable =>
  unavailable("version", path, `it refuses to work with this package (${text}): ${rebuild}`)

export const silent = (path: string, milliseconds: number): KeeperUnavailable =>
  unavailable(
    "timeout",
    path,
    `it did not answer within ${milliseconds / 1000} s: is it a keeper, and is the machine overloaded?`
  )

const again =
  "Spawn again: a new keeper is started for it. If nobody killed it on purpose, look for the out-of-memory killer in the kernel's log"

export const keeperLost = (what: string): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message: `the keeper of this nursery was lost (${what}), and with it the status of this process; everything that it had started is being ended. ${again}`
  })

export const reaperLost = (reaper: number): KeeperLost =>
  new KeeperLost({
    helper: "reaper",
    message: `the reaper of this process (pid ${reaper}) was killed, and with it the status of the process; everything that the process had started is being ended. Spawn again. If nobody killed it on purpose, look for the out-of-memory killer in the kernel's log`
  })

export const relayLost = (relay: number): KeeperLost =>
  new KeeperLost({
    helper: "relay",
    message: `the relay of this terminal (pid ${relay}) was killed: the processes that have it got SIGHUP. Make it anew. If nobody killed it on purpose, look for the out-of-memory killer in the kernel's log`
  })

export const notStarted = (error: KeeperUnavailable): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message: `the keeper of this nursery was lost and no other could be started: ${error.message}`
  })

export const objectLost = (): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message: `the keeper that held a descriptor of this process was lost before the process could be started: make the descriptor anew. ${again}`
  })

export const heldLost = (): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message:
      "the keeper that held this descriptor was lost, and the descriptor with it: make it anew, which starts a new keeper"
  })

export const refused = (text: string): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message: `the keeper no longer knows this process (${text}), so that its status cannot be told. This is an error in Nursery: please report it`
  })

export const closed = (): KeeperLost =>
  new KeeperLost({
    helper: "keeper",
    message:
      "the nursery is closed: it starts nothing any more (spawn before its layer's scope closes), and knows nothing of what was released"
  })
