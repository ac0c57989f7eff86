/*
 * The reapers: forked ahead of need, used again, and replaced by the keeper itself when one of them dies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "keeper.h"
#include "ledger.h"
#include "notify.h"
#include "reaper.h"
#include "system.h"
#include "walk.h"

/* More idle reapers than this are let go. */
#define IDLE_MAX 32

/* The whole pages, less what lies above the stack. */
#define REAPER_STACK ((128 << 10) - 128)

struct served {
  pid_t pid;        /* 0: free */
  uint32_t process; /* 0: idle, or a job is on its way to it; of a free one the next free one */
  uint32_t kind;    /* enum reaper_kind */
};

static struct served *served_at(uint32_t slot) { return (struct served *)keeper->slots.at + slot; }

pid_t slot_pid(int32_t slot) { return slot < 0 ? 0 : served_at((uint32_t)slot)->pid; }

bool pool_is_helper(pid_t pid) {
  return map_get(&keeper->slot_by_pid, (uint32_t)pid) != MAP_NONE || object_is_relay(pid);
}

bool pool_has_reapers(void) {
  for (uint32_t i = 0; i < keeper->slot_limit; i++) {
    if (served_at(i)->pid != 0 && !atomic_load(&ledger->slots[i].released)) return true;
  }
  return false;
}

void pool_kill_all(void) {
  for (uint32_t i = 0; i < keeper->slot_limit; i++) {
    if (served_at(i)->pid != 0 && !atomic_load(&ledger->slots[i].released)) kill(served_at(i)->pid, SIGKILL);
  }
}

/* Which reaper has a job that it has not reported yet. */
int32_t slot_of_starting(uint32_t id) {
  for (uint32_t i = 0; i < keeper->slot_limit; i++) {
    if (served_at(i)->pid != 0 && atomic_load(&ledger->slots[i].process) == id) return (int32_t)i;
  }
  return -1;
}

void kill_half_started(int32_t slot) {
  _Atomic int32_t *place = &ledger->slots[slot].child;
  pid_t child = atomic_load(place);
  if (child <= 0) return;
  int pidfd = open_pidfd(child);
  /* As long as it stands there, its reaper waits for its exec, so it has not been collected and the pidfd is the child's. */
  if (atomic_load(place) == child) {
    if (pidfd < 0) kill(child, SIGKILL);
    else signal_pidfd(pidfd, SIGKILL);
  }
  if (pidfd >= 0) close(pidfd);
}

static int32_t take_slot(void) {
  uint32_t slot = keeper->free_slot;
  if (slot != NO_RECORD) {
    keeper->free_slot = served_at(slot)->process;
    return (int32_t)slot;
  }
  if (keeper->slot_limit == SLOTS || !memory_grow(&keeper->slots, (keeper->slot_limit + 1) * sizeof(struct served))) return -1;
  atomic_store(&ledger->used, keeper->slot_limit + 1);
  return (int32_t)keeper->slot_limit++;
}

static void give_back_slot(uint32_t slot) {
  atomic_store(&ledger->slots[slot].pid, 0);
  *served_at(slot) = (struct served){0, keeper->free_slot, REAPER_TREE};
  keeper->free_slot = slot;
}

/*
 * Reapers run here, each on its own copy, of which it touches one page until it has to walk. What the keeper writes for each of
 * them lies in that page too: any other would be copied once for every reaper.
 */
static struct {
  char stack[REAPER_STACK];
  struct reaper reaper __attribute__((aligned(16)));
} reaper_memory __attribute__((aligned(PAGE_MAX)));

static int run_reaper(void *argument) {
  struct reaper *reaper = argument;
  /* An init knows another number of itself. */
  if (reaper->kind != REAPER_INIT) atomic_store(&ledger->slots[reaper->slot].pid, getpid());
  if (reaper->kind == REAPER_GROUP) run_group_reaper(reaper);
  run_tree_reaper(reaper);
}

/* With a user namespace where the others may not be made without one. */
static pid_t fork_init(struct reaper *start, const struct setup_namespaces *wanted) {
  const int namespaces = CLONE_NEWPID;
  if (!keeper->unprivileged && (wanted == NULL || !(wanted->flags & NAMESPACE_USER))) {
    pid_t pid = fork_on(reaper_memory.stack, sizeof reaper_memory.stack, namespaces, run_reaper, start);
    if (pid >= 0 || errno != EPERM) return pid;
  }
  start->maps_ids = true;
  uint32_t uid = (uint32_t)geteuid(), gid = (uint32_t)getegid();
  start->ids = (struct own_ids){uid, gid, wanted == NULL ? uid : wanted->uid, wanted == NULL ? gid : wanted->gid};
  pid_t pid = fork_on(reaper_memory.stack, sizeof reaper_memory.stack, namespaces | CLONE_NEWUSER, run_reaper, start);
  if (pid >= 0 && wanted == NULL) keeper->unprivileged = true;
  return pid;
}

/* `jobs`: where it gets them from. `process`: whom it is for, 0: for whoever needs it. `wanted`: of an init, NULL: the usual ones. */
static int32_t fork_reaper(enum reaper_kind kind, int jobs, uint32_t process, const struct setup_namespaces *wanted) {
  int32_t slot = take_slot();
  if (slot < 0) {
    errno = ENOMEM;
    return -1;
  }
  struct slot *shared = &ledger->slots[slot];
  atomic_store(&shared->process, process);
  atomic_store(&shared->released, 0);
  atomic_store(&shared->child, 0);
  atomic_store(&shared->command, 0);
  struct reaper *reaper = &reaper_memory.reaper;
  *reaper = (struct reaper){
      .stack = reaper_memory.stack,
      .slot = (uint32_t)slot,
      .kind = kind,
      .parent = getpid(),
      .keeper = keeper->self,
      .own_proc = true,
      .jobs = jobs,
      .events = keeper->event_writer,
      .context = {"", keeper->owner_group, keeper->descriptors, keeper->null, -1, -1, NULL},
  };
  snprintf(reaper->context.owner_directory, sizeof reaper->context.owner_directory, "/proc/%d/cwd", keeper->owner);
  pid_t pid = kind == REAPER_INIT ? fork_init(reaper, wanted) : fork_on(reaper_memory.stack, sizeof reaper_memory.stack, 0, run_reaper, reaper);
  if (pid < 0) {
    int error = errno;
    give_back_slot((uint32_t)slot);
    errno = error;
    return -1;
  }
  /* Both sides, so that neither can be killed before the other has told. */
  atomic_store(&shared->pid, pid);
  *served_at((uint32_t)slot) = (struct served){pid, process, kind};
  if (!map_set(&keeper->slot_by_pid, (uint32_t)pid, (uint32_t)slot)) {
    /* A reaper that cannot be told from a stranger is of no use. */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
    give_back_slot((uint32_t)slot);
    errno = ENOMEM;
    return -1;
  }
  return slot;
}

bool pool_grow(void) {
  if (fork_reaper(REAPER_TREE, keeper->jobs[1], 0, NULL) < 0) return false;
  keeper->idle++;
  return true;
}

bool pool_init(uint32_t process, int jobs, const struct setup_namespaces *wanted) {
  return fork_reaper(REAPER_INIT, jobs, process, wanted) >= 0;
}

bool pool_prepare_init(void) {
  int jobs[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs) != 0) return keeper->init_wanted = false;
  keeper->init_slot = fork_reaper(REAPER_INIT, jobs[1], 0, NULL);
  close(jobs[1]);
  keeper->init_jobs = jobs[0];
  if (keeper->init_slot >= 0) return true;
  pool_drop_init();
  return false;
}

void pool_use_init(uint32_t process) {
  uint32_t slot = (uint32_t)keeper->init_slot;
  atomic_store(&ledger->slots[slot].process, process);
  served_at(slot)->process = process;
  pool_drop_init();
  keeper->init_wanted = true;
}

/* Without a job it leaves when its socket closes. */
void pool_drop_init(void) {
  if (keeper->init_jobs >= 0) close(keeper->init_jobs);
  keeper->init_slot = keeper->init_jobs = -1;
  keeper->init_wanted = false;
}

bool pool_group_reaper(void) {
  keeper->group_used = true;
  keeper->group_slot = fork_reaper(REAPER_GROUP, keeper->group_jobs[1], 0, NULL);
  return keeper->group_slot >= 0;
}

/* A reaper has served its job. */
static void became_idle(uint32_t slot) {
  if ((int32_t)slot == keeper->group_slot) return;
  served_at(slot)->process = 0;
  /* An init leaves now. */
  if (served_at(slot)->kind == REAPER_TREE) keeper->idle++;
}

static void started(const struct event *event) {
  struct process *process = process_find(event->process);
  if ((int32_t)event->slot != keeper->group_slot) served_at(event->slot)->process = event->process;
  if (process == NULL) {
    /* Given up as lost on its way to a reaper. */
    const struct process unwanted = {.id = event->process, .slot = (int32_t)event->slot};
    send_command(&unwanted, COMMAND_KILL, SIGKILL, REACH_TREE, 0);
    return;
  }
  process->slot = (int32_t)event->slot;
  process->pid = event->pid;
  set_deadline(process, 0);
  process->state = STATE_RUNNING;
  if (process->cancelled || process->overdue) {
    begin_kill(process);
    return;
  }
  struct started started = {(uint32_t)event->pid, (uint32_t)slot_pid(process->slot), event->exited.time, process->lent_count};
  reply_two(REPLY_STARTED, process->id, &started, sizeof started, lent_to(process),
            process->lent_count * sizeof(struct lent_fd));
  for (uint32_t i = 0; i < process->lent_count; i++) lend(lent_to(process)[i].descriptor);
  process->lent_count = 0;
  process->told = true;
  gifts_settle(process->id, true);
  notify_begin(process);
}

/* Nothing of a tree is left. What the owner never heard of is a spawn that failed. */
static void ended(struct process *process, const struct event *event) {
  if (!process->told) {
    fail_spawn(process, STEP_HELPER, ECANCELED, -1);
    return;
  }
  notify_catch_up(process);
  struct ended payload = {event->exited.time, event->collected};
  if (event->kind == EVENT_ENDED) reply(REPLY_ENDED, process->id, &payload, sizeof payload);
  process_remove(process);
}

static void exited(const struct event *event) {
  struct process *process = process_find(event->process);
  if (process == NULL) return;
  process->exited = true;
  foreground_end(process->id, WIFSIGNALED(event->exited.status));
  if (process->told) {
    notify_catch_up(process);
    reply(REPLY_EXITED, process->id, &event->exited, sizeof event->exited);
  }
  if (event->exited.ended) ended(process, event);
  else leader_ended_in_stop(process);
}

static void handle_event(const struct event *event) {
  struct process *process = process_find(event->process);
  switch ((enum event_kind)event->kind) {
    case EVENT_STARTED:
      started(event);
      break;
    case EVENT_FAILED:
      became_idle(event->slot);
      /* The quota of processes counts the reapers too. */
      if (event->step == STEP_FORK) keeper->crowded = true;
      if (process != NULL) fail_spawn(process, (enum spawn_step)event->step, (int)event->error, event->target);
      break;
    case EVENT_EXITED:
      if (event->exited.ended) became_idle(event->slot);
      exited(event);
      break;
    case EVENT_ENDED:
      became_idle(event->slot);
      if (process != NULL) ended(process, event);
      break;
    case EVENT_DONE:
      /* A process may forge a command to the init of its namespace, but not answer for another process. */
      if (pending_is_of((uint16_t)event->sequence, event->process)) pending_answer((uint16_t)event->sequence, event->error);
      break;
    case EVENT_STOPPED:
      if (process != NULL) foreground_stopped(process);
      break;
    case EVENT_WALKING:
      if (process != NULL) confirm_walk(process);
      break;
    case EVENT_CGROUP:
      if (process != NULL && process->told) reply(REPLY_CGROUP, process->id, &event->cgroup, sizeof event->cgroup);
      break;
  }
}

void pool_read_events(void) {
  struct event events[64];
  for (;;) {
    ssize_t got = read(keeper->events, events, sizeof events);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    for (ssize_t i = 0; i < got / (ssize_t)sizeof *events; i++) handle_event(&events[i]);
    if (got < (ssize_t)sizeof events) break;
  }
  pool_retire();
}

/* Lets idle reapers go that are not likely to be needed again, or that take the place of the processes that they should start. */
void pool_retire(void) {
  int32_t kept = keeper->options.reapers > IDLE_MAX ? (int32_t)keeper->options.reapers : IDLE_MAX;
  if (keeper->crowded) {
    kept = 1;
    pool_drop_init();
    /* Nor are so many forked ahead of need again. */
    if (keeper->options.reapers > 1) keeper->options.reapers = 1;
    keeper->crowded = false;
  }
  while (keeper->idle > kept) {
    if (send_retirement() != 0) return;
    keeper->idle--;
  }
}

/* What a dead reaper leaves falls to the keeper, which ends it. The owner hears of it at once. */
void lose(struct process *process, pid_t reaper) {
  keeper->adopting = true;
  foreground_end(process->id, true);
  uint32_t pid = (uint32_t)reaper;
  if (process->told) {
    notify_catch_up(process);
    reply(REPLY_LOST, process->id, &pid, sizeof pid);
  }
  pending_forget(process->id);
  process->state = STATE_ADOPTED;
  process->slot = -1;
  set_deadline(process, now_milliseconds() + keeper->options.kill_deadline);
}

/* A reaper that is killed while it waits may take a job with it that it had no time to name. */
static void suspect_lost_jobs(enum spawn_level level) {
  for (uint32_t i = 0; i < keeper->process_capacity; i++) {
    if (process_at(i)->id != 0 && process_at(i)->level == level) suspect_lost(process_at(i));
  }
}

static void reaper_died(uint32_t slot, bool normally) {
  struct served served = *served_at(slot);
  uint32_t taken = atomic_load(&ledger->slots[slot].process);
  map_remove(&keeper->slot_by_pid, (uint32_t)served.pid);
  give_back_slot(slot);
  /* Whoever kills it does so again: another one is forked at the next need. */
  if ((int32_t)slot == keeper->init_slot) pool_drop_init();
  if ((int32_t)slot == keeper->group_slot) {
    keeper->group_slot = -1;
    keeper->adopting = true;
    for (uint32_t i = 0; i < keeper->process_capacity; i++) {
      struct process *process = process_at(i);
      if (process->id != 0 && process->level == LEVEL_GROUP && process->state != STATE_ADOPTED) {
        if (process->slot == (int32_t)slot || process->id == taken) lose(process, served.pid);
      }
    }
    suspect_lost_jobs(LEVEL_GROUP);
    return;
  }
  struct process *process = process_find(served.process != 0 ? served.process : taken);
  if (process != NULL && process->state != STATE_ADOPTED) {
    lose(process, served.pid);
  } else if (!normally && served.kind == REAPER_TREE) {
    /* It was waiting for a job: one less that can take the next. */
    keeper->idle--;
    suspect_lost_jobs(LEVEL_TREE);
    suspect_lost_jobs(LEVEL_CGROUP);
  }
  if (!normally) keeper->adopting = true;
}

void pool_reap(void) {
  siginfo_t info;
  /* SIGCHLD coalesces: until nothing is left. */
  for (;;) {
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | __WALL) != 0 || info.si_pid == 0) return;
    uint32_t slot = map_get(&keeper->slot_by_pid, (uint32_t)info.si_pid);
    if (slot == MAP_NONE) {
      object_relay_changed(&info);
      continue;
    }
    if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) {
      /* A stopped reaper would leave its process without anybody; killed, its tree falls to the keeper. */
      kill(info.si_pid, SIGKILL);
      continue;
    }
    /* All that it wrote comes before its death. */
    pool_read_events();
    reaper_died(slot, info.si_code == CLD_EXITED && info.si_status == 0);
  }
}

/* Ends and removes the groups of processes that were adopted. False as long as something is left. */
static bool end_cgroups(void) {
  bool gone = true;
  for (uint32_t i = 0; i < keeper->process_capacity; i++) {
    const struct process *process = process_at(i);
    if (process->id == 0 || process->state != STATE_ADOPTED || process->level != LEVEL_CGROUP) continue;
    gone = cgroup_remove(process->id) && gone;
  }
  return gone;
}

/* One pass of the keeper's own kill walk, and the end of what was adopted once nothing is left of it. */
void pool_adopt(void) {
  /* Set again by the death of another reaper: what that leaves may have come after the pass. */
  keeper->adopting = false;
  const struct walk strangers = {.signal = SIGKILL, .spare = pool_is_helper};
  bool gone = end_cgroups();
  struct census census = walk_pass(&strangers);
  pool_reap();
  /* SIGCHLD wakes the loop as well; this is for what was forked during the pass, and ever rarer for what cannot be killed. */
  keeper->adopt_pause = keeper->adopt_pause < 1000 ? keeper->adopt_pause + 1 + keeper->adopt_pause / 16 : 1000;
  if (keeper->adopting || census.children > 0 || !gone) {
    keeper->adopting = true;
    return;
  }
  keeper->adopt_pause = 0;
  for (uint32_t i = 0; i < keeper->process_capacity; i++) {
    struct process *process = process_at(i);
    if (process->id == 0 || process->state != STATE_ADOPTED) continue;
    struct event event = {.kind = EVENT_ENDED, .exited = {.time = now_nanoseconds()}};
    if (!process->told && !process->cancelled && !process->overdue) {
      process->told = true;
      uint32_t none = 0;
      reply(REPLY_LOST, process->id, &none, sizeof none);
    }
    ended(process, &event);
  }
}
