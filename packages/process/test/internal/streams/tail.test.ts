import { expect, it } from "vitest"
import { Tail } from "../../../src/internal/streams/tail.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

it("is empty before anything has come", () => {
  expect(new Tail().text()).toBe("")
})

it("keeps all of what is little", () => {
  const tail = new Tail(8)
  tail.push(bytes("abc"))
  tail.push(bytes("def"))
  expect(tail.text()).toBe("abcdef")
})

it("keeps the last bytes of what is much, however it comes", () => {
  const all = Array.from({ length: 200 }, (_, i) => `${i},`).join("")
  for (const step of [1, 2, 3, 7, 8, 9, 100, all.length]) {
    const tail = new Tail(8)
    for (let at = 0; at < all.length; at += step) tail.push(bytes(all.slice(at, at + step)))
    expect(tail.text()).toBe(all.slice(-8))
  }
})

it("is full with exactly as much as it keeps", () => {
  const tail = new Tail(4)
  tail.push(bytes("abcd"))
  expect(tail.text()).toBe("abcd")
  tail.push(bytes("e"))
  expect(tail.text()).toBe("bcde")
})

it("keeps copies", () => {
  const tail = new Tail(4)
  const chunk = bytes("abcd")
  tail.push(chunk)
  chunk.fill(0)
  expect(tail.text()).toBe("abcd")
})

it("leaves out a character that was cut at the beginning", () => {
  const tail = new Tail(4)
  tail.push(bytes("€uro"))
  expect(tail.text()).toBe("uro")
  tail.push(bytes("ä"))
  expect(tail.text()).toBe("roä")
})
