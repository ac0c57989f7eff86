/*
 * A process that does what its arguments say, word by word. Tests build trees of processes from it, of which every step is exact
 * and reported, and which need no interpreter.
 *
 *   fork { ... }    a child does what stands between the braces, and exits with 0 after it
 *   setsid          leads a new session
 *   setpgid         leads a new process group
 *   ignore          ignores every signal that can be ignored
 *   hold            blocks SIGTERM, until `term` takes one
 *   term            waits for a SIGTERM that was held
 *   close           closes all its descriptors
 *   subreaper       orphans below it become its children: a supervisor of its own
 *   say NAME        writes the line "NAME <pid>" into the FIFO $NURSERY_NEWS
 *   write TEXT      to stdout
 *   flood COUNT     that many bytes to stdout
 *   read            its stdin, until it ends
 *   wait            for all its children to end
 *   sleep           for longer than any test takes
 *   raise SIGNAL    a number
 *   murder          SIGKILL to its parent
 *   freeze          SIGSTOP to its parent
 *   traceable       by any process of its user, also where only ancestors may
 *   trace PID       becomes the tracer of a process: when that dies, nobody else can collect it
 *   become          root, for good: only with the set-user-id bit
 *   steal           copies all descriptors of the owner of its nursery, where the system allows it
 *   storm COUNT     for ever: children that live shortly, that many at once
 *   bomb SECONDS    children that do the same, as fast as they can, until that time has passed
 *   notify TEXT     to the socket of sd_notify(3) that it was given
 *   hand NAME       over a pipe with its name in it, for those that come after it (FDSTORE=1)
 *   barrier         waits until all that it has sent there has been taken
 *   exit CODE
 *   exec PROGRAM .. with the words that follow, to the end of the block
 *
 * The kernel shows it by the name $NURSERY_MARK, also as a zombie, when its environment is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static _Noreturn void fail(const char *word) {
  fprintf(stderr, "actor: %s: %s\n", word, strerror(errno));
  _exit(99);
}

static void check(int result, const char *word) {
  if (result < 0) fail(word);
}

static void say(const char *name) {
  char line[128];
  int length = snprintf(line, sizeof line, "%s %d\n", name, getpid());
  int news = open(getenv("NURSERY_NEWS"), O_WRONLY | O_CLOEXEC);
  check(news, "say");
  /* Shorter than PIPE_BUF: lines of many writers never mix. */
  check((int)write(news, line, (size_t)length), "say");
  close(news);
}

static void close_all(void) {
  if (syscall(SYS_close_range, 0u, ~0u, 0) == 0) return;
  for (int descriptor = 0; descriptor < 1024; descriptor++) close(descriptor);
}

static void ignore_all(void) {
  for (int number = 1; number <= 64; number++) {
    /* Without SIGCHLD it could not wait. */
    if (number != SIGCHLD) signal(number, SIG_IGN);
  }
}

static void block_term(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigprocmask(SIG_BLOCK, set, NULL);
}

static void wait_term(void) {
  sigset_t set;
  block_term(&set);
  int number;
  sigwait(&set, &number);
}

/* Should a test fail in a way that leaves it, it does not stay for ever. */
static _Noreturn void sleep_long(void) {
  time_t end = time(NULL) + 300;
  while (time(NULL) < end) sleep((unsigned)(end - time(NULL)));
  _exit(98);
}

static void flood(long count) {
  static char bytes[65536];
  memset(bytes, 'x', sizeof bytes);
  while (count > 0) {
    ssize_t written = write(1, bytes, count < (long)sizeof bytes ? (size_t)count : sizeof bytes);
    check((int)written, "flood");
    count -= written;
  }
}

static void read_all(void) {
  char bytes[4096];
  while (read(0, bytes, sizeof bytes) > 0) continue;
}

static _Noreturn void storm(long count) {
  long running = 0;
  for (;;) {
    while (running < count) {
      pid_t child = fork();
      if (child == 0) _exit(0);
      if (child < 0) break;
      running++;
    }
    if (wait(NULL) > 0) running--;
  }
}

/* The time is the same for all of them, so that a bomb whose test failed goes out by itself. */
static _Noreturn void bomb(long seconds) {
  time_t end = time(NULL) + seconds;
  while (time(NULL) < end) fork();
  _exit(0);
}

static pid_t parent_of(pid_t pid) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (length <= 0) fail("steal");
  close(file);
  text[length] = 0;
  char *end = strrchr(text, ')');
  int parent;
  if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) fail("steal");
  return parent;
}

static void steal(void) {
  pid_t reaper = getppid(), keeper = parent_of(reaper), guard = parent_of(keeper), owner = parent_of(guard);
  int pidfd = (int)syscall(SYS_pidfd_open, owner, 0);
  for (int descriptor = 0; pidfd >= 0 && descriptor < 100; descriptor++) syscall(SYS_pidfd_getfd, pidfd, descriptor, 0);
}

/* With a descriptor, unless that is -1. */
static void notify(const char *text, int descriptor) {
  const char *name = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (name == NULL || strlen(name) >= sizeof address.sun_path) fail("notify");
  memcpy(address.sun_path, name, strlen(name));
  if (name[0] == '@') address.sun_path[0] = 0;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
  } control = {{0}};
  struct iovec part = {(char *)text, strlen(text)};
  struct msghdr message = {.msg_name = &address, .msg_iov = &part, .msg_iovlen = 1};
  message.msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
  if (descriptor >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    control.aligned = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(&control.aligned), &descriptor, sizeof(int));
  }
  int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check((int)sendmsg(from, &message, 0), "notify");
  close(from);
}

static void hand_over(const char *name) {
  int ends[2];
  char text[300];
  check(pipe2(ends, O_CLOEXEC), "hand");
  check((int)write(ends[1], name, strlen(name)), "hand");
  snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
  notify(text, ends[0]);
  close(ends[0]);
  close(ends[1]);
}

static void pass_barrier(void) {
  int ends[2];
  check(pipe(ends), "barrier");
  notify("BARRIER=1", ends[1]);
  close(ends[1]);
  char byte;
  while (read(ends[0], &byte, 1) < 0 && errno == EINTR) continue;
  close(ends[0]);
}

/* The word after the brace that closes the one before `word`. */
static char **after_block(char **word) {
  for (int depth = 1; *word != NULL; word++) {
    if (strcmp(*word, "{") == 0) depth++;
    if (strcmp(*word, "}") == 0 && --depth == 0) return word + 1;
  }
  fprintf(stderr, "actor: a brace is not closed\n");
  _exit(99);
}

static bool is(const char *word, const char *name) { return strcmp(word, name) == 0; }

static _Noreturn void execute(char **word) {
  for (char **end = word; *end != NULL; end++) {
    if (is(*end, "}")) *end = NULL;
    if (*end == NULL) break;
  }
  execvp(word[0], word);
  fail(word[0]);
}

static void perform(char **word) {
  sigset_t set;
  for (; *word != NULL; word++) {
    const char *name = *word;
    if (is(name, "fork")) {
      pid_t child = fork();
      check(child, name);
      /* A child goes on behind its opening brace, and ends at the closing one. */
      if (child == 0) word++;
      else word = after_block(word + 2) - 1;
    }
    else if (is(name, "}")) _exit(0);
    else if (is(name, "setsid")) check(setsid(), name);
    else if (is(name, "setpgid")) check(setpgid(0, 0), name);
    else if (is(name, "ignore")) ignore_all();
    else if (is(name, "hold")) block_term(&set);
    else if (is(name, "term")) wait_term();
    else if (is(name, "close")) close_all();
    else if (is(name, "subreaper")) check(prctl(PR_SET_CHILD_SUBREAPER, 1), name);
    else if (is(name, "say")) say(*++word);
    else if (is(name, "write")) { word++; check((int)write(1, *word, strlen(*word)), name); }
    else if (is(name, "flood")) flood(atol(*++word));
    else if (is(name, "read")) read_all();
    else if (is(name, "wait")) while (wait(NULL) > 0 || errno == EINTR) continue;
    else if (is(name, "sleep")) sleep_long();
    else if (is(name, "raise")) raise(atoi(*++word));
    else if (is(name, "murder")) kill(getppid(), SIGKILL);
    else if (is(name, "freeze")) kill(getppid(), SIGSTOP);
    else if (is(name, "storm")) storm(atol(*++word));
    else if (is(name, "traceable")) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    else if (is(name, "trace")) check((int)ptrace(PTRACE_SEIZE, atoi(*++word), 0, 0), name);
    else if (is(name, "become")) check(setresuid(0, 0, 0), name);
    else if (is(name, "steal")) steal();
    else if (is(name, "bomb")) bomb(atol(*++word));
    else if (is(name, "notify")) notify(*++word, -1);
    else if (is(name, "hand")) hand_over(*++word);
    else if (is(name, "barrier")) pass_barrier();
    else if (is(name, "exit")) _exit(atoi(*++word));
    else if (is(name, "exec")) execute(word + 1);
    else { errno = EINVAL; fail(name); }
  }
}

int main(int argc, char **argv) {
  const char *mark = getenv("NURSERY_MARK");
  if (mark != NULL) prctl(PR_SET_NAME, mark);
  if (argc > 1) perform(argv + 1);
  return 0;
}
