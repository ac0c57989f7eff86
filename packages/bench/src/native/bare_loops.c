/*
 * What workers reach when nobody looks at what they answer: so many loops at a time, each of which feeds a worker of its own the same
 * requests and drains it.
 *
 * bare_loops <loops> <file> <lines> <worker> [argument]...: each loop gives its worker the file, of so many lines, and counts the lines
 * of the answers. Before that the first line of the file is asked once, so that all workers run. Prints the seconds from there on, the
 * bytes that were answered, and the seconds of processor time of all loops and workers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char answers[1 << 16];

static void check(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

struct figures {
  uint64_t answered;
  double processor;
};

static double at(clockid_t clock) {
  struct timespec time;
  check(clock_gettime(clock, &time) == 0, "clock_gettime");
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Asks `size` bytes of requests, and returns when as many lines have been answered; how many bytes they had. */
static uint64_t ask(int to, int from, const char *requests, size_t size, long lines) {
  uint64_t answered = 0;
  while (lines > 0) {
    struct pollfd ends[2] = {{from, POLLIN, 0}, {size > 0 ? to : -1, POLLOUT, 0}};
    check(poll(ends, 2, -1) > 0, "poll");
    if (ends[1].revents != 0) {
      ssize_t written = write(to, requests, size);
      check(written > 0 || errno == EAGAIN, "write");
      if (written > 0) {
        requests += written;
        size -= (size_t)written;
      }
    }
    if (ends[0].revents == 0) continue;
    ssize_t count = read(from, answers, sizeof answers);
    check(count > 0, "read");
    answered += (uint64_t)count;
    for (char *at = answers; (at = memchr(at, '\n', (size_t)(answers + count - at))) != NULL; at++) lines--;
  }
  return answered;
}

static struct figures loop(const char *requests, size_t size, long lines, char **worker, int ready, int go) {
  int in[2], out[2];
  check(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "pipe2");
  pid_t pid = fork();
  check(pid != -1, "fork");
  if (pid == 0) {
    check(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1, "dup2");
    execvp(worker[0], worker);
    check(0, worker[0]);
  }
  close(in[0]);
  close(out[1]);
  check(fcntl(in[1], F_SETFL, O_NONBLOCK) == 0, "fcntl");
  const char *first = memchr(requests, '\n', size);
  check(first != NULL, "the first line");
  ask(in[1], out[0], requests, (size_t)(first + 1 - requests), 1);
  char byte = 0;
  check(write(ready, &byte, 1) == 1, "ready");
  check(read(go, &byte, 1) == 0, "go");
  clockid_t clock;
  check(clock_getcpuclockid(pid, &clock) == 0, "the clock of a worker");
  double before = at(CLOCK_PROCESS_CPUTIME_ID) + at(clock);
  uint64_t answered = ask(in[1], out[0], requests, size, lines);
  double processor = at(CLOCK_PROCESS_CPUTIME_ID) + at(clock) - before;
  check(write(ready, &byte, 1) == 1, "done");
  close(in[1]);
  int status;
  check(waitpid(pid, &status, 0) == pid && status == 0, "a worker");
  return (struct figures){answered, processor};
}

/* A loop has come so far; one that has failed is not there any more. */
static void heard(int ready) {
  char byte;
  check(read(ready, &byte, 1) == 1, "a loop");
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  long loops = strtol(argv[1], NULL, 10);
  long lines = strtol(argv[3], NULL, 10);
  int file = open(argv[2], O_RDONLY | O_CLOEXEC);
  struct stat about;
  check(file != -1 && fstat(file, &about) == 0, argv[2]);
  size_t size = (size_t)about.st_size;
  const char *requests = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
  struct figures *figures = mmap(NULL, (size_t)loops * sizeof *figures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(requests != MAP_FAILED && figures != MAP_FAILED, "mmap");
  int go[2];
  int *ready = calloc((size_t)loops, sizeof *ready);
  check(ready != NULL && pipe2(go, O_CLOEXEC) == 0, "pipe2");
  for (long index = 0; index < loops; index++) {
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    pid_t pid = fork();
    check(pid != -1, "fork");
    if (pid == 0) {
      close(go[1]);
      figures[index] = loop(requests, size, lines, argv + 4, ends[1], go[0]);
      return 0;
    }
    close(ends[1]);
    ready[index] = ends[0];
  }
  for (long index = 0; index < loops; index++) heard(ready[index]);
  double begin = at(CLOCK_MONOTONIC);
  close(go[1]);
  for (long index = 0; index < loops; index++) heard(ready[index]);
  double seconds = at(CLOCK_MONOTONIC) - begin;
  struct figures sum = {0, 0};
  for (long index = 0; index < loops; index++) {
    int status;
    check(wait(&status) != -1 && status == 0, "a loop");
  }
  for (long index = 0; index < loops; index++) {
    sum.answered += figures[index].answered;
    sum.processor += figures[index].processor;
  }
  printf("%.9f %llu %.9f\n", seconds, (unsigned long long)sum.answered, sum.processor);
  return 0;
}
