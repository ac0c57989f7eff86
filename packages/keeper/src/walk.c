#define _GNU_SOURCE
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system.h"

/*
 * Deeper levels are reached by the next pass, when those above have died. Each level of a walk needs the stack of one visit_list,
 * and all of them together must fit into that of a reaper (pool.c).
 */
#define DEPTH_MAX 32
#define LIST_PIECE 1024

/* Groups that a pass remembers to have signalled: thousands of children are usually of a few groups. */
#define GROUPS_KEPT 16

static int parse_pid(const char **text) {
  int pid = 0;
  while (**text == ' ') (*text)++;
  while (**text >= '0' && **text <= '9') pid = pid * 10 + (*(*text)++ - '0');
  return pid;
}

/* Parent and state, read in one go: the name in parentheses may hold anything, so look for the last one. */
static bool read_stat(pid_t pid, pid_t *parent, char *state) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (read_file(path, text, sizeof text) <= 0) return false;
  const char *end = strrchr(text, ')');
  if (end == NULL || strlen(end) < 5) return false;
  *state = end[2];
  const char *rest = end + 4;
  *parent = parse_pid(&rest);
  return true;
}

char state_of(pid_t pid) {
  pid_t parent;
  char state = 0;
  if (!read_stat(pid, &parent, &state)) return 0;
  return state;
}

pid_t parent_of(pid_t pid) {
  pid_t parent;
  char state;
  return read_stat(pid, &parent, &state) ? parent : -1;
}

bool kernel_lists_children(void) { return access("/proc/thread-self/children", R_OK) == 0; }

typedef void visit(pid_t pid, void *context);

/* The list is visited as it is read, piece by piece: nothing is done between reading a pid and signalling it. False: no list. */
static bool visit_list(const char *path, visit *each, void *context) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[LIST_PIECE];
  size_t length = 0;
  for (;;) {
    ssize_t got = read(file, text + length, sizeof text - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
    text[length] = 0;
    /* The last number may be cut off: keep it for the next read. */
    char *end = strrchr(text, ' ');
    if (end == NULL) continue;
    *end = 0;
    for (const char *at = text; *at != 0;) {
      int pid = parse_pid(&at);
      if (pid <= 0) break;
      each(pid, context);
    }
    size_t rest = length - (size_t)(end + 1 - text);
    memmove(text, end + 1, rest);
    length = rest;
  }
  close(file);
  return true;
}

/* For the children of one process. */
struct search {
  pid_t parent;
  visit *each;
  void *context;
};

static void visit_if_child(const char *name, void *context) {
  const struct search *search = context;
  pid_t pid = parse_pid(&name), parent;
  char state;
  if (pid > 0 && *name == 0 && read_stat(pid, &parent, &state) && parent == search->parent) search->each(pid, search->context);
}

/* Without CONFIG_PROC_CHILDREN: every process whose parent it is. */
static void visit_by_scan(pid_t parent, visit *each, void *context) {
  struct search search = {parent, each, context};
  each_name("/proc", visit_if_child, &search);
}

static void visit_thread(const char *name, void *context) {
  const struct search *search = context;
  if (name[0] == '.') return;
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", search->parent, name);
  visit_list(path, search->each, search->context);
}

/* A child belongs to the thread that forked it: the lists of all threads together are the children of a process. */
static void visit_children_of(pid_t parent, visit *each, void *context) {
  struct search search = {parent, each, context};
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/task", parent);
  each_name(path, visit_thread, &search);
}

/* Groups that this pass has killed. */
struct killed {
  pid_t groups[GROUPS_KEPT];
  unsigned next;
};

struct pass {
  const struct walk *walk;
  struct killed *killed;
  struct census census;
  pid_t parent;
  int depth;
};

static void count_living(struct pass *pass, pid_t pid) {
  struct census *census = &pass->census;
  if (census->living < sizeof census->first / sizeof *census->first) census->first[census->living] = pid;
  census->living++;
}

static bool is_wanted(const struct walk *walk, pid_t pid) {
  if (walk->group == 0 && walk->except == 0) return true;
  pid_t group = getpgid(pid);
  return (walk->group == 0 || group == walk->group) && (walk->except == 0 || group != walk->except);
}

static void visit_deep(pid_t pid, void *context) {
  struct pass *pass = context;
  const struct walk *walk = pass->walk;
  int pidfd = open_pidfd(pid);
  if (pidfd < 0) return;
  pid_t parent;
  char state;
  /* The pidfd pins whatever has this pid now; if its parent is the expected one, it is the process that was listed. */
  if (read_stat(pid, &parent, &state) && parent == pass->parent) {
    if (is_wanted(walk, pid)) {
      if (walk->signal != 0) signal_pidfd(pidfd, walk->signal);
      if (state != 'Z' && state != 'X') {
        count_living(pass, pid);
        pass->census.reached++;
      }
    }
    if (pass->depth < DEPTH_MAX) {
      struct pass below = *pass;
      below.parent = pid;
      below.depth++;
      visit_children_of(pid, visit_deep, &below);
      pass->census = below.census;
    }
  }
  close(pidfd);
}

static bool is_zombie(pid_t child) {
  siginfo_t info = {0};
  /* WNOWAIT: a collected pid could be reused while this pass still holds it. */
  return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && info.si_pid == child;
}

/*
 * A group in a session that was made below us holds only processes from below us, and a group signal is atomic against its forks.
 * The child pins the number of its group. Once a pass is enough: for each of ten thousand members it would be a hundred million.
 */
static void kill_group_of(pid_t child, struct killed *killed) {
  if (getsid(child) == getsid(0)) return;
  pid_t group = getpgid(child);
  if (group <= 1) return;
  for (unsigned i = 0; i < GROUPS_KEPT; i++) {
    if (killed->groups[i] == group) return;
  }
  killed->groups[killed->next++ % GROUPS_KEPT] = group;
  kill(-group, SIGKILL);
}

static void visit_child(pid_t child, void *context) {
  struct pass *pass = context;
  const struct walk *walk = pass->walk;
  if (walk->spare != NULL && walk->spare(child)) return;
  pass->census.children++;
  bool wanted = is_wanted(walk, child), zombie = is_zombie(child);
  if (wanted && !zombie) pass->census.reached++;
  if (wanted && walk->signal != 0) {
    /* A zombie's group may live. */
    if (walk->signal == SIGKILL) kill_group_of(child, pass->killed);
    kill(child, walk->signal);
  }
  if (zombie || (walk->signal == SIGKILL && is_zombie(child))) return;
  if (wanted) count_living(pass, child);
  pass->parent = child;
  pass->depth = 0;
  visit_children_of(child, visit_deep, pass);
}

struct census walk_pass(const struct walk *walk) {
  struct killed killed = {{0}, 0};
  struct pass pass = {.walk = walk, .killed = &killed};
  if (!visit_list("/proc/thread-self/children", visit_child, &pass)) visit_by_scan(getpid(), visit_child, &pass);
  return pass.census;
}

struct census walk_below(pid_t parent, pid_t group) {
  const struct walk count = {.signal = 0, .group = group};
  struct pass pass = {.walk = &count, .parent = parent};
  visit_children_of(parent, visit_deep, &pass);
  return pass.census;
}
