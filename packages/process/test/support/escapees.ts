/** The ways in which processes get away from those who started them, in the words of `actor.c`. Each says `escaped` once. */
import { actor } from "./native.ts"

export const all = {
  "a process in a session of its own": "fork { setsid say escaped sleep } sleep",
  "a process in a group of its own": "fork { setpgid say escaped sleep } sleep",
  "a daemon by double fork": "fork { setsid fork { say escaped sleep } exit 0 } wait sleep",
  "a daemon that closed its descriptors": "fork { setsid fork { close say escaped sleep } exit 0 } wait sleep",
  "what nohup started": `fork { exec nohup ${actor()} say escaped sleep } sleep`,
  "a process that ignores every signal": "ignore fork { setsid say escaped sleep } sleep",
  "a process that is stopped": "fork { setsid say escaped raise 19 } sleep",
  "the orphans of a leader that has exited": "fork { setsid say escaped sleep } exit 0",
  "the orphans of a leader that was killed": "fork { setsid say escaped sleep } raise 9",
  "a supervisor that adopts orphans itself":
    "subreaper fork { fork { setsid fork { say escaped sleep } exit 0 } exit 0 } sleep",
  "a chain of sessions": `${"fork { setsid ".repeat(40)}say escaped sleep ${"} sleep ".repeat(40).trim()}`
} as const
