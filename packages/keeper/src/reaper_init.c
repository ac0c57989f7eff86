/*
 * The reaper of level `pid-namespace`: the init of a pid namespace that was made for one process. What holds it together is the
 * kernel's: when the init ends, by whatever hand, every process of its namespace is killed before its end is told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "namespaces.h"
#include "reaper.h"
#include "system.h"

/*
 * Whether the keeper died before it was to send its death signal. getppid() is 0 here, whoever the parent is. The pipe is broken
 * before the parents of children change; but a reaper that is being forked has a copy of its other end, and then the pidfd tells.
 */
static bool is_orphan(const struct reaper *reaper) {
  struct pollfd look[2] = {{reaper->events, 0, 0}, {reaper->keeper, POLLIN, 0}};
  return poll(look, 2, 0) > 0;
}

/*
 * A /proc that shows the pids of the namespace. A container that hides parts of its own may forbid it to a user namespace: then
 * /proc stays the machine's. What the level promises does not depend on it.
 */
static bool mount_proc(void) { return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0; }

void reaper_begin_as_init(struct reaper *reaper, struct launch_failure *failure) {
  /* Not even the last helper is needed: it can be killed with all the others. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (is_orphan(reaper)) _exit(0);
  set_name("nursery-init");
  reaper_keep_descriptors(reaper);
  reaper->parent = 0;
  reaper->context.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  *failure = (struct launch_failure){STEP_CONTAINMENT, 0, CONTAINMENT_IDS};
  /* Before it is undumpable, or the maps were not its own to write. */
  if (reaper->maps_ids && (failure->error = map_ids(&reaper->ids)) != 0) return;
  /* Its children cannot bend it with ptrace, not even those that are root in their user namespace. */
  prctl(PR_SET_DUMPABLE, 0);
}

void reaper_separate_mounts(struct reaper *reaper, struct launch_failure *failure) {
  failure->target = CONTAINMENT_NAMESPACES;
  if (unshare(CLONE_NEWNS) != 0) {
    failure->error = errno;
    return;
  }
  failure->target = CONTAINMENT_MOUNTS;
  if ((failure->error = separate_mounts()) != 0) return;
  reaper->own_proc = mount_proc();
}
