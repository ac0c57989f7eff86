/*
 * Cgroups: the nursery has a group, a directory of the file system of cgroup v2, in which each process of level `cgroup` has one of
 * its own, named by the number of the process. Its path is in the ledger: whichever of the helpers is left last ends what is in it
 * and removes it.
 */
#ifndef NURSERY_CGROUP_H
#define NURSERY_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch.h"
#include "protocol.h"

/* The group of the nursery, in memory that all helpers share; written once, by the keeper. */
struct nursery_cgroup {
  _Atomic uint32_t made;
  char path[CGROUP_PATH_MAX];
};

/* Makes the group of the nursery, unless it is there. errno. */
int cgroups_begin(const char *path);

/* Ends everything that is in it, and removes it with all that is below it. False as long as something is left. */
bool cgroups_end(void);

/* The group of the process of a job, as its items say; its descriptor is -1 where the job wants none. False with the failure. */
bool cgroup_begin(const struct plan *plan, int *group, struct launch_failure *failure);

/* Moves the calling process into a group. errno. */
int cgroup_enter(int group);

/* SIGKILL for all that is in a group, at one stroke where the kernel can do that (from Linux 5.14 on). */
void cgroup_kill(int group);

/* Ends what is in the group of a process, and removes it. False as long as something is left. */
bool cgroup_remove(uint32_t process);

/* For a guard: moves the program back that had made way for limits, unless it has another nursery (cgroup_program.c). */
void cgroup_leave_program(void);

/* What has been used in it so far (cgroup_usage.c). */
void cgroup_read_usage(int group, struct cgroup_told *told);

#endif
