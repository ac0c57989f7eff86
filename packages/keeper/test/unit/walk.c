/* walk.c on real processes: what a pass sees, what it signals, and whom it spares. */
#define _GNU_SOURCE
#include "../../src/walk.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A process that lives until it is killed, `depth` generations below us; its pid and those above it come through the pipe. */
static void make_chain(int depth, int news, bool own_group) {
  pid_t child = fork();
  if (child != 0) return;
  prctl(PR_SET_PDEATHSIG, depth > 0 ? 0 : SIGKILL);
  if (own_group) setpgid(0, 0);
  if (depth > 0) make_chain(depth - 1, news, false);
  pid_t self = getpid();
  if (write(news, &self, sizeof self) != sizeof self) _exit(1);
  for (;;) pause();
}

static void read_pids(int news, pid_t *pids, int count) {
  for (int i = 0; i < count; i++) CHECK(read(news, &pids[i], sizeof *pids) == sizeof *pids);
}

static void open_news(int *news) { CHECK(pipe(news) == 0); }

static void end_all(void) {
  const struct walk everything = {.signal = SIGKILL};
  do {
    walk_pass(&everything);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
  } while (waitpid(-1, NULL, WNOHANG) == 0);
}

/* It may run or sleep: it has told its pid, and need not have come to its pause yet. */
static bool lives(pid_t pid) { return state_of(pid) != 0 && state_of(pid) != 'Z'; }

static bool has(const struct census *census, pid_t pid) {
  for (uint32_t i = 0; i < census->living && i < 16; i++) {
    if (census->first[i] == pid) return true;
  }
  return false;
}

static void counts_without_touching(void) {
  int news[2];
  pid_t pids[3];
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  open_news(news);
  make_chain(2, news[1], false);
  read_pids(news[0], pids, 3);
  const struct walk count = {.signal = 0};
  struct census census = walk_pass(&count);
  CHECK(census.children == 1 && census.living == 3);
  for (int i = 0; i < 3; i++) CHECK(has(&census, pids[i]));
  CHECK(waitpid(-1, NULL, WNOHANG) == 0);
  census = walk_below(getpid(), 0);
  CHECK(census.living == 3);
  end_all();
}

static void reaches_the_deep_ones(void) {
  int news[2];
  pid_t pids[5];
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  open_news(news);
  make_chain(4, news[1], false);
  close(news[1]);
  read_pids(news[0], pids, 5);
  /* One that is killed may be dead before its children are listed; one that is stopped is not. */
  const struct walk everything = {.signal = SIGSTOP};
  struct census census = walk_pass(&everything);
  CHECK(census.living == 5 && census.reached == 5);
  for (int i = 0; i < 5; i++) {
    while (state_of(pids[i]) != 'T') CHECK(state_of(pids[i]) != 0);
  }
  end_all();
  char rest;
  CHECK(read(news[0], &rest, 1) == 0);
}

static void zombies_are_children_but_do_not_live(void) {
  pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info;
  CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  const struct walk count = {.signal = 0};
  struct census census = walk_pass(&count);
  CHECK(census.children == 1 && census.living == 0);
  CHECK(state_of(child) == 'Z');
  CHECK(waitpid(child, NULL, 0) == child);
  CHECK(walk_pass(&count).children == 0);
  CHECK(state_of(child) == 0);
}

static void one_group_or_all_but_one(void) {
  int news[2];
  pid_t pids[4];
  open_news(news);
  make_chain(0, news[1], true);
  read_pids(news[0], pids, 1);
  make_chain(0, news[1], true);
  read_pids(news[0], pids + 1, 1);
  struct walk walk = {.signal = 0, .group = pids[0]};
  struct census census = walk_pass(&walk);
  CHECK(census.living == 1 && has(&census, pids[0]));
  CHECK(walk_below(getpid(), pids[1]).living == 1);
  walk = (struct walk){.signal = SIGKILL, .except = pids[0]};
  walk_pass(&walk);
  CHECK(waitpid(pids[1], NULL, 0) == pids[1]);
  CHECK(state_of(pids[0]) != 'Z' && waitpid(pids[0], NULL, WNOHANG) == 0);
  end_all();
}

static pid_t spared;
static bool is_spared(pid_t pid) { return pid == spared; }

static void spares_helpers_and_all_below_them(void) {
  int news[2];
  pid_t pids[3];
  open_news(news);
  make_chain(1, news[1], false);
  read_pids(news[0], pids, 2);
  make_chain(0, news[1], false);
  read_pids(news[0], pids + 2, 1);
  /* Of the two that came first the parent is our child. */
  for (int i = 0; i < 2; i++) {
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0) spared = pids[i];
  }
  const struct walk walk = {.signal = SIGKILL, .spare = is_spared};
  struct census census = walk_pass(&walk);
  CHECK(census.children == 1 && census.living <= 1);
  CHECK(waitpid(pids[2], NULL, 0) == pids[2]);
  CHECK(lives(pids[0]) && lives(pids[1]));
  end_all();
}

/* More than fit into one piece of the list, which is read and signalled piece by piece. */
static void many_children(void) {
  enum { COUNT = 500 };
  int news[2];
  open_news(news);
  for (int i = 0; i < COUNT; i++) make_chain(0, news[1], i % 3 == 0);
  static pid_t pids[COUNT];
  read_pids(news[0], pids, COUNT);
  const struct walk count = {.signal = 0};
  struct census census = walk_pass(&count);
  CHECK(census.children == COUNT && census.living == COUNT);
  const struct walk everything = {.signal = SIGKILL};
  CHECK(walk_pass(&everything).children == COUNT);
  for (int i = 0; i < COUNT; i++) CHECK(waitpid(-1, NULL, 0) > 0);
  CHECK(waitpid(-1, NULL, 0) == -1);
}

static void a_session_dies_with_its_group(void) {
  int news[2];
  pid_t pids[3];
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  open_news(news);
  pid_t leader = fork();
  if (leader == 0) {
    setsid();
    make_chain(0, news[1], false);
    make_chain(0, news[1], false);
    pid_t self = getpid();
    if (write(news[1], &self, sizeof self) != sizeof self) _exit(1);
    for (;;) pause();
  }
  close(news[1]);
  read_pids(news[0], pids, 3);
  const struct walk everything = {.signal = SIGKILL};
  walk_pass(&everything);
  char rest;
  CHECK(read(news[0], &rest, 1) == 0);
  end_all();
}

static const struct test tests[] = {
    {"a pass with signal 0 counts all generations and touches nobody", counts_without_touching},
    {"a pass reaches the deep ones through those above them", reaches_the_deep_ones},
    {"a zombie is a child, but does not live", zombies_are_children_but_do_not_live},
    {"a pass can be of one group, or of all but one", one_group_or_all_but_one},
    {"a pass spares helpers and all that is below them", spares_helpers_and_all_below_them},
    {"a pass sees more children than one read of the list holds", many_children},
    {"a session that was made below dies as one", a_session_dies_with_its_group},
};

int main(int argc, char **argv) {
  /* Of a check that fails, too: what is left would hold the descriptors of whoever waits for this program. */
  atexit(end_all);
  return RUN_TESTS(tests, argc, argv);
}
