/*
 * Runs a keeper below an owner below an init, so that each of them can die in a test, and says what is left afterwards.
 *
 *   init [OPTION]... KEEPER [ARGUMENT]...
 *
 *     -u UID          everything runs as this user (root only)
 *     -l NAME=VALUE   a resource limit, soft and hard: nofile, nproc, sigpending, stack
 *     -n              in a user namespace of its own, where no other processes count against the limit (an ordinary user only)
 *     -N              the same, with -u for that user; and no other can be made in it
 *     -i SIGNAL       is ignored, and blocked, when the guard is started
 *     -c DESCRIPTOR   is closed when the guard is started
 *     -d DIRECTORY    the working directory
 *     -g DIRECTORY    a cgroup that everything is in
 *     -e NAME=ERRNO   seccomp makes this system call fail
 *     -p PID_MAX      in a pid namespace of its own with so few pids (root only)
 *     -t MILLISECONDS how long everything may take to end once the owner has; 20 seconds
 *
 * The owner relays frames between descriptor 3 and the keeper, and obeys the lines that come by descriptor 4:
 *
 *   umask OCTAL, chdir PATH, setuid UID, setgroups GID.., close (the socket to the keeper), deaf (reads nothing from the keeper),
 *   hear (does again), kill SIGNAL PID.. (all at once; 0 is itself), flood COUNT (frames of type LISTEN, sent as one stream)
 *
 * Each is answered by `ok` or `error ERRNO` on descriptor 5, where the init reports, one line each:
 *
 *   owner PID, guard PID, owner-ended STATUS, collected PID NAME STATUS (whatever else fell to it), left PID NAME STATE (still there at
 *   the end of the time, and killed then), empty MILLISECONDS (since the end of the owner)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

static pid_t owner;
static bool owner_ended;
static long end_of_owner;

_Noreturn void fail(const char *what) {
  dprintf(REPORT, "failed %s: %s\n", what, strerror(errno));
  fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
  _exit(99);
}

static long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The options that change this process, which all others are made from. */

static void limit(const char *setting) {
  static const struct {
    const char *name;
    int resource;
  } known[] = {{"nofile=", RLIMIT_NOFILE}, {"nproc=", RLIMIT_NPROC}, {"sigpending=", RLIMIT_SIGPENDING}, {"stack=", RLIMIT_STACK}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t length = strlen(known[i].name);
    if (strncmp(setting, known[i].name, length) != 0) continue;
    rlim_t value = (rlim_t)atol(setting + length);
    struct rlimit both = {value, value};
    if (setrlimit(known[i].resource, &both) != 0) fail(setting);
    return;
  }
  errno = EINVAL;
  fail(setting);
}

static void join_cgroup(const char *directory) {
  char path[4096];
  snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  int file = open(path, O_WRONLY);
  if (file < 0 || write(file, "0", 1) != 1) fail(path);
  close(file);
}

static void forbid(const char *setting) {
  static const struct {
    const char *name;
    int number;
  } known[] = {{"pidfd_open=", SYS_pidfd_open},   {"pidfd_send_signal=", SYS_pidfd_send_signal},
               {"clone3=", SYS_clone3},           {"close_range=", SYS_close_range},
               {"pidfd_getfd=", SYS_pidfd_getfd}, {"memfd_create=", SYS_memfd_create},
               {"mount=", SYS_mount}};
#if defined(__x86_64__)
  const uint32_t machine = AUDIT_ARCH_X86_64;
#else
  const uint32_t machine = AUDIT_ARCH_AARCH64;
#endif
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t length = strlen(known[i].name);
    if (strncmp(setting, known[i].name, length) != 0) continue;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, machine, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)known[i].number, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)atoi(setting + length)),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) fail(setting);
    return;
  }
  errno = EINVAL;
  fail(setting);
}

static void become(uid_t uid) {
  if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) fail("-u");
  /* The change of user has made our entries of /proc root's. */
  prctl(PR_SET_DUMPABLE, 1);
}

static void map_to_itself(const char *path, unsigned id) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || dprintf(file, "%u %u 1", id, id) < 0) fail(path);
  close(file);
}

static void enter_user_namespace(bool last) {
  uid_t uid = getuid();
  gid_t gid = getgid();
  if (unshare(CLONE_NEWUSER) != 0) fail("-n");
  map_to_itself("/proc/self/uid_map", uid);
  /* Without this a group cannot be mapped: user_namespaces(7). */
  int file = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, "deny", 4) != 4) fail("setgroups");
  close(file);
  map_to_itself("/proc/self/gid_map", gid);
  file = last ? open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC) : -1;
  if (last && (file < 0 || write(file, "0", 1) != 1)) fail("max_user_namespaces");
  if (last) close(file);
  /* An owner has none of the capabilities that come with the namespace: a keeper without them could not look into it. */
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capset, &header, none) != 0) fail("capset");
  /* The change of credentials has made our entries of /proc root's. */
  prctl(PR_SET_DUMPABLE, 1);
}

/* Returns in the init of the namespace; what stays outside passes its exit status on. */
static void enter_namespace(const char *pid_max) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) fail("unshare");
  pid_t inside = fork();
  if (inside < 0) fail("fork");
  if (inside > 0) {
    close(FRAMES);
    close(ORDERS);
    int status;
    while (waitpid(inside, &status, 0) < 0) continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0) fail("mount");
  int file = open("/proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, pid_max, strlen(pid_max)) < 0) fail("pid_max");
  close(file);
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
    if (*at <= ' ') *at = '_';
  }
  return sscanf(close + 1, " %c %d", &about->state, &about->parent) == 2;
}

/* False when there is nothing left to wait for. */
static bool collect(void) {
  for (;;) {
    siginfo_t info = {0};
    /* The name is read while it is still a zombie. */
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) return errno != ECHILD;
    pid_t pid = info.si_pid;
    if (pid == 0) return true;
    struct about about = {.name = "?"};
    look_at(pid, &about);
    int status;
    if (waitpid(pid, &status, __WALL) != pid) continue;
    if (pid == owner) {
      owner_ended = true;
      end_of_owner = now();
      dprintf(REPORT, "owner-ended %d\n", status);
    } else {
      dprintf(REPORT, "collected %d %s %d\n", pid, about.name, status);
    }
  }
}

static bool is_below_us(pid_t pid) {
  struct about about;
  for (int depth = 0; depth < 100 && pid > 1; depth++) {
    if (!look_at(pid, &about)) return false;
    if (about.parent == getpid()) return true;
    pid = about.parent;
  }
  return false;
}

static void end_what_is_left(bool report) {
  DIR *directory = opendir("/proc");
  if (directory == NULL) fail("/proc");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    pid_t pid = atoi(entry->d_name);
    struct about about;
    if (pid <= 0 || !is_below_us(pid) || !look_at(pid, &about)) continue;
    if (report) dprintf(REPORT, "left %d %s %c\n", pid, about.name, about.state);
    kill(pid, SIGKILL);
  }
  closedir(directory);
}

static void wait_for_all(long time) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int children = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  bool reported = false;
  while (collect()) {
    long rest = owner_ended ? end_of_owner + time - now() : -1;
    if (owner_ended && rest <= 0) {
      end_what_is_left(!reported);
      reported = true;
      rest = 5;
    }
    struct pollfd wait = {children, POLLIN, 0};
    poll(&wait, 1, (int)rest);
    struct signalfd_siginfo info[16];
    while (read(children, info, sizeof info) > 0) continue;
  }
  dprintf(REPORT, "empty %ld\n", now() - end_of_owner);
}

int main(int argc, char **argv) {
  sigset_t ignored;
  sigemptyset(&ignored);
  bool closed[3] = {false, false, false};
  long uid = -1, time = 20000;
  const char *forbidden[8];
  bool last_namespace = false;
  int forbidden_count = 0;
  /* `+`: the keeper may have arguments of its own. */
  for (int option; (option = getopt(argc, argv, "+u:l:nNi:c:d:g:e:p:t:")) != -1;) {
    if (option == 'u') uid = atol(optarg);
    else if (option == 'l') limit(optarg);
    else if (option == 'n') enter_user_namespace(false);
    else if (option == 'N') last_namespace = true;
    else if (option == 'i') sigaddset(&ignored, atoi(optarg));
    else if (option == 'c') closed[atoi(optarg) % 3] = true;
    else if (option == 'd' && chdir(optarg) != 0) fail(optarg);
    else if (option == 'g') join_cgroup(optarg);
    else if (option == 'e' && forbidden_count < 8) forbidden[forbidden_count++] = optarg;
    else if (option == 'p') enter_namespace(optarg);
    else if (option == 't') time = atol(optarg);
    else if (option == '?') return 99;
  }
  if (optind == argc) return 99;
  if (uid >= 0) become((uid_t)uid);
  if (last_namespace) enter_user_namespace(true);
  for (int i = 0; i < forbidden_count; i++) forbid(forbidden[i]);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("subreaper");
  owner = fork();
  if (owner < 0) fail("fork");
  if (owner == 0) run_owner(argv + optind, &ignored, closed);
  dprintf(REPORT, "owner %d\n", owner);
  close(FRAMES);
  close(ORDERS);
  wait_for_all(time);
  return 0;
}
