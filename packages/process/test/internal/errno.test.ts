import { constants } from "node:os"
import { expect, it } from "vitest"
import * as Errno from "../../src/internal/errno.ts"

it.runIf(process.platform === "linux")("names the error numbers as this system does", () => {
  // Second names of EAGAIN and EOPNOTSUPP.
  const seconds = ["EWOULDBLOCK", "ENOTSUP"]
  const known = Object.entries(constants.errno).filter(([name]) => !seconds.includes(name))
  expect(known.length).toBeGreaterThan(70)
  expect(known.map(([name, number]) => [name, number, Errno.fromNumber(number)])).toEqual(
    known.map(([name, number]) => [name, number, name])
  )
  expect(known.map(([name]) => [name, Errno.toNumber(name)])).toEqual(known)
})

it("has all of Linux's numbers but the two that nobody uses", () => {
  const numbers = Array.from({ length: 133 }, (_, i) => i + 1)
  expect(numbers.filter((number) => Errno.fromNumber(number) === `errno ${number}`)).toEqual([41, 58])
  expect(numbers.every((number) => Errno.describe(Errno.fromNumber(number)) !== "")).toBe(true)
})

it("describes an error by its name", () => {
  expect(Errno.describe("ENOENT")).toBe("no such file or directory")
  expect(Errno.describe("EOTHER")).toBe("EOTHER")
  expect(Errno.fromNumber(4000)).toBe("errno 4000")
  expect(Errno.toNumber("EOTHER")).toBeUndefined()
})
