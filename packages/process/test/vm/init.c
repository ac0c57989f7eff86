/*
 * The first process of the virtual machine: mounts cgroup v2 with all controllers, and runs a program once in a group of its own, as a
 * service manager makes it, once as an ordinary user to whom such a group belongs, and once in the group at the top. The program gets
 * the name of its place as its last word. Says `status NAME CODE` of each, and switches the machine off.
 *
 *   /program   the words of the program, a line each
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDINARY_USER 65534
#define GROUPS "/sys/fs/cgroup"

static void check(int result, const char *what) {
  if (result >= 0) return;
  printf("vm: %s: %s\n", what, strerror(errno));
  fflush(stdout);
  reboot(RB_POWER_OFF);
}

static void mount_all(void) {
  check(mount("proc", "/proc", "proc", 0, NULL), "/proc");
  check(mount("sys", "/sys", "sysfs", 0, NULL), "/sys");
  check(mount("dev", "/dev", "devtmpfs", 0, NULL), "/dev");
  check(chmod("/tmp", 01777), "/tmp");
  check(mount("cgroup2", GROUPS, "cgroup2", 0, NULL), "cgroup v2");
}

static char *words[64];
static int word_count;

static void read_program(void) {
  static char text[8192];
  int file = open("/program", O_RDONLY);
  ssize_t length = read(file, text, sizeof text - 1);
  check((int)length, "/program");
  for (char *word = strtok(text, "\n"); word != NULL && word_count < 62; word = strtok(NULL, "\n")) words[word_count++] = word;
}

static void join(const char *group) {
  char path[256];
  snprintf(path, sizeof path, "%s/cgroup.procs", group);
  int file = open(path, O_WRONLY);
  check(file, path);
  check((int)write(file, "0", 1), path);
  close(file);
}

/* The group that the program has moved into: its guard removes that, which may be still at it. */
static int is_left_behind(const char *group) {
  char path[256];
  snprintf(path, sizeof path, "%s/nursery-program", group);
  for (int attempt = 0; attempt < 200; attempt++) {
    if (access(path, F_OK) != 0) return 0;
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    usleep(50000);
  }
  return 1;
}

static void run(const char *name, const char *group, uid_t uid) {
  char path[256];
  static const char *const files[] = {"", "/cgroup.procs", "/cgroup.subtree_control"};
  if (group != NULL) {
    check(mkdir(group, 0755), group);
    int all = open(GROUPS "/cgroup.subtree_control", O_WRONLY);
    check((int)write(all, "+memory +cpu +pids +io", 22), "the controllers");
    close(all);
    for (int i = 0; i < 3; i++) {
      snprintf(path, sizeof path, "%s%s", group, files[i]);
      check(chown(path, uid, uid), path);
    }
  }
  pid_t child = fork();
  if (child == 0) {
    if (group != NULL) join(group);
    words[word_count] = (char *)(uintptr_t)name;
    words[word_count + 1] = NULL;
    setgroups(0, NULL);
    check(setgid(uid), "the group");
    check(setuid(uid), "the user");
    static char *environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", NULL};
    execve(words[0], words, environment);
    check(-1, words[0]);
  }
  int status;
  while (wait(&status) != child) continue;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (group != NULL && is_left_behind(group)) code = 99;
  printf("status %s %d\n", name, code);
  fflush(stdout);
}

int main(void) {
  mount_all();
  read_program();
  run("service", GROUPS "/service", 0);
  run("user", GROUPS "/user", ORDINARY_USER);
  run("top", NULL, 0);
  reboot(RB_POWER_OFF);
}
