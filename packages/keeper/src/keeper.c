/*
 * The keeper's loop, and the records of its processes.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "ledger.h"
#include "notify.h"
#include "paths.h"
#include "progress.h"
#include "system.h"

/* How often reapers are looked after while the last of them end. */
#define FINISH_STEP 4
#define FINISH_LIMIT 1000

/* Enough for many short lives to report at once without a reaper having to wait. */
#define EVENT_PIPE (1 << 20)

struct keeper *keeper;

struct process *process_at(uint32_t record) { return (struct process *)keeper->processes.at + record; }

static uint32_t record_of(const struct process *process) {
  return (uint32_t)(process - (struct process *)keeper->processes.at);
}

struct process *process_find(uint32_t id) {
  uint32_t record = map_get(&keeper->process_by_id, id);
  return record == MAP_NONE ? NULL : process_at(record);
}

struct process *process_new(uint32_t id) {
  uint32_t record = keeper->free_process;
  if (record == NO_RECORD) {
    record = keeper->process_capacity;
    if (!memory_grow(&keeper->processes, (record + 1) * sizeof(struct process))) return NULL;
    keeper->process_capacity++;
  } else {
    keeper->free_process = process_at(record)->next;
  }
  struct process *process = process_at(record);
  *process = (struct process){.slot = -1, .notify = -1, .previous = NO_RECORD, .next = keeper->free_process};
  if (!map_set(&keeper->process_by_id, id, record)) {
    keeper->free_process = record;
    return NULL;
  }
  process->id = id;
  process->next = NO_RECORD;
  keeper->process_count++;
  return process;
}

const struct lent_fd *lent_to(const struct process *process) { return process->many == NULL ? process->few : process->many; }

void process_remove(struct process *process) {
  foreground_end(process->id, true);
  pending_forget(process->id);
  gifts_settle(process->id, false);
  notify_close(process);
  set_deadline(process, 0);
  for (uint32_t i = 0; i < process->lent_count; i++) close(lent_to(process)[i].descriptor);
  free(process->many);
  map_remove(&keeper->process_by_id, process->id);
  keeper->process_count--;
  *process = (struct process){.next = keeper->free_process};
  keeper->free_process = record_of(process);
}

/* The list is sorted. Most deadlines are equally far away, so the place of a new one is nearly always the end. */
void set_deadline(struct process *process, int64_t deadline) {
  uint32_t record = record_of(process);
  if (process->deadline != 0) {
    if (process->previous == NO_RECORD) keeper->first_deadline = process->next;
    else process_at(process->previous)->next = process->next;
    if (process->next == NO_RECORD) keeper->last_deadline = process->previous;
    else process_at(process->next)->previous = process->previous;
    process->previous = process->next = NO_RECORD;
  }
  process->deadline = deadline;
  if (deadline == 0) return;
  uint32_t before = keeper->last_deadline;
  while (before != NO_RECORD && process_at(before)->deadline > deadline) before = process_at(before)->previous;
  process->previous = before;
  process->next = before == NO_RECORD ? keeper->first_deadline : process_at(before)->next;
  if (before == NO_RECORD) keeper->first_deadline = record;
  else process_at(before)->next = record;
  if (process->next == NO_RECORD) keeper->last_deadline = record;
  else process_at(process->next)->previous = record;
}

bool watch(int descriptor, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = descriptor};
  if (epoll_ctl(keeper->poll, EPOLL_CTL_ADD, descriptor, &event) == 0) return true;
  return errno == EEXIST && epoll_ctl(keeper->poll, EPOLL_CTL_MOD, descriptor, &event) == 0;
}

/* Before every close: epoll would go on reporting a descriptor that a fork still holds. */
void unwatch(int descriptor) { epoll_ctl(keeper->poll, EPOLL_CTL_DEL, descriptor, NULL); }

static int out_of_the_way(int descriptor) { return move_fd(descriptor, 16); }

static bool open_channels(void) {
  int events[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper->jobs) != 0) return false;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, keeper->group_jobs) != 0) return false;
  if (pipe2(events, O_CLOEXEC) != 0) return false;
  for (int i = 0; i < 2; i++) {
    keeper->jobs[i] = out_of_the_way(keeper->jobs[i]);
    keeper->group_jobs[i] = out_of_the_way(keeper->group_jobs[i]);
  }
  keeper->events = out_of_the_way(events[0]);
  keeper->event_writer = out_of_the_way(events[1]);
  fcntl(keeper->event_writer, F_SETPIPE_SZ, EVENT_PIPE);
  set_nonblocking(keeper->events);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  keeper->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  keeper->poll = epoll_create1(EPOLL_CLOEXEC);
  keeper->notify_poll = epoll_create1(EPOLL_CLOEXEC);
  if (keeper->signals < 0 || keeper->poll < 0 || keeper->notify_poll < 0) return false;
  return keeper->event_writer >= 0 && keeper->jobs[1] >= 0 && keeper->group_jobs[1] >= 0;
}

static bool set_up(pid_t guard, pid_t owner) {
  keeper->guard = guard;
  keeper->owner = owner;
  keeper->owner_group = getpgid(owner);
  keeper->free_process = keeper->free_object = keeper->free_slot = keeper->first_deadline = keeper->last_deadline = NO_RECORD;
  keeper->group_slot = keeper->listener = keeper->init_slot = keeper->init_jobs = -1;
  keeper->reading = true;
  keeper->options = (struct hello){.owner_death_grace = 2000, .spawn_deadline = 10000, .kill_deadline = 5000, .reapers = 2};
  /* The helpers need a descriptor for each pipe on its way to the owner; the children get the owner's own limit. */
  getrlimit(RLIMIT_NOFILE, &keeper->descriptors);
  struct rlimit raised = {keeper->descriptors.rlim_max, keeper->descriptors.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
  for (int i = 0; i < 3; i++) keeper->streams[i] = out_of_the_way(i);
  keeper->socket = out_of_the_way(3);
  set_nonblocking(keeper->socket);
  keeper->null = out_of_the_way(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (keeper->null < 0 || keeper->socket < 0 || !open_channels()) return false;
  keeper->progress = progress_open();
  char status[32];
  snprintf(status, sizeof status, "/proc/%d/status", owner);
  keeper->owner_status = open(status, O_RDONLY | O_CLOEXEC);
  keeper->owner_pidfd = open_pidfd(owner);
  keeper->self = open_pidfd(getpid());
  if (keeper->owner_pidfd >= 0) watch(keeper->owner_pidfd, EPOLLIN);
  return watch(keeper->socket, EPOLLIN) && watch(keeper->signals, EPOLLIN) && watch(keeper->events, EPOLLIN);
}

static int until(int64_t deadline, int64_t now) {
  if (deadline <= now) return 0;
  return deadline - now > 60000 ? 60000 : (int)(deadline - now);
}

/* Reapers are forked ahead of need, one a turn, after the answers are on their way. */
static bool wants_reaper(void) {
  return keeper->greeted && !keeper->closing && !keeper->fork_failed && keeper->idle < (int32_t)keeper->options.reapers;
}

static bool wants_init(void) { return keeper->init_wanted && keeper->init_slot < 0 && !keeper->closing; }

static int wait_time(int64_t now) {
  if (keeper->finishing) return FINISH_STEP;
  int jobs = jobs_wait();
  if (jobs >= 0) return jobs;
  if (wants_reaper() || wants_init()) return 0;
  if (keeper->adopting) return keeper->adopt_pause;
  int64_t look = keeper->foreground.look_at, first = 0;
  if (keeper->first_deadline != NO_RECORD) first = process_at(keeper->first_deadline)->deadline;
  if (first == 0 || (look != 0 && look < first)) first = look;
  return first == 0 ? -1 : until(first, now);
}

static void dispatch(const struct epoll_event *event) {
  int descriptor = event->data.fd;
  if (descriptor == keeper->socket) {
    if (event->events & EPOLLOUT) owner_write();
    if (event->events & ~(uint32_t)EPOLLOUT) owner_read();
  } else if (descriptor == keeper->owner_pidfd) {
    owner_gone();
  } else if (descriptor == keeper->events) {
    pool_read_events();
  } else if (descriptor == keeper->signals) {
    struct signalfd_siginfo info[8];
    while (read(keeper->signals, info, sizeof info) > 0) continue;
    pool_reap();
  } else if (descriptor == keeper->notify_poll) {
    notify_ready();
  } else {
    guests_ready(descriptor);
  }
}

/* Everything has ended. The reapers leave when their sockets close; one that does not is killed. */
static void finish(int64_t now) {
  if (!keeper->finishing) {
    keeper->finishing = true;
    keeper->finish_limit = now + FINISH_LIMIT;
    pool_drop_init();
    for (int i = 0; i < 2; i++) {
      close(keeper->jobs[i]);
      close(keeper->group_jobs[i]);
      keeper->jobs[i] = keeper->group_jobs[i] = -1;
    }
  }
  pool_reap();
  if (!pool_has_reapers()) {
    /* The guard does so too; but it may be gone. */
    paths_remove();
    cgroups_end();
    /* A guard that somebody has stopped leaves with us. */
    if (getppid() == keeper->guard) kill(keeper->guard, SIGCONT);
    _exit(0);
  }
  if (now > keeper->finish_limit) pool_kill_all();
}

int run_keeper(void *argument) {
  const struct keeper_start start = *(struct keeper_start *)argument;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  set_name("nursery-keeper");
  struct memory memory = {0};
  if (!memory_grow(&memory, sizeof *keeper)) return 71;
  keeper = memory.at;
  madvise(start.stack, start.stack_size, MADV_DONTFORK);
  if (!set_up(start.guard, start.owner)) return 71;
  for (;;) {
    struct epoll_event events[32];
    int count = epoll_wait(keeper->poll, events, 32, wait_time(now_milliseconds()));
    new_turn();
    owner_state_forget();
    if (count > 0) keeper->fork_failed = false;
    for (int i = 0; i < count; i++) dispatch(&events[i]);
    int64_t now = now_milliseconds();
    pass_deadlines(now);
    foreground_look(now);
    if (keeper->adopting) pool_adopt();
    send_waiting_jobs();
    owner_write();
    notify_settle();
    if (keeper->closing && keeper->process_count == 0 && !keeper->adopting) finish(now);
    else if (wants_reaper()) keeper->fork_failed = !pool_grow();
    else if (wants_init()) pool_prepare_init();
  }
}
