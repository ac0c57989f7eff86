/*
 * The kill walk: signals to everything below the calling process, and why it ends.
 *
 * The caller is a subreaper, so every process of its tree is, or on its parent's death becomes, its own child. One pass signals
 * the children (their pids are pinned: only the caller collects them) and, to be faster than one generation a pass, what is
 * deeper, through pidfds after checking the parent. A pass may miss what is forked while it runs; the next one finds it, as
 * the forker itself has been killed by then. Against a bomb that forks faster than one process can kill, the caller raises its
 * priority and holds zombies back, which uses up the bomb's own quota.
 */
#ifndef NURSERY_WALK_H
#define NURSERY_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct walk {
  int signal;
  /* Only processes of this process group, 0 for all. */
  pid_t group;
  /* Not the processes of this group, 0 for none. */
  pid_t except;
  /* Children that are helpers, not to be touched; NULL for none. */
  bool (*spare)(pid_t pid);
};

struct census {
  uint32_t children; /* direct ones, zombies included, spared ones not */
  uint32_t living;   /* of all processes seen, those that are not zombies */
  uint32_t reached;  /* those that were not when they were signalled */
  pid_t first[16];   /* some of the living */
};

/* One pass over everything below the caller. Signal 0 only counts. */
struct census walk_pass(const struct walk *walk);

/* Counts what lives below another process, of one process group or of all (0). */
struct census walk_below(pid_t parent, pid_t group);

/* The state letter of /proc/<pid>/stat, 0 when there is no such process. */
char state_of(pid_t pid);

/* The parent of a process, 0 when that is outside of our namespace, -1 when there is no such process. */
pid_t parent_of(pid_t pid);

bool kernel_lists_children(void);

#endif
