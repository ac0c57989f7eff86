/**
 * What a simulation promises: what the keeper does, as far as it happens in this program.
 *
 * @internal
 */
import { type Guarantees, sandboxFeatures } from "@nursery/process/Backend"

const notSimulated = "a simulation has no namespaces and no cgroups"

export const guarantees: Guarantees = {
  backend: "other",
  levels: [
    { level: "tree", available: true, reason: "" },
    { level: "group", available: true, reason: "" },
    { level: "pid-namespace", available: false, reason: notSimulated },
    { level: "cgroup", available: false, reason: notSimulated }
  ],
  escapees: true,
  ownerDeath: true,
  graceOutsideEventLoop: false,
  cheapSpawn: true,
  noStrayPid: true,
  notifications: true,
  setup: true,
  // A simulated process reaches nothing of this machine, whatever it is allowed.
  sandbox: sandboxFeatures.map((feature) => ({ feature, available: true, reason: "" })),
  limits: ["processes are simulated: no program of this machine runs"]
}
