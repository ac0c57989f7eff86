/** What names of users and groups mean. */
import { readFileSync } from "node:fs"
import { userInfo } from "node:os"
import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { identify, parseAccounts, parseGroups } from "../../../src/internal/process/accounts.ts"
import { nearest } from "../../../src/internal/text.ts"

const failure = (wanted: Parameters<typeof identify>[0]) => {
  const result = identify(wanted)
  return Result.isFailure(result) ? result.failure : undefined
}

describe("files", () => {
  it("have a line for each account and group, and others that are passed over", () => {
    expect(parseAccounts("root:x:0:0:root:/root:/bin/bash\n\n+nis::::::\n# x\nd:x:1:2:::\n")).toEqual([
      { name: "root", user: 0, group: 0, home: "/root", shell: "/bin/bash" },
      { name: "d", user: 1, group: 2, home: "", shell: "/bin/sh" }
    ])
    expect(parseGroups("root:x:0:\nusers:x:100:a,b\n:x:3:\nbroken\n")).toEqual([
      { name: "root", group: 0, members: [] },
      { name: "users", group: 100, members: ["a", "b"] }
    ])
  })
})

describe("a user", () => {
  it("alone brings the group and all groups of its account", () => {
    const listed = parseGroups(readFileSync("/etc/group", "utf8")).filter(({ members }) => members.includes("root"))
    expect(identify({ user: "root" })).toEqual(
      Result.succeed({ user: 0, group: 0, groups: [...new Set([0, ...listed.map(({ group }) => group)])], login: [] })
    )
    expect(identify({ user: 0 })).toEqual(identify({ user: "root" }))
  })

  it("may have another group, and groups of its own", () => {
    expect(identify({ user: "root", group: 12, groups: ["root", 7] })).toEqual(
      Result.succeed({ user: 0, group: 12, groups: [0, 7], login: [] })
    )
    expect(identify({ user: 77_777_777, group: 5 })).toEqual(
      Result.succeed({ user: 77_777_777, group: 5, groups: [], login: [] })
    )
  })

  it("brings the variables of its account where they are asked for", () => {
    const result = identify({ user: "root", loginEnvironment: true })
    const login = Result.isSuccess(result) ? Object.fromEntries(result.success.login) : {}
    expect(login).toMatchObject({ USER: "root", LOGNAME: "root" })
    if (process.getuid?.() === 0) expect(login["HOME"]).toBe(userInfo().homedir)
  })

  it("leaves what is not said as it is", () => {
    expect(identify({})).toEqual(Result.succeed({ user: undefined, group: undefined, groups: undefined, login: [] }))
    expect(identify({ group: 3 })).toMatchObject(Result.succeed({ user: undefined, group: 3, groups: undefined }))
  })
})

describe("a name that nobody has", () => {
  it("is told, with the one that was meant", () => {
    expect(failure({ user: "nobdy" })?.message).toBe(
      'cannot change credentials.user: there is no user "nobdy" in /etc/passwd: did you mean "nobody"?'
    )
    expect(failure({ user: "root", groups: [0, "rot"] })?.message).toBe(
      'cannot change credentials.groups[1]: there is no group "rot" in /etc/group: did you mean "root"?'
    )
    expect(failure({ group: "no-such-group-at-all" })?.message).toBe(
      'cannot change credentials.group: there is no group "no-such-group-at-all" in /etc/group: create it, or give its number if only a directory service knows it'
    )
  })

  it("is told of a number without an account that nothing else is said about", () => {
    expect(failure({ user: 77_777_777 })?.message).toBe(
      "cannot change credentials.user: user 77777777 has no account in /etc/passwd, so its group is not known: give group too"
    )
    expect(failure({ user: 77_777_777, group: 1, loginEnvironment: true })?.option).toBe("credentials.loginEnvironment")
  })

  it("is near by its letters", () => {
    expect(nearest("postgers", ["root", "postgres", "post"])).toBe("postgres")
    expect(nearest("x", ["root"])).toBeUndefined()
    expect(nearest("completely-else", ["www-data"])).toBeUndefined()
  })
})
