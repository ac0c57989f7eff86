/*
 * Runs a program as a machine's init would, and reports everything that it leaves behind.
 *
 *   init [-u UID] [-n PROCESSES] MILLISECONDS PROGRAM [ARGUMENT]...
 *
 * It is a subreaper, so every process below it that loses its parent falls to it; and it collects them all, which the init of a
 * container often does not. When the program has ended it waits for the rest, at most MILLISECONDS; what is alive then is
 * reported and killed. Nothing of a program's tree outlives it, nor it its standard input, by which it also takes orders:
 *
 *   kill SIGNAL PID...    all at once; `owner` is the program, which is signalled only as long as it has not been collected
 *
 * With -u it gives up its privileges first, and with -n no more than so many processes of that user may be there.
 *
 * Reports are lines of JSON on descriptor 3: {"started":pid}, {"ended":wait status}, {"collected":pid,"name":..,"status":..} for
 * each process that fell to it, {"left":pid,"name":..,"state":..} for each that was still there, {"empty":milliseconds since the
 * program's end}.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPORT 3

static pid_t owner;
static bool owner_ended;

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
  exit(99);
}

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

struct about {
  char name[32];
  char state;
  pid_t parent;
};

static bool look_at(pid_t pid, struct about *about) {
  char path[32], text[512];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  if (length <= 0) return false;
  text[length] = 0;
  char *open = strchr(text, '('), *close = strrchr(text, ')');
  if (open == NULL || close == NULL) return false;
  snprintf(about->name, sizeof about->name, "%.*s", (int)(close - open - 1), open + 1);
  for (char *at = about->name; *at != 0; at++) {
    if (*at < ' ' || *at == '"' || *at == '\\') *at = '?';
  }
  return sscanf(close + 1, " %c %d", &about->state, &about->parent) == 2;
}

static void collect(pid_t pid) {
  struct about about = {.name = "?"};
  look_at(pid, &about);
  int status;
  if (waitpid(pid, &status, __WALL) != pid) return;
  if (pid == owner) {
    owner_ended = true;
    dprintf(REPORT, "{\"ended\":%d}\n", status);
  } else {
    dprintf(REPORT, "{\"collected\":%d,\"name\":\"%s\",\"status\":%d}\n", pid, about.name, status);
  }
}

/* False when nothing is left. */
static bool collect_ended(void) {
  for (;;) {
    siginfo_t info = {0};
    /* The name is read while it is still a zombie. */
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) return errno != ECHILD;
    if (info.si_pid == 0) return true;
    collect(info.si_pid);
  }
}

static bool is_below_us(pid_t pid) {
  struct about about;
  for (int depth = 0; depth < 64 && pid > 1; depth++) {
    if (!look_at(pid, &about)) return false;
    if (about.parent == getpid()) return true;
    pid = about.parent;
  }
  return false;
}

static void for_all_below(void each(pid_t pid, const struct about *about)) {
  DIR *directory = opendir("/proc");
  if (directory == NULL) fail("/proc");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    pid_t pid = atoi(entry->d_name);
    struct about about;
    if (pid > 0 && is_below_us(pid) && look_at(pid, &about)) each(pid, &about);
  }
  closedir(directory);
}

static void report_left(pid_t pid, const struct about *about) {
  dprintf(REPORT, "{\"left\":%d,\"name\":\"%s\",\"state\":\"%c\"}\n", pid, about->name, about->state);
}

static void kill_one(pid_t pid, const struct about *about) {
  if (about->state != 'Z') kill(pid, SIGKILL);
}

static _Noreturn void kill_everything(int code) {
  while (collect_ended()) {
    for_all_below(kill_one);
    usleep(1000);
  }
  exit(code);
}

static void obey(char *line) {
  char *word = strtok(line, " ");
  if (word == NULL || strcmp(word, "kill") != 0 || (word = strtok(NULL, " ")) == NULL) {
    errno = EINVAL;
    fail("order");
  }
  int signal = atoi(word), count = 0;
  pid_t pids[4096];
  while ((word = strtok(NULL, " ")) != NULL && count < 4096) {
    bool is_owner = strcmp(word, "owner") == 0;
    if (!is_owner || !owner_ended) pids[count++] = is_owner ? owner : atoi(word);
  }
  for (int i = 0; i < count; i++) kill(pids[i], signal);
}

static void take_orders(void) {
  static char text[65536];
  static size_t length;
  ssize_t got = read(0, text + length, sizeof text - 1 - length);
  if (got <= 0) kill_everything(98);
  length += (size_t)got;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    obey(text);
    length -= (size_t)(end + 1 - text);
    memmove(text, end + 1, length + 1);
  }
}

static void start(char **argv, const sigset_t *signals) {
  owner = fork();
  if (owner < 0) fail("fork");
  if (owner == 0) {
    /* Nobody leads it: it ends with us. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_UNBLOCK, signals, NULL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    close(null);
    close(REPORT);
    execvp(argv[0], argv);
    fail(argv[0]);
  }
  dprintf(REPORT, "{\"started\":%d}\n", owner);
}

static void drop_to(uid_t uid) {
  if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) fail("-u");
  /* Changed identity made /proc/self root's, and that of what we start with it. */
  prctl(PR_SET_DUMPABLE, 1);
}

int main(int argc, char **argv) {
  long processes = -1, uid = -1;
  /* `+`: the program has options of its own. */
  for (int option; (option = getopt(argc, argv, "+u:n:")) != -1;) {
    if (option == 'u') uid = atol(optarg);
    else if (option == 'n') processes = atol(optarg);
    else return 99;
  }
  if (argc - optind < 2) return 99;
  long limit = atol(argv[optind]);
  if (processes >= 0) {
    struct rlimit count = {(rlim_t)processes, (rlim_t)processes};
    if (setrlimit(RLIMIT_NPROC, &count) != 0) fail("-n");
  }
  if (uid >= 0) drop_to((uid_t)uid);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("subreaper");
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int children = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (children < 0) fail("signalfd");
  start(argv + optind + 1, &signals);
  long ended = 0;
  while (collect_ended()) {
    if (owner_ended && ended == 0) ended = now();
    long rest = ended == 0 ? -1 : ended + limit - now();
    if (ended != 0 && rest <= 0) {
      for_all_below(report_left);
      kill_everything(97);
    }
    struct pollfd wait[2] = {{children, POLLIN, 0}, {0, POLLIN, 0}};
    poll(wait, 2, (int)rest);
    struct signalfd_siginfo info[16];
    while (read(children, info, sizeof info) > 0) continue;
    if (wait[1].revents != 0) take_orders();
  }
  dprintf(REPORT, "{\"empty\":%ld}\n", ended == 0 ? 0 : now() - ended);
  return 0;
}
