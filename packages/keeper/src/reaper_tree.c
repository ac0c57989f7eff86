/*
 * The reaper of one tree. Signals are sent by the one that reaps: as long as a child has not been collected its pid is
 * its own, so no signal can reach a stranger, and nothing else in the system can collect it.
 *
 * At level `tree` it is a subreaper that serves one tree after the other. At level `pid-namespace` it is the init of the namespace
 * (reaper_init.c): all that the namespace holds is its tree, which one signal reaches, and which the kernel ends with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "ledger.h"
#include "reaper.h"
#include "system.h"
#include "walk.h"

/* Zombies held back in a walk: they use up the quota of a fork bomb, but must not use up the pids of the machine. */
#define HELD_MAX 1024

#define SHORT_LIFE 100 /* milliseconds */

/* From 1 to 1024 milliseconds. */
#define ATTEMPTS_MAX 10

/* About a second, after which the guard, if there is one, goes on. */
#define LAST_ATTEMPTS 1000

struct tree {
  struct reaper *reaper;
  sigset_t signals;
  uint32_t process;
  uint32_t flags;
  uint8_t stop_signal;
  bool own_group; /* the leader leads a process group */
  pid_t leader;   /* 0 once it has been collected */
  pid_t group;    /* its number, 0 for the owner's: never signalled after that */
  uint32_t collected;
  bool empty;
  bool told; /* the end of the tree has been reported */
  int cgroup;         /* of its process, -1: none */
  bool killed;        /* it was sent SIGKILL by this reaper */
  bool out_of_memory; /* the leader was killed for want of memory */
};

static bool is_init(const struct tree *tree) { return tree->reaper->kind == REAPER_INIT; }

static void tell_ended(struct tree *tree, struct event *event) {
  tree->told = true;
  event->process = tree->process;
  event->collected = tree->collected;
  atomic_store(&ledger->slots[tree->reaper->slot].process, 0);
  reaper_send(tree->reaper, event);
}

static void tell_usage(struct tree *tree, struct cgroup_told *told) {
  struct event event = {.kind = EVENT_CGROUP, .process = tree->process};
  event.cgroup = *told;
  event.cgroup.out_of_memory = tree->out_of_memory;
  reaper_send(tree->reaper, &event);
}

/* The group goes when nothing is left in it, which may be more than what descends from the leader. */
static bool leave_cgroup(struct tree *tree) {
  struct cgroup_told told;
  cgroup_read_usage(tree->cgroup, &told);
  if (!cgroup_remove(tree->process)) return false;
  close(tree->cgroup);
  tree->cgroup = -1;
  tell_usage(tree, &told);
  return true;
}

/* Nothing is left of it. */
static bool is_over(struct tree *tree) { return tree->empty && (tree->cgroup < 0 || leave_cgroup(tree)); }

/* The kernel counts the kill before it sends the signal. */
static void leader_leaves_cgroup(struct tree *tree, int status) {
  struct cgroup_told told;
  cgroup_read_usage(tree->cgroup, &told);
  bool by_kernel = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !tree->killed;
  tree->out_of_memory = by_kernel && told.oom_kills > 0;
  if (!is_over(tree)) tell_usage(tree, &told);
}

/* Collects what has ended. The report of the leader's exit says whether the tree is empty, where that is already known. */
static void reap(struct tree *tree) {
  struct event exit = {.kind = 0};
  siginfo_t info;
  pid_t pid;
  while ((pid = peek_ended(&info)) > 0) {
    if (pid != tree->leader) {
      collect(pid, NULL);
      tree->collected++;
      continue;
    }
    bool failed = info.si_code != CLD_EXITED || info.si_status != 0;
    /* The zombie still pins the group's number. */
    if ((tree->flags & SPAWN_GROUP_ON_FAILURE) && tree->own_group && failed && info.si_code == CLD_EXITED) {
      kill(-pid, tree->stop_signal);
    }
    exit.kind = EVENT_EXITED;
    collect(pid, &exit.exited);
    tree->leader = 0;
  }
  tree->empty = pid < 0;
  if (exit.kind == EVENT_EXITED) {
    if (tree->cgroup >= 0) leader_leaves_cgroup(tree, exit.exited.status);
    bool ended = tree->empty && tree->cgroup < 0;
    exit.exited.ended = ended;
    exit.process = tree->process;
    if (ended) tell_ended(tree, &exit);
    else reaper_send(tree->reaper, &exit);
  }
}

/* Ctrl-Z of a process that has the terminal of the owner, who then has to get it back. */
static void tell_stop(const struct tree *tree) {
  siginfo_t info = {0};
  if (!(tree->flags & SPAWN_FOREGROUND) || tree->leader == 0) return;
  if (waitid(P_PID, (id_t)tree->leader, &info, WSTOPPED | WNOHANG) != 0 || info.si_pid == 0 || info.si_code != CLD_STOPPED) return;
  struct event event = {.kind = EVENT_STOPPED, .process = tree->process};
  reaper_send(tree->reaper, &event);
}

static int wait_signal(struct tree *tree, siginfo_t *info, long milliseconds) {
  if (milliseconds < 0) return sigwaitinfo(&tree->signals, info);
  struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  return sigtimedwait(&tree->signals, info, &limit);
}

/* All but the init itself at one stroke: no fork slips through. */
static void end_namespace(struct tree *tree) {
  kill(-1, SIGKILL);
  for (reap(tree); !tree->empty; reap(tree)) {
    siginfo_t info;
    /* Somebody outside may have sent another process in. */
    if (wait_signal(tree, &info, 1000) < 0) kill(-1, SIGKILL);
  }
}

/*
 * Ends the whole tree, and returns when that is done. Most trees are one process, which needs no look into /proc; for the
 * others see walk.h.
 */
static void end_tree(struct tree *tree) {
  if (is_init(tree)) {
    end_namespace(tree);
    return;
  }
  tree->killed = true;
  if (tree->cgroup >= 0) cgroup_kill(tree->cgroup);
  if (tree->leader != 0) {
    if (tree->own_group) kill(-tree->leader, SIGKILL);
    kill(tree->leader, SIGKILL);
    siginfo_t info;
    wait_signal(tree, &info, 2);
  }
  reap(tree);
  if (tree->empty) return;
  const struct walk everything = {.signal = SIGKILL};
  bool raised = raise_priority();
  for (int quiet = 0; !tree->empty;) {
    struct census census = walk_pass(&everything);
    if (census.living == 0 || census.children > HELD_MAX) reap(tree);
    if (tree->empty) break;
    /* Never waits for one victim: an uninterruptible one would let the others go on forking. */
    siginfo_t info;
    long pause = quiet < 10 ? 1 : quiet < 100 ? 16 : 1000;
    if (census.living != 0) {
      quiet++;
      if (wait_signal(tree, &info, pause) == SIGCHLD && quiet > 10) quiet = 10;
    }
  }
  if (raised) restore_priority();
}

static int signal_all(int signal, bool and_continue) {
  int error = kill(-1, signal) == 0 ? 0 : errno;
  if (and_continue) kill(-1, SIGCONT);
  return error;
}

static int signal_by_walk(struct walk walk, bool and_continue) {
  struct census census = walk_pass(&walk);
  walk.signal = SIGCONT;
  if (and_continue) walk_pass(&walk);
  return census.reached > 0 ? 0 : ESRCH;
}

static int send_signal(struct tree *tree, int signal, enum stop_reach reach, bool and_continue) {
  if (signal == SIGKILL) tree->killed = true;
  if (reach == REACH_TREE && is_init(tree)) return signal_all(signal, and_continue);
  if (reach == REACH_TREE) return signal_by_walk((struct walk){.signal = signal}, and_continue);
  /* A collected leader's pid may be a stranger's: what is left of its group is reached by walking. */
  if (tree->leader == 0 && (reach == REACH_LEADER || tree->group == 0)) return ESRCH;
  if (tree->leader == 0) return signal_by_walk((struct walk){.signal = signal, .group = tree->group}, and_continue);
  pid_t target = reach == REACH_GROUP && tree->own_group ? -tree->leader : tree->leader;
  int error = kill(target, signal) == 0 ? 0 : errno;
  if (and_continue) kill(target, SIGCONT);
  return error;
}

/* All but the group, which has had it. Without a /proc of its own an init cannot tell who is in that. */
static void signal_rest(struct tree *tree, int signal, enum stop_reach reach) {
  if (is_init(tree) && !tree->reaper->own_proc) signal_all(signal, true);
  else signal_by_walk((struct walk){.signal = signal, .except = reach == REACH_GROUP ? tree->group : 0}, true);
}

static void release(struct tree *tree, bool release) {
  struct slot *slot = &ledger->slots[tree->reaper->slot];
  if (release) {
    prctl(PR_SET_PDEATHSIG, 0);
    atomic_store(&slot->released, 1);
  } else {
    atomic_store(&slot->released, 0);
    prctl(PR_SET_PDEATHSIG, SIGNAL_PARENT_DIED);
  }
}

/* The keeper died unless this reaper was released, in which case nobody is obeyed any more and the tree goes on. */
static void check_parent(struct tree *tree) {
  struct reaper *reaper = tree->reaper;
  if (getppid() == reaper->parent) return;
  reaper->orphaned = true;
  if (!atomic_load(&ledger->slots[reaper->slot].released)) end_tree(tree);
}

static void obey(struct tree *tree, union command command) {
  /* This reaper may have taken another job since the command was sent. */
  if (command.parts.process != tree->process) return;
  enum command_kind kind = command.parts.kind_and_reach & 15;
  enum stop_reach reach = command.parts.kind_and_reach >> 4;
  int error = 0;
  switch (kind) {
    case COMMAND_SIGNAL:
    case COMMAND_STOP_SIGNAL:
      error = send_signal(tree, command.parts.signal, reach, kind == COMMAND_STOP_SIGNAL);
      break;
    case COMMAND_STOP_REST:
      signal_rest(tree, command.parts.signal, reach);
      break;
    case COMMAND_KILL: {
      struct event walking = {.kind = EVENT_WALKING, .process = tree->process};
      reaper_send(tree->reaper, &walking);
      end_tree(tree);
      return;
    }
    case COMMAND_RELEASE:
    case COMMAND_RETAIN:
      /* A namespace does not outlive its init, nor that its keeper; and the group of a process not that of its nursery. */
      if (is_init(tree) || tree->cgroup >= 0) {
        error = ENOTSUP;
        break;
      }
      release(tree, kind == COMMAND_RELEASE);
      /* The keeper may have died while the death signal was off. */
      check_parent(tree);
      break;
  }
  reaper_done(tree->reaper, command.parts.process, command.parts.sequence, error);
}

static void serve(struct tree *tree) {
  /* A short life needs no memory given back: the next job would only have to fault it in again. */
  int attempts = 0;
  for (long patience = SHORT_LIFE; !is_over(tree);) {
    siginfo_t info;
    /* Who is in the group and no descendant tells nobody of its end. */
    long limit = tree->empty ? 1L << (attempts < ATTEMPTS_MAX ? attempts++ : ATTEMPTS_MAX) : patience;
    int signal = wait_signal(tree, &info, limit);
    if (signal < 0 && patience > 0 && !tree->empty) {
      reaper_give_back_memory(tree->reaper);
      patience = -1;
    }
    if (signal == SIGCHLD) {
      reap(tree);
      tell_stop(tree);
    } else if (signal == SIGNAL_PARENT_DIED) check_parent(tree);
    else if (signal == SIGNAL_COMMAND_WAITS) obey(tree, waiting_command(tree->reaper));
    else if (signal == SIGNAL_COMMAND && is_command(tree->reaper, info.si_pid, info.si_code)) {
      obey(tree, (union command){.value = info.si_value.sival_ptr});
    }
  }
  if (!tree->told) {
    struct event ended = {.kind = EVENT_ENDED, .exited = {.time = now_nanoseconds()}};
    tell_ended(tree, &ended);
  }
}

/* The keeper has gone. Should this be the last helper, what others had in their groups ends here. */
static void end_cgroups(void) {
  const struct timespec pause = {0, 1000000};
  for (int attempt = 0; !cgroups_end() && attempt < LAST_ATTEMPTS; attempt++) nanosleep(&pause, NULL);
}

void run_tree_reaper(struct reaper *reaper) {
  struct tree tree = {.reaper = reaper};
  sigemptyset(&tree.signals);
  sigaddset(&tree.signals, SIGCHLD);
  sigaddset(&tree.signals, SIGNAL_PARENT_DIED);
  sigaddset(&tree.signals, SIGNAL_COMMAND);
  sigaddset(&tree.signals, SIGNAL_COMMAND_WAITS);
  struct launch_failure failure = {.error = 0};
  if (is_init(&tree)) reaper_begin_as_init(reaper, &failure);
  else reaper_begin(reaper, "nursery-reaper");
  struct plan plan;
  enum job_kind received = JOB_SPAWN;
  while (!reaper->orphaned && (received = reaper_receive(reaper, &plan)) == JOB_SPAWN) {
    tree.process = plan.job->process;
    tree.flags = plan.job->flags;
    tree.stop_signal = plan.job->stop_signal;
    tree.own_group = plan.job->session != SESSION_OWNER;
    tree.collected = 0;
    /* One for the last process, whose signal went unheard while that was being killed. */
    waiting_command(reaper);
    tree.empty = tree.told = tree.killed = tree.out_of_memory = false;
    if (is_init(&tree) && failure.error == 0) reaper_separate_mounts(reaper, &failure);
    if (failure.error != 0) {
      reaper_fail(reaper, &plan, &failure);
      break;
    }
    tree.leader = reaper_launch(reaper, &plan);
    if (tree.leader < 0) continue;
    tree.group = tree.own_group ? tree.leader : 0;
    tree.cgroup = reaper->context.cgroup;
    serve(&tree);
    if (atomic_load(&ledger->slots[reaper->slot].released)) release(&tree, false);
  }
  if (reaper->kind == REAPER_TREE && (reaper->orphaned || received == 0)) end_cgroups();
  _exit(0);
}
