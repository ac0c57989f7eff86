import { expect, it } from "vitest"
import { namespaceProblem } from "../../src/internal/namespaceProblem.ts"

const cases: ReadonlyArray<readonly [errno: string, settings: Readonly<Record<string, string>>, says: RegExp]> = [
  [
    "ENOSPC",
    { "user.max_user_namespaces": "0" },
    /^user namespaces are switched off here: set the sysctl user.max_user/
  ],
  ["ENOSPC", { "user.max_user_namespaces": "9", "user.max_pid_namespaces": "0" }, /^pid namespaces are switched off/],
  ["ENOSPC", { "user.max_user_namespaces": "9" }, /^there are as many namespaces as are allowed/],
  ["EPERM", { "kernel.unprivileged_userns_clone": "0" }, /kernel.unprivileged_userns_clone to 1/],
  ["EACCES", { "kernel.apparmor_restrict_unprivileged_userns": "1" }, /AppArmor restricts/],
  ["EPERM", { "kernel.apparmor_restrict_unprivileged_userns": "0" }, /seccomp/],
  ["EPERM", {}, /seccomp/],
  ["EUSERS", {}, /nested too deeply/],
  ["EINVAL", {}, /CONFIG_USER_NS/],
  ["EIO", {}, /^input\/output error$/]
]

it.each(cases)("%s with %o says what to do", (errno, settings, says) => {
  expect(namespaceProblem(errno, (name) => settings[name])).toMatch(says)
})

it("reads the settings of this machine", () => {
  expect(namespaceProblem("ENOSPC")).toMatch(/user.max_user_namespaces|switched off/)
})
