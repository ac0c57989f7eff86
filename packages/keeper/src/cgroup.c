#define _GNU_SOURCE
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger.h"
#include "setup.h"
#include "system.h"

/* Groups in groups that are looked into without cgroup.kill; whoever nests them deeper is reached by the walk over the tree. */
#define DEPTH_MAX 8

#define CONTROLLER_MAX 32

#ifndef KILL_FILE
#define KILL_FILE "cgroup.kill"
#endif

static int open_directory(int parent, const char *name) {
  return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_nursery(void) {
  if (!atomic_load(&ledger->cgroup.made)) {
    errno = ENOENT;
    return -1;
  }
  return open_directory(AT_FDCWD, ledger->cgroup.path);
}

int cgroups_begin(const char *path) {
  struct nursery_cgroup *own = &ledger->cgroup;
  if (atomic_load(&own->made)) return strcmp(own->path, path) == 0 ? 0 : EINVAL;
  memcpy(own->path, path, strlen(path) + 1);
  /* Before it is made: a keeper that is killed in between leaves nothing. */
  atomic_store(&own->made, 1);
  if (mkdir(path, 0755) == 0) return 0;
  int error = errno;
  atomic_store(&own->made, 0);
  return error;
}

/* The name of the first group below another one, if there is any. */
struct first {
  int parent;
  bool found;
  char name[NAME_MAX + 1];
};

static void take_first(const char *name, void *context) {
  struct first *first = context;
  struct stat about;
  if (first->found || name[0] == '.') return;
  if (fstatat(first->parent, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(about.st_mode)) return;
  first->found = true;
  snprintf(first->name, sizeof first->name, "%s", name);
}

static bool find_first(int parent, struct first *first) {
  first->parent = parent;
  first->found = false;
  each_name_in(parent, take_first, first);
  return first->found;
}

/* Removes one group below another that has none below itself: they may be nested deeper than any stack. */
static bool remove_one_below(int top) {
  struct first first;
  int parent = -1, at = dup(top);
  while (at >= 0 && find_first(at, &first)) {
    if (parent >= 0) close(parent);
    parent = at;
    at = open_directory(parent, first.name);
  }
  /* The name is that of the last one that was found. */
  bool removed = at >= 0 && parent >= 0 && unlinkat(parent, first.name, AT_REMOVEDIR) == 0;
  if (at >= 0) close(at);
  if (parent >= 0) close(parent);
  return removed;
}

static bool is_populated(int group) {
  char text[256];
  return read_file_at(group, "cgroup.events", text, sizeof text) > 0 && strstr(text, "populated 1") != NULL;
}

/* With what is in it and below it. */
static bool remove_group(int parent, const char *name) {
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  int group = open_directory(parent, name);
  if (group < 0) return errno == ENOENT;
  cgroup_kill(group);
  /* Groups that somebody else has made in it may be not ours to remove; but then nothing lives there. */
  bool gone = !is_populated(group);
  while (remove_one_below(group)) continue;
  close(group);
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT || gone;
}

bool cgroups_end(void) { return !atomic_load(&ledger->cgroup.made) || remove_group(AT_FDCWD, ledger->cgroup.path); }

static void name_of(uint32_t process, char name[16]) { snprintf(name, 16, "%u", process); }

bool cgroup_remove(uint32_t process) {
  int nursery = open_nursery();
  if (nursery < 0) return errno == ENOENT;
  char name[16];
  name_of(process, name);
  bool removed = remove_group(nursery, name);
  close(nursery);
  return removed;
}

/* Whether a process is in a group of this nursery, whose name nothing else has. */
static bool is_member(pid_t pid) {
  char path[32], text[CGROUP_PATH_MAX + 1024];
  snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
  return read_file(path, text, sizeof text) > 0 && strstr(text, strrchr(ledger->cgroup.path, '/')) != NULL;
}

static void kill_listed(int group) {
  int file = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  char text[1024];
  size_t length = 0;
  for (ssize_t got; (got = read(file, text + length, sizeof text - 1 - length)) > 0;) {
    length += (size_t)got;
    text[length] = 0;
    char *at = text;
    /* The last number may be cut off: it is kept for the next read. */
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
      pid_t pid = (pid_t)strtol(at, NULL, 10);
      int pidfd = pid > 0 ? open_pidfd(pid) : -1;
      /* The pidfd pins whatever has this pid now. */
      if (pidfd >= 0 && is_member(pid)) signal_pidfd(pidfd, SIGKILL);
      if (pidfd >= 0) close(pidfd);
    }
    length -= (size_t)(at - text);
    memmove(text, at, length);
  }
  close(file);
}

struct descent {
  int group, depth;
};

static void kill_below(const char *name, void *context);

static void kill_in(int group, int depth) {
  struct descent descent = {group, depth};
  kill_listed(group);
  if (depth < DEPTH_MAX) each_name_in(group, kill_below, &descent);
}

static void kill_below(const char *name, void *context) {
  const struct descent *descent = context;
  struct stat about;
  if (name[0] == '.' || fstatat(descent->group, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(about.st_mode)) return;
  int group = open_directory(descent->group, name);
  if (group < 0) return;
  kill_in(group, descent->depth + 1);
  close(group);
}

void cgroup_kill(int group) {
  if (write_file_at(group, KILL_FILE, "1") == 0) return;
  /* None of them forks while it is frozen, and SIGKILL ends what is. */
  write_file_at(group, "cgroup.freeze", "1");
  kill_in(group, 0);
  write_file_at(group, "cgroup.freeze", "0");
}

int cgroup_enter(int group) { return write_file_at(group, "cgroup.procs", "0"); }

/* The file of a limit is there where its controller is enabled in the group above; above that the owner has seen to it. errno. */
static int enable(const char *file) {
  char controller[CONTROLLER_MAX + 2];
  snprintf(controller, sizeof controller, "+%.*s", (int)strcspn(file, "."), file);
  int nursery = open_nursery();
  if (nursery < 0) return errno;
  int error = write_file_at(nursery, "cgroup.subtree_control", controller);
  close(nursery);
  return error;
}

static int set_file(int group, const char *file, const char *value) {
  int error = write_file_at(group, file, value);
  if (error == ENOENT && (error = enable(file)) == 0) error = write_file_at(group, file, value);
  return error;
}

static int make_group(uint32_t process, struct launch_failure *failure) {
  char name[16];
  name_of(process, name);
  *failure = (struct launch_failure){STEP_CONTAINMENT, 0, CONTAINMENT_CGROUP};
  int nursery = open_nursery(), group = -1;
  if (nursery >= 0 && mkdirat(nursery, name, 0755) == 0) group = open_directory(nursery, name);
  failure->error = errno;
  if (nursery >= 0) close(nursery);
  return group;
}

bool cgroup_begin(const struct plan *plan, int *group, struct launch_failure *failure) {
  *group = -1;
  if (!plan->job->in_cgroup) return true;
  int made = make_group(plan->job->process, failure);
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  while (made >= 0 && setup_next(&item)) {
    if (item.head.kind != SETUP_CGROUP_FILE) continue;
    int error = set_file(made, item.payload, item.payload + strlen(item.payload) + 1);
    if (error == 0) continue;
    *failure = (struct launch_failure){STEP_LIMITS, error, item.index};
    close(made);
    made = -1;
  }
  *group = made;
  if (made < 0) cgroup_remove(plan->job->process);
  return made >= 0;
}
