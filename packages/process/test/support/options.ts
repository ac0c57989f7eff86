/** What is arranged for a process before it starts, each option with a value that is not its default, and that is the same in JSON. */
export const arranged = {
  containment: "group",
  session: "owner",
  notify: true,
  limits: { as: 1 << 30, cpu: { soft: "60 seconds" }, nofile: 100, nproc: "unlimited" },
  credentials: {
    user: "root",
    group: 0,
    groups: ["root", 1],
    capabilities: { keep: ["CAP_KILL"] },
    noNewPrivileges: true
  },
  priority: { nice: 5, policy: { rr: 3 }, io: "idle" },
  affinity: [0, 1],
  oomScoreAdjust: 100,
  sandbox: { read: ["/usr", "x"], write: [], connect: [80], bind: [0], scope: ["signals"] }
} as const

/** A filter of system calls, and the same in JSON. */
export const filter = { bytes: new Uint8Array(8), encoded: "AAAAAAAAAAA=" }
