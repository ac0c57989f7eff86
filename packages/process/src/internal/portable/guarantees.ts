/**
 * What holds without a keeper.
 *
 * @internal
 */
import { type Guarantees, sandboxFeatures } from "../guarantees.ts"

const needsKeeper = "needs the keeper, which runs on Linux: use Nursery.layer or Nursery.layerAuto"

export const guarantees: Guarantees = {
  backend: "portable",
  levels: [
    {
      level: "tree",
      available: false,
      reason: `a process that leaves its group cannot be found again; commands of this level get what "group" gives here. It ${needsKeeper}`
    },
    { level: "group", available: true, reason: "" },
    { level: "pid-namespace", available: false, reason: needsKeeper },
    { level: "cgroup", available: false, reason: needsKeeper }
  ],
  escapees: false,
  ownerDeath: false,
  graceOutsideEventLoop: false,
  cheapSpawn: false,
  noStrayPid: false,
  notifications: false,
  setup: false,
  sandbox: sandboxFeatures.map((feature) => ({ feature, available: false, reason: needsKeeper })),
  limits: [
    "A descendant that leaves the process group (setsid, double fork) outlives the scope.",
    "When this program is killed, its children live on. On process.exit and uncaught errors they get SIGKILL.",
    "Grace periods are measured by the event loop: one that is blocked delays SIGKILL.",
    "Each spawn copies the page tables of this program on the event loop, at a cost that grows with its heap.",
    "The end of a process group is found by asking again and again, so `ended` comes up to 0.1 s late when descendants are left.",
    "A signal could reach a stranger whose process group reuses the id of one that ended since it was last asked about.",
    "`ResourceUsage` of a process that has ended is all zeros, and `coreDumped` is always false: Node does not tell them.",
    "Death by a real-time signal shows as exit code 0: Node does not tell such signals.",
    "stdin, stdout, stderr and further pipes are sockets, so a child cannot open /dev/stdout.",
    "A text file without #! is run by /bin/sh instead of being refused.",
    'umask, notify, foreground and session "group" are refused as Unsupported.',
    "limits, credentials, priority, affinity, oomScoreAdjust, sandbox, seccomp and controllingTerminal are refused as Unsupported.",
    "An orphan is collected by the init process of the system or container, or stays a zombie where that does not do it.",
    "`descendants` does not see a descendant whose parent has died."
  ]
}
