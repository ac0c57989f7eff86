/*
 * A process that does what its arguments say, word by word, and tells what it sees. Tests build exact trees of processes from it.
 *
 *   fork { ... }     a child does what stands between the braces and ends with 0
 *   repeat N { ... } N times
 *   setsid           leads a new session
 *   setpgid          leads a new process group
 *   ignore           ignores every signal that can be ignored
 *   echo TEXT        a line on stdout
 *   pid NAME         the line `NAME <pid>` on stdout
 *   fds              its descriptors: lines `<number> <what> <flags of the open file>`
 *   status           lines of what it was started with: ids, group, session, masks, umask, directory, limits
 *   args             the number of its arguments and their bytes
 *   env              its environment, a variable a line
 *   read             its stdin, until it ends
 *   wait             for all its children
 *   pause            for ever
 *   burn MS          processor time
 *   touch MB         of memory
 *   kill SIGNAL      to its parent
 *   group SIGNAL     to its process group
 *   trace            stops its parent as a debugger would, and pauses
 *   raise SIGNAL
 *   chain            for ever: forks and exits, the child does the same
 *   bomb MS          children that do the same, as fast as they can; each ends by itself after so many milliseconds; the first says
 *                    `full` when no more can be forked
 *   root             all user ids 0: it has to be a set-user-ID program
 *   attach PID       becomes the debugger of another process, which goes on
 *   notify TEXT      to the socket that NOTIFY_SOCKET names, where it names one; waits while that is full
 *   flood N BYTES    so many texts `STATUS=<number>` there, filled up with dots to so many bytes
 *   pass N TEXT      the same with so many descriptors of one end of a pipe, and waits until the last of them is closed
 *   barrier          `pass 1 BARRIER=1`
 *   exit CODE
 *   exec PROGRAM ..  with the words that follow
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static _Noreturn void fail(const char *word) {
  dprintf(2, "probe: %s: %s\n", word, strerror(errno));
  _exit(99);
}

static long milliseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void show_descriptors(void) {
  for (int descriptor = 0; descriptor < 4096; descriptor++) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) continue;
    char path[32], target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    dprintf(1, "%d %s %o\n", descriptor, target, (unsigned)flags);
  }
}

static void show_status(void) {
  sigset_t blocked;
  sigprocmask(SIG_SETMASK, NULL, &blocked);
  int count_blocked = 0, count_ignored = 0, death = 0;
  for (int number = 1; number < 65; number++) {
    struct sigaction action;
    if (sigismember(&blocked, number) == 1) count_blocked++;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN) count_ignored++;
  }
  prctl(PR_GET_PDEATHSIG, &death);
  mode_t mask = umask(0);
  umask(mask);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  char directory[PATH_MAX];
  uid_t uids[3];
  gid_t gids[3], groups[64];
  getresuid(&uids[0], &uids[1], &uids[2]);
  getresgid(&gids[0], &gids[1], &gids[2]);
  dprintf(1, "pid %d\nppid %d\npgid %d\nsid %d\n", getpid(), getppid(), getpgid(0), getsid(0));
  dprintf(1, "blocked %d\nignored %d\ndeath %d\numask %03o\n", count_blocked, count_ignored, death, (unsigned)mask);
  dprintf(1, "uid %u %u %u\ngid %u %u %u\ngroups", uids[0], uids[1], uids[2], gids[0], gids[1], gids[2]);
  int count = getgroups(64, groups);
  for (int i = 0; i < count; i++) dprintf(1, " %u", groups[i]);
  dprintf(1, "\ncwd %s\nnofile %ld %ld\n", getcwd(directory, sizeof directory) == NULL ? "?" : directory, (long)files.rlim_cur,
          (long)files.rlim_max);
}

static void show_arguments(char **argv) {
  size_t count = 0, bytes = 0;
  for (; argv[count] != NULL; count++) bytes += strlen(argv[count]);
  dprintf(1, "%zu %zu\n", count, bytes);
}

static void bomb(long time) {
  long end = milliseconds(CLOCK_MONOTONIC) + time;
  pid_t first = getpid();
  int told = 0;
  /* Its own end, whatever becomes of those who should end it. */
  while (milliseconds(CLOCK_MONOTONIC) < end) {
    if (fork() > 0) waitpid(-1, NULL, WNOHANG);
    else if (errno == EAGAIN && getpid() == first && !told++) dprintf(1, "full\n");
  }
}

static _Noreturn void chain(void) {
  long end = milliseconds(CLOCK_MONOTONIC) + 20000;
  while (milliseconds(CLOCK_MONOTONIC) < end) {
    if (fork() > 0) _exit(0);
  }
  _exit(0);
}

static void trace_parent(void) {
  pid_t parent = getppid();
  if (ptrace(PTRACE_ATTACH, parent, NULL, NULL) != 0) fail("trace");
  while (waitpid(parent, NULL, __WALL) < 0 && errno == EINTR) continue;
}

#define PASSED_MAX 253

/* A descriptor is sent so many times. */
static void send_notification(const char *text, size_t size, int descriptor, int count) {
  const char *name = getenv("NOTIFY_SOCKET");
  if (name == NULL) return;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  if (length >= sizeof address.sun_path) fail("notify");
  memcpy(address.sun_path, name, length);
  if (name[0] == '@') address.sun_path[0] = 0;
  union {
    char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    struct cmsghdr aligned;
  } control = {{0}};
  struct iovec part = {(char *)(uintptr_t)text, size};
  struct msghdr message = {.msg_name = &address, .msg_iov = &part, .msg_iovlen = 1};
  message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
    for (int i = 0; i < count; i++) memcpy(CMSG_DATA(rights) + (size_t)i * sizeof(int), &descriptor, sizeof(int));
  }
  int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (from < 0 || sendmsg(from, &message, MSG_NOSIGNAL) < 0) fail("notify");
  close(from);
}

static void pass(int count, const char *text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pass");
  send_notification(text, strlen(text), ends[1], count);
  close(ends[1]);
  char byte;
  while (read(ends[0], &byte, 1) < 0 && errno == EINTR) continue;
  close(ends[0]);
}

static void flood(long count, size_t size) {
  char *text = malloc(size + 32);
  if (text == NULL) fail("flood");
  for (long i = 0; i < count; i++) {
    memset(text, '.', size);
    int length = snprintf(text, size + 32, "STATUS=%ld", i);
    if ((size_t)length < size) text[length] = '.';
    send_notification(text, (size_t)length < size ? size : (size_t)length, -1, 0);
  }
  free(text);
}

static char **closing(char **at) {
  for (int depth = 0; *at != NULL; at++) {
    if (strcmp(*at, "{") == 0) depth++;
    else if (strcmp(*at, "}") == 0 && --depth == 0) return at;
  }
  errno = EINVAL;
  fail("{");
}

/* Up to a closing brace or the last word. */
static void run(char **argv, char **at) {
  for (; *at != NULL && strcmp(*at, "}") != 0; at++) {
    const char *word = *at;
#define IS(name) (strcmp(word, name) == 0)
    if (IS("fork")) {
      pid_t child = fork();
      if (child < 0) fail(word);
      if (child == 0) {
        run(argv, at + 2);
        _exit(0);
      }
      at = closing(at + 1);
    } else if (IS("repeat")) {
      for (int i = atoi(at[1]); i > 0; i--) run(argv, at + 3);
      at = closing(at + 2);
    } else if (IS("setsid")) {
      if (setsid() < 0) fail(word);
    } else if (IS("setpgid")) {
      if (setpgid(0, 0) < 0) fail(word);
    } else if (IS("ignore")) {
      for (int number = 1; number < 65; number++) {
        if (number != SIGCHLD) signal(number, SIG_IGN);
      }
    } else if (IS("echo")) dprintf(1, "%s\n", *++at);
    else if (IS("pid")) dprintf(1, "%s %d\n", *++at, getpid());
    else if (IS("fds")) show_descriptors();
    else if (IS("status")) show_status();
    else if (IS("args")) show_arguments(argv);
    else if (IS("env")) {
      for (char **variable = environ; *variable != NULL; variable++) dprintf(1, "%s\n", *variable);
    } else if (IS("read")) {
      char buffer[4096];
      while (read(0, buffer, sizeof buffer) > 0) continue;
    } else if (IS("wait")) {
      while (wait(NULL) > 0 || errno == EINTR) continue;
    } else if (IS("pause")) {
      for (;;) pause();
    } else if (IS("burn")) {
      for (long end = atol(*++at); milliseconds(CLOCK_PROCESS_CPUTIME_ID) < end;) continue;
    } else if (IS("touch")) {
      size_t size = (size_t)atol(*++at) << 20;
      char *memory = malloc(size);
      if (memory == NULL) fail(word);
      memset(memory, 1, size);
      /* Used afterwards, so that it is not left out. */
      if (memory[size / 2] != 1) fail(word);
    } else if (IS("kill")) kill(getppid(), atoi(*++at));
    else if (IS("group")) kill(0, atoi(*++at));
    else if (IS("raise")) raise(atoi(*++at));
    else if (IS("trace")) trace_parent();
    else if (IS("chain")) chain();
    else if (IS("notify")) {
      at++;
      send_notification(*at, strlen(*at), -1, 0);
    } else if (IS("flood")) {
      flood(atol(at[1]), (size_t)atol(at[2]));
      at += 2;
    } else if (IS("pass")) {
      pass(atoi(at[1]), at[2]);
      at += 2;
    } else if (IS("barrier")) pass(1, "BARRIER=1");
    else if (IS("bomb")) bomb(atol(*++at));
    else if (IS("root")) {
      if (setresuid(0, 0, 0) != 0) fail(word);
    } else if (IS("attach")) {
      if (ptrace(PTRACE_SEIZE, atoi(*++at), NULL, NULL) != 0) fail(word);
    } else if (IS("exit")) _exit(atoi(at[1]));
    else if (IS("exec")) {
      execvp(at[1], at + 1);
      fail(at[1]);
    } else {
      errno = EINVAL;
      fail(word);
    }
  }
}

int main(int argc, char **argv) {
  if (argc > 1) run(argv, argv + 1);
  return 0;
}
