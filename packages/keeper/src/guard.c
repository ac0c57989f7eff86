/*
 * The program. The process that the owner starts becomes the guard: a subreaper between the owner and the keeper, which ends
 * what falls to it should the keeper be killed, alone or with a reaper. It does nothing else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "keeper.h"
#include "ledger.h"
#include "paths.h"
#include "system.h"
#include "terminal.h"
#include "walk.h"

#define OWNER_SOCKET 3
#define KEEPER_STACK (256 << 10)

/* A keeper that is stopped for longer than this is killed: the promises need it. */
#define STOPPED_LIMIT 2000

/* What a keeper that does not react may take longer than its owner's grace before it is killed. */
#define SILENT_LIMIT 15000

/* Of one poll, in milliseconds. */
#define LONGEST_WAIT (1 << 30)

/* What reapers get to end their trees by themselves after the keeper's death. */
#define REAPER_LIMIT 1000

struct guard {
  pid_t keeper;
  int owner; /* pidfd, -1: none */
  int signals;
  int64_t stopped_until, silent_until; /* when the keeper is killed for it, 0: never */
};

static bool keeper_is_dead(struct guard *guard) {
  siginfo_t info;
  for (;;) {
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | __WALL) != 0) return true;
    if (info.si_pid == 0) return false;
    if (info.si_pid != guard->keeper) continue;
    if (info.si_code == CLD_STOPPED) guard->stopped_until = now_milliseconds() + STOPPED_LIMIT;
    else if (info.si_code == CLD_CONTINUED) guard->stopped_until = 0;
    else return true;
  }
}

/* Milliseconds until the keeper is to be killed, -1: not foreseen. */
static int patience(const struct guard *guard) {
  int64_t until = guard->stopped_until;
  if (until == 0 || (guard->silent_until != 0 && guard->silent_until < until)) until = guard->silent_until;
  if (until == 0) return -1;
  int64_t rest = until - now_milliseconds();
  return rest <= 0 ? 0 : rest > LONGEST_WAIT ? LONGEST_WAIT : (int)rest;
}

static void wait_for_keeper(struct guard *guard) {
  while (!keeper_is_dead(guard)) {
    struct pollfd wait[2] = {{guard->signals, POLLIN, 0}, {guard->owner, POLLIN, 0}};
    poll(wait, 2, patience(guard));
    if (patience(guard) == 0) {
      kill(guard->keeper, SIGKILL);
      guard->stopped_until = guard->silent_until = 0;
    }
    if (wait[0].revents != 0) {
      struct signalfd_siginfo info[4];
      while (read(guard->signals, info, sizeof info) > 0) continue;
    }
    if (wait[1].revents != 0) {
      close(guard->owner);
      guard->owner = -1;
      guard->silent_until = now_milliseconds() + atomic_load(&ledger->owner_death_grace) + SILENT_LIMIT;
    }
  }
}

static bool is_released(pid_t pid) { return ledger_has_released(pid); }
static bool is_reaper(pid_t pid) { return ledger_has(pid); }

/* Everything that is left, until nothing is. Reapers come last, for they end their own trees faster. */
static void end_everything(const struct guard *guard) {
  int64_t limit = now_milliseconds() + REAPER_LIMIT;
  bool raised = false;
  for (int quiet = 0;; quiet++) {
    struct walk walk = {.signal = SIGKILL, .spare = now_milliseconds() < limit ? is_reaper : is_released};
    walk_pass(&walk);
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) continue;
    const struct walk count = {.signal = 0, .spare = is_released};
    bool gone = cgroups_end();
    if (gone && walk_pass(&count).children == 0) return;
    if (!raised) raised = raise_priority();
    struct pollfd wait = {guard->signals, POLLIN, 0};
    if (poll(&wait, 1, quiet < 1000 ? 4 : 1000) > 0) {
      struct signalfd_siginfo info[4];
      while (read(guard->signals, info, sizeof info) > 0) continue;
    }
  }
}

static bool is_socket(int descriptor) {
  struct stat about;
  return fstat(descriptor, &about) == 0 && S_ISSOCK(about.st_mode);
}

/* A standard stream that is closed would be replaced by the next descriptor that is opened. */
static void fill_standard_streams(void) {
  for (int stream = 0; stream < 3; stream++) {
    if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", O_RDWR) != stream) _exit(1);
  }
}

/* What keeps namespaces in being: a process in them that does nothing. It dies with its reaper. */
static _Noreturn void hold_namespaces(void) {
  set_name("nursery-hold");
  for (;;) pause();
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "hold") == 0) hold_namespaces();
  /* All that there was to do has been arranged before. */
  if (argc == 2 && strcmp(argv[1], "done") == 0) return 0;
  fill_standard_streams();
  if (!is_socket(OWNER_SOCKET)) {
    fprintf(stderr, "nursery-keeper is started by @nursery/process, which talks to it through descriptor %d\n", OWNER_SOCKET);
    return 64;
  }
  pid_t owner = getppid();
  /* What is ignored stays ignored in every program that is executed. */
  reset_all_signals();
  block_all_signals();
  close_from(OWNER_SOCKET + 1);
  /* Out of the group that the terminal's signals reach, but not out of the session: children may join the owner's group. */
  setpgid(0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (!ledger_create()) return 71;
  pid_t self = getpid();
  struct keeper_start start = {self, owner, NULL, KEEPER_STACK};
  start.stack = mmap(NULL, KEEPER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (start.stack == MAP_FAILED) return 71;
  struct guard guard = {.keeper = fork_on(start.stack, KEEPER_STACK, 0, run_keeper, &start)};
  if (guard.keeper < 0) return 71;
  munmap(start.stack, KEEPER_STACK);
  set_name("nursery-guard");
  close_from(0);
  guard.owner = open_pidfd(owner);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  guard.signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  wait_for_keeper(&guard);
  end_everything(&guard);
  terminal_give_back();
  cgroup_leave_program();
  paths_remove();
  return 0;
}
