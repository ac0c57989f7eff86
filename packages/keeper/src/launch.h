/*
 * Starts one program from a job: everything between fork and exec.
 */
#ifndef NURSERY_LAUNCH_H
#define NURSERY_LAUNCH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "job.h"

/* What a launch needs for a moment, and would leave behind in the stack of a reaper. */
struct launch_room {
  int sources[JOB_FDS];
  char path[PATH_MAX];
};

/* Where the parts of a job are. */
struct plan {
  const struct job *job;
  int problem; /* errno of why it cannot be carried out, 0: none; only `job` holds then */
  const struct job_fd *fds;
  const char *program;
  const char *cwd;
  const char *search_path;
  char **argv;
  char **env;
  char **files;
  const char *setup; /* job->setup_size bytes, see setup.h */
  const uint32_t *groups;
  const int *sources; /* received descriptors */
  struct launch_room *room;
};

struct launch_failure {
  enum spawn_step step;
  int error; /* errno, 0: none */
  int target;
};

/* What a reaper knows from its keeper about the program it works for. */
struct launch_context {
  char owner_directory[24]; /* a link in /proc to where the owner is */
  pid_t owner_group;
  struct rlimit descriptors; /* the owner's own limit, which the keeper raises for itself */
  int null;                  /* an open /dev/null */
  int proc;                  /* a /proc that shows the pids of the owner, where this reaper has others; else -1 */
  int cgroup;                /* of the process that is being started, -1: none */
  _Atomic int32_t *child;    /* where the pid of the child is told until it has executed its program, as the owner knows it */
};

/*
 * The pid of the child that runs the program, and in `known` what the owner knows it by; or -1 with the failure. A child that failed
 * has been collected.
 */
pid_t launch(const struct plan *plan, const struct launch_context *context, pid_t *known, struct launch_failure *failure);

#endif
