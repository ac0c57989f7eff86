/*
 * The reaper of level `group`: one process that starts and waits for all of them. Each ends with its process group; what left
 * its group stays a child of this reaper until the nursery ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger.h"
#include "reaper.h"
#include "system.h"
#include "walk.h"

struct member {
  uint32_t process;
  pid_t pid; /* also the number of its group */
  uint32_t flags;
  uint8_t stop_signal;
  bool own_group;
  bool collected; /* the leader is; what remains of the group is reached by walking */
  bool killing;
};

struct group {
  struct reaper *reaper;
  struct member *members;
  uint32_t count, capacity, killing;
  uint32_t rests; /* members whose leader has been collected */
  int64_t look_at, pause; /* when the rests are looked at next, and how long after the time before, in milliseconds */
  int signals;
};

#define PAUSE_MIN 8
#define PAUSE_MAX 1000

static struct member *find_process(struct group *group, uint32_t process) {
  for (uint32_t i = 0; i < group->count; i++) {
    if (group->members[i].process == process) return &group->members[i];
  }
  return NULL;
}

static struct member *find_leader(struct group *group, pid_t pid) {
  for (uint32_t i = 0; i < group->count; i++) {
    if (group->members[i].pid == pid && !group->members[i].collected) return &group->members[i];
  }
  return NULL;
}

/* Something is there that was not when the rests were looked at last. */
static void look_soon(struct group *group) {
  group->pause = PAUSE_MIN;
  group->look_at = now_milliseconds() + PAUSE_MIN;
}

static void forget(struct group *group, struct member *member) {
  if (member->killing) group->killing--;
  if (member->collected) group->rests--;
  *member = group->members[--group->count];
}

/*
 * Whether anything of a group whose leader has been collected may be left. Signal 0 harms nobody, should the number belong to a
 * stranger by now; then the walk finds nothing of ours in that group.
 */
static bool group_may_live(pid_t group) { return kill(-group, 0) == 0 || errno == EPERM; }

static struct census walk_group(const struct member *member, int signal) {
  const struct walk walk = {.signal = signal, .group = member->pid};
  return walk_pass(&walk);
}

static void tell_ended(struct group *group, struct member *member) {
  struct event ended = {.kind = EVENT_ENDED, .process = member->process, .exited = {.time = now_nanoseconds()}};
  forget(group, member);
  reaper_send(group->reaper, &ended);
}

static void leader_ended(struct group *group, struct member *member, const siginfo_t *info) {
  struct event exit = {.kind = EVENT_EXITED, .process = member->process};
  pid_t pid = member->pid;
  /* The zombie still pins the group's number, so this is the last time that it can be signalled as a whole. */
  if (member->own_group) {
    if (member->killing) kill(-pid, SIGKILL);
    else if ((member->flags & SPAWN_GROUP_ON_FAILURE) && info->si_code == CLD_EXITED && info->si_status != 0) {
      kill(-pid, member->stop_signal);
    }
  }
  collect(pid, &exit.exited);
  member->collected = true;
  group->rests++;
  /* A group of zombies, whose parents have left it, is not alive. */
  exit.exited.ended = !member->own_group || !group_may_live(pid) || walk_group(member, 0).living == 0;
  if (exit.exited.ended) forget(group, member);
  else look_soon(group);
  reaper_send(group->reaper, &exit);
}

/*
 * Of groups whose leader went before: the last process of one may have ended, here or as the child of one that has left the group.
 * Once it is empty its number may become that of another process, which must not be taken for it.
 */
static void tell_gone_groups(struct group *group) {
  for (uint32_t i = 0; i < group->count; i++) {
    if (group->members[i].collected && !group_may_live(group->members[i].pid)) tell_ended(group, &group->members[i--]);
  }
}

/* A new leader bears this number, so no group of that number was left. */
static void tell_gone_group(struct group *group, pid_t pid) {
  for (uint32_t i = 0; i < group->count; i++) {
    if (group->members[i].collected && group->members[i].pid == pid) tell_ended(group, &group->members[i--]);
  }
}

static void reap(struct group *group) {
  siginfo_t info;
  pid_t pid;
  bool others = false;
  while ((pid = peek_ended(&info)) > 0) {
    struct member *member = find_leader(group, pid);
    if (member != NULL) {
      leader_ended(group, member, &info);
    } else {
      collect(pid, NULL);
      others = true;
    }
  }
  if (others) tell_gone_groups(group);
}

static void begin_kill(struct group *group, struct member *member) {
  if (!member->killing) group->killing++;
  member->killing = true;
  struct event walking = {.kind = EVENT_WALKING, .process = member->process};
  reaper_send(group->reaper, &walking);
  if (member->collected) {
    look_soon(group);
    return;
  }
  if (member->own_group) kill(-member->pid, SIGKILL);
  /* By its own number too: where vfork is carried out as fork, as under emulation, it may not lead its group yet. */
  kill(member->pid, SIGKILL);
}

/*
 * What is left of groups whose leader is gone: killed where that is wanted, else asked for, as nobody tells this reaper of the end of one
 * whose parent has left the group. Ever rarer for what cannot be killed, or may live on.
 */
static void follow_rests(struct group *group) {
  int64_t now = now_milliseconds();
  bool due = now >= group->look_at;
  if (due) {
    group->pause += 1 + group->pause / 16;
    if (group->pause > PAUSE_MAX) group->pause = PAUSE_MAX;
    group->look_at = now + group->pause;
  }
  for (uint32_t i = 0; i < group->count && group->rests > 0; i++) {
    struct member *member = &group->members[i];
    if (!member->collected || !(due || member->killing)) continue;
    if (walk_group(member, member->killing ? SIGKILL : 0).living == 0) tell_ended(group, &group->members[i--]);
  }
}

static int send_signal(struct member *member, int signal, enum stop_reach reach, bool and_continue) {
  if (member->collected) {
    if (reach == REACH_LEADER) return ESRCH;
    uint32_t reached = walk_group(member, signal).reached;
    if (and_continue) walk_group(member, SIGCONT);
    return reached > 0 ? 0 : ESRCH;
  }
  pid_t target = reach != REACH_LEADER && member->own_group ? -member->pid : member->pid;
  int error = kill(target, signal) == 0 ? 0 : errno;
  if (and_continue) kill(target, SIGCONT);
  return error;
}

static void obey(struct group *group, union command command) {
  struct member *member = find_process(group, command.parts.process);
  enum command_kind kind = command.parts.kind_and_reach & 15;
  int error = ESRCH;
  if (member != NULL && kind == COMMAND_KILL) begin_kill(group, member);
  if (kind == COMMAND_KILL) return;
  /* One of many cannot be given away: a released process needs a reaper of its own, level `tree`. */
  if (kind == COMMAND_RELEASE || kind == COMMAND_RETAIN) error = ENOTSUP;
  else if (member != NULL && kind == COMMAND_STOP_REST) {
    /* The rest is the rest of the group, which has had the signal unless it was for the leader alone. */
    enum stop_reach had = command.parts.kind_and_reach >> 4;
    error = had == REACH_LEADER && member->own_group ? send_signal(member, command.parts.signal, REACH_GROUP, true) : 0;
  } else if (member != NULL) {
    error = send_signal(member, command.parts.signal, command.parts.kind_and_reach >> 4, kind == COMMAND_STOP_SIGNAL);
  }
  reaper_done(group->reaper, command.parts.process, command.parts.sequence, error);
  /* Nobody was left to hear it: the last one was collected by another process, which told us nothing. */
  if (error == ESRCH && member != NULL && member->collected && kind == COMMAND_STOP_SIGNAL) tell_ended(group, member);
}

static _Noreturn void end_everything(struct group *group) {
  const struct walk everything = {.signal = SIGKILL};
  raise_priority();
  for (;;) {
    struct census census = walk_pass(&everything);
    reap(group);
    if (census.children == 0) break;
    struct pollfd wait = {group->signals, POLLIN, 0};
    if (poll(&wait, 1, census.living == 0 ? 0 : 16) > 0) {
      struct signalfd_siginfo info[16];
      while (read(group->signals, info, sizeof info) > 0) continue;
    }
  }
  _exit(0);
}

static void read_signals(struct group *group) {
  struct signalfd_siginfo info[16];
  ssize_t got = read(group->signals, info, sizeof info);
  for (ssize_t i = 0; i < got / (ssize_t)sizeof *info; i++) {
    if (info[i].ssi_signo == SIGCHLD) {
      reap(group);
    } else if (info[i].ssi_signo == (uint32_t)SIGNAL_COMMAND_WAITS) {
      obey(group, waiting_command(group->reaper));
    } else if (info[i].ssi_signo == (uint32_t)SIGNAL_COMMAND) {
      if (!is_command(group->reaper, (pid_t)info[i].ssi_pid, info[i].ssi_code)) continue;
      obey(group, (union command){.value = (void *)(uintptr_t)info[i].ssi_ptr});
    } else if (getppid() != group->reaper->parent) {
      group->reaper->orphaned = true;
      end_everything(group);
    }
  }
}

static bool make_room(struct group *group) {
  if (group->count < group->capacity) return true;
  uint32_t capacity = group->capacity == 0 ? 64 : group->capacity * 2;
  struct member *members = realloc(group->members, capacity * sizeof *members);
  if (members == NULL) return false;
  group->members = members;
  group->capacity = capacity;
  return true;
}

static void take_job(struct group *group) {
  struct plan plan;
  /* The keeper has let go of the socket: it is closing, and every process has been ended one by one before. */
  if (reaper_receive(group->reaper, &plan) != JOB_SPAWN) end_everything(group);
  struct member member = {
      .process = plan.job->process,
      .flags = plan.job->flags,
      .stop_signal = plan.job->stop_signal,
      .own_group = plan.job->session != SESSION_OWNER,
  };
  tell_gone_groups(group);
  if (!make_room(group)) {
    plan.problem = ENOMEM;
    reaper_launch(group->reaper, &plan);
    return;
  }
  member.pid = reaper_launch(group->reaper, &plan);
  if (member.pid <= 0) return;
  tell_gone_group(group, member.pid);
  group->members[group->count++] = member;
}

void run_group_reaper(struct reaper *reaper) {
  struct group group = {.reaper = reaper};
  reaper_begin(reaper, "nursery-group");
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGNAL_PARENT_DIED);
  sigaddset(&signals, SIGNAL_COMMAND);
  sigaddset(&signals, SIGNAL_COMMAND_WAITS);
  group.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (group.signals < 0) _exit(1);
  for (bool used = false;;) {
    struct pollfd wait[2] = {{group.signals, POLLIN, 0}, {reaper->jobs, POLLIN, 0}};
    int64_t rest = group.look_at - now_milliseconds();
    int ready = poll(wait, 2, group.rests > 0 ? (rest > 0 ? (int)rest : 0) : used ? 100 : -1);
    if (ready < 0 && errno != EINTR) _exit(1);
    if (ready == 0 && used) reaper_give_back_memory(reaper);
    used = wait[1].revents != 0 || (used && ready != 0);
    if (wait[0].revents != 0) read_signals(&group);
    if (wait[1].revents != 0) take_job(&group);
    if (group.rests > 0) follow_rests(&group);
  }
}
