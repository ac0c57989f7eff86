/*
 * The reference of P16: what the kernel itself takes for a process in namespaces of its own. An init is forked, executes the program
 * below it, waits for that and tells its end.
 *
 *   namespaces plain <count> <program>     in the namespaces of this program
 *   namespaces isolated <count> <program>  the init is that of a new pid namespace, with mounts of its own and a new /proc; needs root
 *
 * One at a time. Prints the microseconds of each, from the fork until its end is told.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct task {
  char *program;
  int isolated;
  int told; /* a pipe */
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int run_init(void *argument) {
  const struct task *task = argument;
  if (task->isolated && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0) _exit(1);
  if (task->isolated && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) _exit(1);
  pid_t child = vfork();
  if (child == 0) {
    execle(task->program, task->program, (char *)NULL, environ);
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) _exit(1);
  _exit(write(task->told, "", 1) == 1 ? 0 : 1);
}

int main(int argc, char **argv) {
  static char stack[64 << 10] __attribute__((aligned(16)));
  int told[2];
  if (argc != 4 || pipe(told) != 0) return 2;
  struct task task = {argv[3], strcmp(argv[1], "isolated") == 0, told[1]};
  const int flags = SIGCHLD | (task.isolated ? CLONE_NEWPID | CLONE_NEWNS : 0);
  pid_t before = 0;
  for (long left = atol(argv[2]); left > 0; left--) {
    char byte;
    double begin = now();
    pid_t init = clone(run_init, stack + sizeof stack, flags, &task);
    if (init == -1) fail("clone");
    if (read(told[0], &byte, 1) != 1) fail("init");
    printf("%.2f\n", now() - begin);
    /* What the kernel does to end the namespaces goes on beside the next. */
    if (before != 0 && waitpid(before, NULL, 0) != before) fail("waitpid");
    before = init;
  }
  return 0;
}
