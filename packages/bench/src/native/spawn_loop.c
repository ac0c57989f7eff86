/*
 * The reference of the spawn benchmarks: as little as a program can do to start others and wait for them.
 *
 *   spawn_loop run  <count> <parallel> <program>   starts <count>, <parallel> at a time, and prints one line: the seconds that
 *                                                  all took; then one line for each: the microseconds from start to collected
 *   spawn_loop lead <count> <parallel> <program>   the same, and each leads a session of its own, as those of Nursery do
 *   spawn_loop hold <count> <program>              starts <count>, prints "ready" and ends them at the end of its standard input
 *   spawn_loop revive <count> <program>            starts <count>, kills all of them and starts each anew; prints the seconds from
 *                                                  the first signal to the last start
 *
 * A child that cannot be started or does not exit with 0 makes it exit with 1.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static posix_spawn_file_actions_t actions;
static posix_spawnattr_t attributes;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The standard streams of every contender's children are /dev/null. */
static void prepare(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null == -1) fail("/dev/null");
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  for (int target = 0; target <= 2; target++) posix_spawn_file_actions_adddup2(&actions, null, target);
}

static pid_t start(char *program) {
  char *argv[] = {program, NULL};
  pid_t pid;
  if (posix_spawn(&pid, program, &actions, &attributes, argv, environ) != 0) fail(program);
  return pid;
}

static void run(long count, long parallel, char *program) {
  double *begun = calloc((size_t)count, sizeof *begun);
  double *took = calloc((size_t)count, sizeof *took);
  pid_t *pids = calloc((size_t)parallel, sizeof *pids);
  long *indexes = calloc((size_t)parallel, sizeof *indexes);
  if (begun == NULL || took == NULL || pids == NULL || indexes == NULL) fail("calloc");

  long started = 0;
  double first = now();
  for (long slot = 0; slot < parallel && started < count; slot++) {
    begun[started] = now();
    indexes[slot] = started++;
    pids[slot] = start(program);
  }
  for (long ended = 0; ended < count; ended++) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == -1) fail("waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      fprintf(stderr, "status %x\n", (unsigned)status);
      exit(1);
    }
    long slot = 0;
    while (pids[slot] != pid) slot++;
    took[indexes[slot]] = now() - begun[indexes[slot]];
    pids[slot] = 0;
    if (started < count) {
      begun[started] = now();
      indexes[slot] = started++;
      pids[slot] = start(program);
    }
  }
  printf("%.6f\n", now() - first);
  for (long index = 0; index < count; index++) printf("%.2f\n", took[index] * 1e6);
}

static void hold(long count, char *program) {
  pid_t *pids = calloc((size_t)count, sizeof *pids);
  if (pids == NULL) fail("calloc");
  for (long index = 0; index < count; index++) pids[index] = start(program);
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  for (long index = 0; index < count; index++) kill(pids[index], SIGTERM);
  while (waitpid(-1, NULL, 0) > 0) continue;
}

static void revive(long count, char *program) {
  pid_t *pids = calloc((size_t)count, sizeof *pids);
  if (pids == NULL) fail("calloc");
  for (long index = 0; index < count; index++) pids[index] = start(program);
  double first = now();
  for (long index = 0; index < count; index++) kill(pids[index], SIGKILL);
  for (long index = 0; index < count; index++) {
    if (waitpid(-1, NULL, 0) == -1) fail("waitpid");
    pids[index] = start(program);
  }
  printf("%.6f\n", now() - first);
  for (long index = 0; index < count; index++) kill(pids[index], SIGKILL);
  while (waitpid(-1, NULL, 0) > 0) continue;
}

int main(int argc, char **argv) {
  prepare();
  if (argc == 5 && strcmp(argv[1], "lead") == 0) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  if (argc == 5) run(atol(argv[2]), atol(argv[3]), argv[4]);
  else if (argc == 4 && strcmp(argv[1], "hold") == 0) hold(atol(argv[2]), argv[3]);
  else if (argc == 4 && strcmp(argv[1], "revive") == 0) revive(atol(argv[2]), argv[3]);
  else return 2;
  return 0;
}
