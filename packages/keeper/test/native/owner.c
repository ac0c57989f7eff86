/* The owner of a keeper, as far as the kernel is concerned: the test itself sits behind it. See init.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

struct way {
  int from, to;
  char bytes[65536];
  size_t start, end;
  bool open, deaf;
};

static pid_t guard;
static struct way request = {.open = true}, answer = {.open = true};

static void pass_on(struct way *way, short readable, short writable) {
  if (way->open && readable != 0 && way->start == way->end) {
    ssize_t got = recv(way->from, way->bytes, sizeof way->bytes, MSG_DONTWAIT);
    if (got > 0) way->start = 0, way->end = (size_t)got;
    else if (got == 0 || errno != EAGAIN) way->open = false;
  }
  if (way->start < way->end && (writable != 0 || way->start == 0)) {
    ssize_t sent = send(way->to, way->bytes + way->start, way->end - way->start, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) way->start += (size_t)sent;
    else if (errno != EAGAIN) way->open = false, way->start = way->end = 0;
  }
}

static void flood(long count) {
  static const char listen[12] = {0, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0};
  char block[sizeof listen * 1024];
  for (size_t i = 0; i < 1024; i++) memcpy(block + i * sizeof listen, listen, sizeof listen);
  long sent = 0, all = count * (long)sizeof listen;
  /* Until nothing goes in any more: then the keeper has stopped to read. */
  for (struct pollfd wait = {request.to, POLLOUT, 0}; sent < all && poll(&wait, 1, 300) > 0;) {
    size_t part = (size_t)sent % sizeof listen;
    ssize_t now_sent = send(request.to, block + part, sizeof block - part, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now_sent > 0) sent += now_sent;
  }
  /* The rest of a frame goes out before everything else. */
  size_t part = (size_t)sent % sizeof listen;
  if (part > 0) {
    memcpy(request.bytes, listen + part, sizeof listen - part);
    request.start = 0;
    request.end = sizeof listen - part;
  }
  dprintf(REPORT, "flooded %ld\n", (sent + (long)sizeof listen - 1) / (long)sizeof listen);
}

static void kill_all(void) {
  char *word = strtok(NULL, " ");
  int signal = word == NULL ? 0 : atoi(word), count = 0;
  pid_t pids[64];
  while (count < 64 && (word = strtok(NULL, " ")) != NULL) pids[count++] = atoi(word);
  for (int i = 0; i < count; i++) kill(pids[i] == 0 ? getpid() : pids[i], signal);
}

static int obey(char *line) {
  const char *order = strtok(line, " "), *argument;
  if (order == NULL) return EINVAL;
  if (strcmp(order, "kill") == 0) {
    kill_all();
    return 0;
  }
  argument = strtok(NULL, " ");
  if (strcmp(order, "close") == 0) {
    shutdown(request.to, SHUT_RDWR);
    return 0;
  }
  if (strcmp(order, "deaf") == 0 || strcmp(order, "hear") == 0) {
    answer.deaf = order[0] == 'd';
    return 0;
  }
  if (argument == NULL) return EINVAL;
  if (strcmp(order, "umask") == 0) return umask((mode_t)strtoul(argument, NULL, 8)), 0;
  if (strcmp(order, "chdir") == 0) return chdir(argument) == 0 ? 0 : errno;
  if (strcmp(order, "flood") == 0) return flood(atol(argument)), 0;
  if (strcmp(order, "setgroups") == 0) {
    gid_t group = (gid_t)atoi(argument);
    return setgroups(1, &group) == 0 ? 0 : errno;
  }
  if (strcmp(order, "setuid") == 0) {
    uid_t uid = (uid_t)atoi(argument);
    return setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 ? 0 : errno;
  }
  return EINVAL;
}

static bool take_orders(void) {
  static char text[4096];
  static size_t length;
  ssize_t got = read(ORDERS, text + length, sizeof text - 1 - length);
  if (got <= 0) return false;
  length += (size_t)got;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    int error = obey(text);
    if (error == 0) dprintf(REPORT, "ok\n");
    else dprintf(REPORT, "error %d\n", error);
    length -= (size_t)(end + 1 - text);
    memmove(text, end + 1, length + 1);
  }
  return true;
}

static pid_t start_guard(char **argv, int socket, const sigset_t *ignored, const bool *closed) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < 65; number++) {
    if (number != SIGKILL && number != SIGSTOP && sigismember(ignored, number) == 1) signal(number, SIG_IGN);
  }
  sigprocmask(SIG_SETMASK, ignored, NULL);
  /* Its own report and orders are not the keeper's, which must close them even so: it is a descriptor that has leaked. */
  if (socket != FRAMES) dup2(socket, FRAMES);
  for (int descriptor = 0; descriptor < 3; descriptor++) {
    if (closed[descriptor]) close(descriptor);
  }
  execv(argv[0], argv);
  fail(argv[0]);
}

void run_owner(char **argv, const sigset_t *ignored, const bool *closed) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) fail("socketpair");
  guard = start_guard(argv, pair[1], ignored, closed);
  if (guard < 0) fail("guard");
  close(pair[1]);
  dprintf(REPORT, "guard %d\n", guard);
  request.from = answer.to = FRAMES;
  request.to = answer.from = pair[0];
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int children = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  bool orders = true, finished = false;
  for (;;) {
    if (!request.open && !finished) {
      /* The test is done with it. */
      finished = true;
      shutdown(request.to, SHUT_WR);
    }
    if (!answer.open && waitpid(guard, NULL, WNOHANG) != 0) _exit(0);
    short in = request.open && request.start == request.end ? POLLIN : 0;
    short back = answer.open && !answer.deaf && answer.start == answer.end ? POLLIN : 0;
    struct pollfd wait[4] = {
        {in != 0 || answer.start < answer.end ? FRAMES : -1, (short)(in | (answer.start < answer.end ? POLLOUT : 0)), 0},
        {back != 0 || request.start < request.end ? pair[0] : -1, (short)(back | (request.start < request.end ? POLLOUT : 0)), 0},
        {orders ? ORDERS : -1, POLLIN, 0},
        {children, POLLIN, 0},
    };
    poll(wait, 4, -1);
    struct signalfd_siginfo info[4];
    while (read(children, info, sizeof info) > 0) continue;
    pass_on(&request, wait[0].revents & ~POLLOUT & (in != 0 ? ~0 : 0), wait[1].revents & POLLOUT);
    pass_on(&answer, wait[1].revents & ~POLLOUT & (back != 0 ? ~0 : 0), wait[0].revents & POLLOUT);
    if (wait[2].revents != 0) orders = take_orders();
    /* The test is gone, and both sockets to the keeper are full: they would stay so. */
    if (!orders) answer.deaf = false;
    if (!orders && !answer.open && request.start < request.end) _exit(0);
  }
}
