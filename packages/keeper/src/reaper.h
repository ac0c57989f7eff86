/*
 * Reapers: forks of the keeper that start processes and wait for them. A tree reaper serves one process at a time, as the
 * subreaper that all of its orphans fall to; it is used again once its tree is empty. The group reaper serves all processes of
 * level `group` together.
 */
#ifndef NURSERY_REAPER_H
#define NURSERY_REAPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job.h"
#include "launch.h"
#include "namespaces.h"

/* Lies above the stack of its reaper, in the same page. */
struct reaper {
  void *stack; /* its lowest address */
  uint32_t slot;
  enum reaper_kind kind;
  pid_t parent; /* the keeper; 0 where it is in another pid namespace, and so shown as that */
  int jobs;   /* socket: jobs come */
  int events; /* pipe: events leave */
  bool orphaned; /* the keeper is dead */
  int keeper;    /* of an init: pidfd of the keeper, -1: none */
  bool maps_ids; /* of an init: it is in a new user namespace, */
  struct own_ids ids; /* whose only ids are these */
  bool own_proc; /* /proc shows the processes of its own pid namespace */
  struct launch_context context;
};

/* Neither returns. Called in a fresh fork; closes every descriptor but `jobs` and `events`. */
_Noreturn void run_tree_reaper(struct reaper *reaper);
_Noreturn void run_group_reaper(struct reaper *reaper);

/* Shared by the two kinds. */

void reaper_begin(struct reaper *reaper, const char *name);

/* Closes all descriptors but those that it needs, which get the lowest numbers. */
void reaper_keep_descriptors(struct reaper *reaper);

/* The same as reaper_begin for the init of a pid namespace (reaper_init.c). */
void reaper_begin_as_init(struct reaper *reaper, struct launch_failure *failure);

/* Its own mounts, which are those of the moment when it has got its job. */
void reaper_separate_mounts(struct reaper *reaper, struct launch_failure *failure);

/* Takes a job; blocks. Its kind, or 0 when the keeper is gone. */
enum job_kind reaper_receive(struct reaper *reaper, struct plan *plan);

/* Of the last job, and of the last walk; for a process that lives longer than it takes to start the next one. */
void reaper_give_back_memory(const struct reaper *reaper);

/* Starts the job and reports it. The pid, or -1. */
pid_t reaper_launch(struct reaper *reaper, const struct plan *plan);

/* Reports that the job cannot be started. */
void reaper_fail(struct reaper *reaper, const struct plan *plan, const struct launch_failure *failure);

void reaper_send(struct reaper *reaper, struct event *event);
void reaper_done(struct reaper *reaper, uint32_t process, uint16_t sequence, int error);

/* A child that has ended and is not collected yet; 0 when all live, -1 when there are none. */
pid_t peek_ended(siginfo_t *info);

/* Collects a child; its status and usage go into `exited`. */
void collect(pid_t pid, struct exited *exited);

/* Whether a queued signal is a command of the keeper. */
bool is_command(const struct reaper *reaper, pid_t sender, int code);

/* The command that SIGNAL_COMMAND_WAITS announces; its value is NULL when there is none. */
union command waiting_command(const struct reaper *reaper);

#endif
