/**
 * What the kernel meant when it refused to make a namespace, and what can be done about it: it says EPERM or ENOSPC for settings that are
 * found in `/proc/sys` only, after the failure.
 *
 * @internal
 */
import { readFileSync } from "node:fs"
import * as Errno from "./errno.ts"

/** How to read a setting, `undefined` where the kernel does not have it. */
export type ReadSetting = (name: string) => string | undefined

const readSetting: ReadSetting = (name) => {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll(".", "/")}`, "latin1").trim()
  } catch {
    return undefined
  }
}

const limits = [
  ["user.max_user_namespaces", "user namespaces"],
  ["user.max_pid_namespaces", "pid namespaces"],
  ["user.max_mnt_namespaces", "mount namespaces"],
  ["user.max_net_namespaces", "network namespaces"],
  ["user.max_ipc_namespaces", "ipc namespaces"],
  ["user.max_uts_namespaces", "uts namespaces"],
  ["user.max_cgroup_namespaces", "cgroup namespaces"],
  ["user.max_time_namespaces", "time namespaces"]
] as const

const exhausted = (setting: ReadSetting): string => {
  const off = limits.find(([name]) => setting(name) === "0")
  if (off !== undefined) {
    const [name, what] = off
    return `${what} are switched off here: set the sysctl ${name} to more than 0 (10000, say), or run this program as root`
  }
  return "there are as many namespaces as are allowed: see the sysctls user.max_user_namespaces and user.max_pid_namespaces, also those of the user namespace that this program is in"
}

const forbidden = (setting: ReadSetting): string => {
  if (setting("kernel.unprivileged_userns_clone") === "0") {
    return "only root may make user namespaces here: set the sysctl kernel.unprivileged_userns_clone to 1, or run this program as root"
  }
  if (setting("kernel.apparmor_restrict_unprivileged_userns") === "1") {
    return "AppArmor restricts user namespaces here: give the keeper's program a profile that allows `userns`, set the sysctl kernel.apparmor_restrict_unprivileged_userns to 0, or run this program as root"
  }
  return "the kernel or the seccomp filter of a container forbids to make user namespaces: run the container with CAP_SYS_ADMIN or with a filter that allows clone, unshare and mount for them (this program must not be in a chroot either)"
}

/** Of making a namespace, mapping its ids, or separating its mounts. */
export const namespaceProblem = (errno: string, setting: ReadSetting = readSetting): string => {
  switch (errno) {
    case "ENOSPC":
      return exhausted(setting)
    case "EUSERS":
      return "user or pid namespaces are nested too deeply here (32 levels are allowed)"
    case "EPERM":
    case "EACCES":
      return forbidden(setting)
    case "EINVAL":
    case "ENOSYS":
      return "this kernel was built without them (CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_TIME_NS and so on)"
    default:
      return Errno.describe(errno)
  }
}
