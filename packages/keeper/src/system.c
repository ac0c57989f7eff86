#define _GNU_SOURCE
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

uint64_t now_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t now_milliseconds(void) { return (int64_t)(now_nanoseconds() / 1000000u); }

int open_pidfd(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int signal_pidfd(int pidfd, int signal) { return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0); }

int get_fd_of(int pidfd, int descriptor) { return (int)syscall(SYS_pidfd_getfd, pidfd, descriptor, 0); }

/* The kernel's, whatever a libc makes of it. */
struct entry {
  uint64_t inode, offset;
  uint16_t size; /* of the entry */
  uint8_t type;
  char name[];
};

void each_name_in(int file, void (*tell)(const char *name, void *context), void *context) {
  lseek(file, 0, SEEK_SET);
  _Alignas(struct entry) char entries[512];
  for (;;) {
    long got = syscall(SYS_getdents64, file, entries, sizeof entries);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      const struct entry *entry = (const struct entry *)(const void *)(entries + at);
      at += entry->size;
      tell(entry->name, context);
    }
  }
}

bool each_name(const char *directory, void (*tell)(const char *name, void *context), void *context) {
  int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return false;
  each_name_in(file, tell, context);
  close(file);
  return true;
}

/* Those that are open, for there may be a million that could be. */
static bool close_listed(int first) {
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) return false;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char *end;
    long descriptor = strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && descriptor >= first && descriptor != dirfd(directory)) close((int)descriptor);
  }
  closedir(directory);
  return true;
}

void close_from(int first) {
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0 || close_listed(first)) return;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 20) limit.rlim_cur = 1 << 20;
  for (int descriptor = first; descriptor < (int)limit.rlim_cur; descriptor++) close(descriptor);
}

int move_fd(int descriptor, int lowest) {
  int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, lowest);
  close(descriptor);
  return moved;
}

void set_nonblocking(int descriptor) { fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK); }

void set_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

/* Raw, both: libc leaves out a few numbers, and not every one the same. */
#define KERNEL_SIGNALS 64

void reset_all_signals(void) {
  /* Zero is SIG_DFL without flags, however the kernel's struct is laid out. */
  const uint64_t action[8] = {0};
  for (int number = 1; number <= KERNEL_SIGNALS; number++) syscall(SYS_rt_sigaction, number, action, NULL, KERNEL_SIGNALS / 8);
}

void block_all_signals(void) {
  const uint64_t all = UINT64_MAX;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, KERNEL_SIGNALS / 8);
}

/* Raw: musl's sched_setscheduler returns ENOSYS. */
static bool set_scheduler(int policy, int priority) {
  struct sched_param param = {.sched_priority = priority};
  return syscall(SYS_sched_setscheduler, 0, policy | SCHED_RESET_ON_FORK, &param) == 0;
}

bool raise_priority(void) { return set_scheduler(SCHED_FIFO, 1); }

void restore_priority(void) {
  if (!set_scheduler(SCHED_OTHER, 0)) return;
  /* Clears RESET_ON_FORK where that is permitted; a helper that keeps the flag loses nothing by it. */
  struct sched_param param = {0};
  syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param);
}

pid_t fork_on(void *stack, size_t size, int namespaces, int (*run)(void *), void *argument) {
#if defined(__SANITIZE_ADDRESS__) || defined(NURSERY_PLAIN_FORK)
  /* The sanitizers know the stack of a thread by its bounds. */
  (void)stack;
  (void)size;
  pid_t pid = namespaces == 0 ? fork() : (pid_t)syscall(SYS_clone, (long)(namespaces | SIGCHLD), 0L, 0L, 0L, 0L);
  if (pid == 0) _exit(run(argument));
  return pid;
#else
  return clone(run, (char *)stack + size, namespaces | SIGCHLD, argument);
#endif
}

ssize_t read_file_at(int directory, const char *path, char *into, size_t size) {
  into[0] = 0;
  int file = openat(directory, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  size_t length = 0;
  while (length < size - 1) {
    ssize_t got = read(file, into + length, size - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  close(file);
  into[length] = 0;
  return (ssize_t)length;
}

ssize_t read_file(const char *path, char *into, size_t size) { return read_file_at(AT_FDCWD, path, into, size); }

int write_file_at(int directory, const char *path, const char *text) {
  int file = openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return errno;
  int error = write(file, text, strlen(text)) < 0 ? errno : 0;
  close(file);
  return error;
}

int write_file(const char *path, const char *text) { return write_file_at(AT_FDCWD, path, text); }
