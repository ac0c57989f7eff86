#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arrange.h"
#include "arrange_namespaces.h"
#include "cgroup.h"
#include "identity.h"
#include "system.h"

/*
 * All of this runs in a vfork child (but for a time namespace: fork_apart), which borrows the reaper's memory and stack until exec: nothing is allocated, nothing of
 * the reaper is changed but `failure` and the room of the plan, and credentials are changed by raw system calls (libc's would tell its threads).
 */

#define DEFAULT_PATH "/usr/bin:/bin"
#define BUSY_ATTEMPTS 7

#ifndef SYS_clone3
#define SYS_clone3 435
#endif

static int open_file(const char *path, uint32_t mode) {
  switch (mode) {
    case FILE_TRUNCATE: return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    case FILE_APPEND: return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
    default: return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  }
}

static bool is_target(const struct plan *plan, int descriptor) {
  for (uint32_t i = 0; i < plan->job->fd_count; i++) {
    if (plan->fds[i].target == descriptor) return true;
  }
  return false;
}

/* A source that lies where another descriptor will go is moved out of the way first: 1→2 and 2→1 come out right. */
static int clear_of_targets(const struct plan *plan, int source) {
  int moved = source;
  /* A copy that lands on a target again is left there: the target's own descriptor replaces it. */
  while (moved >= 0 && is_target(plan, moved)) moved = fcntl(source, F_DUPFD_CLOEXEC, moved < 3 ? 3 : moved + 1);
  return moved;
}

static int connect_descriptors(const struct plan *plan, const struct launch_context *context, int *target) {
  const struct job *job = plan->job;
  int *sources = plan->room->sources;
  uint32_t file = 0;
  for (uint32_t i = 0; i < job->fd_count; i++) {
    const struct job_fd *fd = &plan->fds[i];
    *target = fd->target;
    int source = context->null;
    if (fd->source == SOURCE_FILE) {
      do source = open_file(plan->files[file], fd->mode);
      while (source < 0 && errno == EINTR);
      file++;
    } else if (fd->source != SOURCE_NULL) {
      source = plan->sources[fd->source];
    }
    sources[i] = clear_of_targets(plan, source);
    if (sources[i] < 0) return errno;
  }
  for (uint32_t i = 0; i < job->fd_count; i++) {
    *target = plan->fds[i].target;
    if (dup2(sources[i], *target) < 0) return errno;
    /* libuv makes the owner's terminal and pipes nonblocking; few programs expect that of their standard streams. */
    if (plan->fds[i].inherited && *target <= 2) {
      int flags = fcntl(*target, F_GETFL);
      if (flags >= 0 && (flags & O_NONBLOCK)) fcntl(*target, F_SETFL, flags & ~O_NONBLOCK);
    }
  }
  *target = -1;
  return 0;
}

static int join_session(const struct job *job, const struct launch_context *context) {
  switch (job->session) {
    case SESSION_NEW: return setsid() < 0 ? errno : 0;
    case SESSION_GROUP: return setpgid(0, 0) < 0 ? errno : 0;
    default: return setpgid(0, context->owner_group) < 0 ? errno : 0;
  }
}

/* A program that has just been written may be open for writing in a process that is about to exec: retried for 127 ms. */
static int execute_file(const char *path, const struct plan *plan) {
  for (int attempt = 0;; attempt++) {
    execve(path, plan->argv, plan->env);
    if (errno != ETXTBSY || attempt == BUSY_ATTEMPTS) break;
    struct timespec pause = {0, 1000000L << attempt};
    nanosleep(&pause, NULL);
  }
  if (errno != ENOEXEC || !(plan->job->flags & SPAWN_SHELL_FALLBACK)) return errno;
  /* POSIX execvp: a text file without #! is a script of sh. The array has one free place in front of the arguments. */
  char **argv = plan->argv - 1;
  argv[0] = (char *)"sh";
  argv[1] = (char *)path;
  execve("/bin/sh", argv, plan->env);
  return errno;
}

/* What was listening before the program says whose it is: sd_listen_fds(3). The pid is known here only. */
static void tell_listen_pid(const struct plan *plan) {
  static const char name[] = "LISTEN_PID=";
  const size_t length = sizeof name - 1;
  for (char **variable = plan->env; *variable != NULL; variable++) {
    if (strncmp(*variable, name, length) != 0 || strlen(*variable) < length + LISTEN_PID_ROOM) continue;
    snprintf(*variable + length, LISTEN_PID_ROOM + 1, "%d", (int)getpid());
  }
}

static int execute(const struct plan *plan) {
  const char *program = plan->program;
  if (strchr(program, '/') != NULL) return execute_file(program, plan);
  size_t name_length = strlen(program);
  if (name_length == 0) return ENOENT;
  const char *path = plan->search_path[0] != 0 ? plan->search_path : DEFAULT_PATH;
  bool forbidden = false;
  char *file = plan->room->path;
  for (;;) {
    size_t length = strcspn(path, ":");
    if (length + name_length + 2 <= sizeof plan->room->path) {
      /* An empty entry is the working directory. */
      memcpy(file, path, length);
      if (length > 0) file[length++] = '/';
      memcpy(file + length, program, name_length + 1);
      int error = execute_file(file, plan);
      if (error == EACCES) forbidden = true;
      else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV && error != ELOOP) return error;
    }
    path += strcspn(path, ":");
    if (*path == 0) return forbidden ? EACCES : ENOENT;
    path++;
  }
}

/* Asked of a /proc of the owner's namespace: the kernel gives this process only its number in its own. */
static pid_t pid_for_owner(int proc) {
  char text[16];
  ssize_t length = proc < 0 ? -1 : readlinkat(proc, "self", text, sizeof text - 1);
  if (length <= 0) return getpid();
  text[length] = 0;
  return (pid_t)strtol(text, NULL, 10);
}

/* One launch, as the processes see it that share the memory of the reaper. */
struct launching {
  const struct plan *plan;
  const struct launch_context *context;
  pid_t reaper;
  int reaper_pidfd; /* of one in another pid namespace than the child, for which getppid() is 0; else -1 */
  volatile struct launch_failure failure;
  volatile bool inside; /* the program's process has been forked, and the one that did it has seen it execute or fail */
  bool enters_cgroup;   /* it was not born in its cgroup */
  int32_t mark;         /* stands where pids are told until this launch tells one: the number of the process, made less than 0 */
};

/* Not to outlive its reaper; a change of credentials clears it. */
static void die_with_reaper(const struct launching *launching) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct pollfd reaper = {launching->reaper_pidfd, POLLIN, 0};
  bool gone = launching->reaper_pidfd < 0 ? getppid() != launching->reaper : poll(&reaper, 1, 0) > 0;
  if (gone) _exit(127);
}

static void run_program(struct launching *launching) {
  const struct plan *plan = launching->plan;
  const struct launch_context *context = launching->context;
  volatile struct launch_failure *failure = &launching->failure;
  const struct job *job = plan->job;
  int target = -1;
  failure->step = STEP_SESSION;
  if ((failure->error = join_session(job, context)) != 0) return;
  if (job->flags & SPAWN_FOREGROUND) {
    /* SIGTTOU is blocked here, as all signals are: else it would stop whoever does this from the background. */
    const pid_t own = getpid();
    failure->step = STEP_TERMINAL;
    if (ioctl(plan->sources[job->terminal], TIOCSPGRP, &own) != 0) {
      failure->error = errno;
      return;
    }
  }
  /*
   * The owner's directory as it is now, even one that has been removed or is reached by no path any more. It needs no permission of
   * an identity that the owner took after it had come here.
   */
  failure->step = STEP_CWD;
  bool stays = plan->cwd[0] == 0;
  if (stays && chdir(context->owner_directory) != 0) {
    failure->error = errno;
    return;
  }
  if (!arrange(plan, context, PHASE_HELPER, failure)) return;
  /* Before anything that a privilege is needed for: an owner that gave it up does not get it back by way of the helpers. */
  failure->step = STEP_CREDENTIALS;
  if (job->changes_identity && (failure->error = take_identity(job->uid, job->gid, plan->groups, job->groups)) != 0) return;
  if (!arrange(plan, context, PHASE_PRIVILEGED, failure) || !arrange(plan, context, PHASE_IDENTITY, failure) ||
      !arrange(plan, context, PHASE_CAPABILITIES, failure)) {
    return;
  }
  /* The change of credentials has cleared it; before a descriptor of the child takes the place of that of the reaper. */
  if (job->changes_identity || job->setup_size > 0) die_with_reaper(launching);
  failure->step = STEP_DESCRIPTOR;
  umask((mode_t)job->umask);
  failure->error = connect_descriptors(plan, context, &target);
  failure->target = target;
  if (failure->error != 0) return;
  /* Not before: moving descriptors out of each other's way takes numbers beyond what the child may have itself. */
  if (!sets_descriptor_limit(plan)) setrlimit(RLIMIT_NOFILE, &context->descriptors);
  if (!arrange(plan, context, PHASE_TERMINAL, failure)) return;
  failure->step = STEP_CWD;
  if (!stays && chdir(plan->cwd) != 0) {
    failure->error = errno;
    return;
  }
  if (!arrange(plan, context, PHASE_SANDBOX, failure) || !arrange(plan, context, PHASE_LAST, failure)) return;
  if (job->flags & SPAWN_LISTEN_PID) tell_listen_pid(plan);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (!arrange(plan, context, PHASE_FILTER, failure)) return;
  failure->step = STEP_EXEC;
  failure->error = execute(plan);
}

/* On a stack of its own, for its parent's goes on when it has executed its program. */
static char inside_stack[32 << 10] __attribute__((aligned(16)));

#ifdef NURSERY_PLAIN_FORK
/* An exec leaves it as a sanitizer has marked it. */
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *at, size_t size);
static void clear_inside_stack(void) {
  if (__asan_unpoison_memory_region != NULL) __asan_unpoison_memory_region(inside_stack, sizeof inside_stack);
}
#else
static void clear_inside_stack(void) {}
#endif

/* A child that is in another pid namespace than its parent; the place where pids are told gets that of the child at once. */
static pid_t fork_inside(struct launching *launching, int (*run)(void *), int parent) {
  pid_t *place = (pid_t *)(void *)(uintptr_t)launching->context->child;
  clear_inside_stack();
  const int flags = CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD | parent;
  return clone(run, inside_stack + sizeof inside_stack, flags, launching, place);
}

static int run_inside(void *argument) {
  struct launching *launching = argument;
  die_with_reaper(launching);
  run_program(launching);
  return 127;
}

/* Who enters a pid namespace stays outside: its next child is inside. CLONE_PARENT makes that a child of the reaper too. */
static void run_in_pid_namespace(struct launching *launching) {
  launching->failure.step = STEP_FORK;
  if (fork_inside(launching, run_inside, CLONE_PARENT) < 0) launching->failure.error = errno;
  launching->inside = true;
}

/* For the child of a reaper that has entered its pid namespace for it: it is inside from the beginning. */
static int run_entered(void *argument) {
  struct launching *launching = argument;
  die_with_reaper(launching);
  launching->failure.step = STEP_NAMESPACE;
  if (arrange(launching->plan, launching->context, PHASE_NAMESPACES, &launching->failure)) run_program(launching);
  return 127;
}

/*
 * With privilege over it the reaper itself can enter a pid namespace for its next child, which saves a process. False: another
 * way has to be found, or there is nothing to enter.
 */
static bool fork_entered(struct launching *launching, pid_t *child) {
  int inside = pid_namespace_to_enter(launching->plan);
  if (inside < 0) return false;
  int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  bool entered = own >= 0 && setns(inside, CLONE_NEWPID) == 0;
  if (entered) {
    launching->reaper_pidfd = open_pidfd(launching->reaper);
    *child = fork_inside(launching, run_entered, 0);
    int error = errno;
    if (launching->reaper_pidfd >= 0) close(launching->reaper_pidfd);
    /* As one that was killed it is missed and replaced; its next child must not be in there. */
    if (setns(own, CLONE_NEWPID) != 0) _exit(1);
    errno = error;
  }
  if (own >= 0) close(own);
  return entered;
}

static void run_child(struct launching *launching) {
  const struct plan *plan = launching->plan;
  /*
   * Whatever it is about to hang on: its keeper can find it, and it does not outlive its reaper. Where vfork is carried out as fork, as
   * under emulation, it may come too late, and the place be that of the next launch by now, which must not take this child for its own.
   */
  int32_t mark = launching->mark;
  atomic_compare_exchange_strong(launching->context->child, &mark, pid_for_owner(launching->context->proc));
  die_with_reaper(launching);
  if (launching->enters_cgroup) {
    launching->failure.step = STEP_CONTAINMENT;
    launching->failure.target = CONTAINMENT_ENTER;
    if ((launching->failure.error = cgroup_enter(launching->context->cgroup)) != 0) return;
    launching->failure.target = -1;
  }
  bool deeper = enters_namespace(plan, NAMESPACE_PID);
  /* While the reaper is known to be there, and by its number outside. */
  int reaper = deeper ? open_pidfd(launching->reaper) : -1;
  launching->failure.step = STEP_NAMESPACE;
  if (!arrange(plan, launching->context, PHASE_NAMESPACES, &launching->failure)) return;
  if (!deeper) {
    run_program(launching);
    return;
  }
  if (getppid() != launching->reaper) _exit(127);
  launching->reaper_pidfd = reaper;
  run_in_pid_namespace(launching);
}

/* What the parent of a child with memory of its own would not see. */
struct outcome {
  struct launch_failure failure;
  bool inside;
};

/*
 * The kernel lets nobody into a time namespace whose memory is another's too. So the child has a copy of it; the parent waits as
 * with vfork, for the end of a pipe that an exec closes.
 */
static pid_t fork_apart(struct launching *launching) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    int report = clear_of_targets(launching->plan, ends[1]);
    if (report >= 0) run_child(launching);
    else launching->failure.error = errno;
    const struct launch_failure failure = {launching->failure.step, launching->failure.error, launching->failure.target};
    const struct outcome outcome = {failure, launching->inside};
    _exit(write(report >= 0 ? report : ends[1], &outcome, sizeof outcome) < 0 ? 126 : 127);
  }
  int error = errno;
  close(ends[1]);
  struct outcome outcome;
  ssize_t got = 0;
  do got = child < 0 ? 0 : read(ends[0], &outcome, sizeof outcome);
  while (got < 0 && errno == EINTR);
  close(ends[0]);
  if (got == (ssize_t)sizeof outcome) {
    launching->failure.step = outcome.failure.step;
    launching->failure.error = outcome.failure.error;
    launching->failure.target = outcome.failure.target;
    launching->inside = outcome.inside;
  }
  errno = error;
  return child;
}

static bool is_about_time(const struct plan *plan) {
  return makes_namespace(plan, NAMESPACE_TIME) || enters_namespace(plan, NAMESPACE_TIME);
}

/* Who has entered the namespace for the program leaves; should it have been killed before, the program's process goes with it. */
static pid_t follow_inside(const struct launching *launching, pid_t entered, pid_t inside) {
  if (inside == 0 || inside == entered) return entered;
  if (!launching->inside) kill(inside, SIGKILL);
  while (waitpid(entered, NULL, __WALL) < 0 && errno == EINTR) continue;
  return inside;
}

#if defined(__SANITIZE_ADDRESS__)
void __asan_handle_vfork(void *stack);
#endif

#define INTO_CGROUP 0x200000000u

/* The arguments of clone3(2), as far as they are used here, in a header of the kernel that musl comes without. */
struct clone_arguments {
  uint64_t flags, pidfd, child, parent, signal, stack, stack_size, tls, set, set_size, cgroup;
};

/*
 * A vfork whose child is born in a cgroup, which no fork of it can leave behind. Inline, as the child goes on in the frame of its parent; -1
 * where the kernel, a filter of a container or an emulator does not know it.
 */
static inline __attribute__((always_inline)) pid_t vfork_into(int cgroup) {
  struct clone_arguments arguments = {
      .flags = CLONE_VM | CLONE_VFORK | INTO_CGROUP, .signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"((long)SYS_clone3), "D"(&arguments), "S"(sizeof arguments)
                   : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long result __asm__("x0") = (long)&arguments;
  register long size __asm__("x1") = sizeof arguments;
  register long number __asm__("x8") = SYS_clone3;
  __asm__ volatile("svc #0" : "+r"(result) : "r"(size), "r"(number) : "memory");
#else
  long result = -1;
#endif
#if defined(__SANITIZE_ADDRESS__)
  /* What the child has left in the stack below, as the sanitizer's own vfork does it. */
  if (result != 0) __asan_handle_vfork(__builtin_frame_address(0));
#endif
  return result < 0 ? -1 : (pid_t)result;
}

pid_t launch(const struct plan *plan, const struct launch_context *context, pid_t *known, struct launch_failure *failure) {
  const int32_t mark = -1 - (int32_t)(plan->job->process & INT32_MAX);
  struct launching launching = {plan, context, getpid(), -1, {STEP_FORK, 0, -1}, false, false, mark};
  atomic_store(context->child, launching.mark);
  const bool apart = plan->job->setup_size > 0 && is_about_time(plan);
  pid_t child = apart || context->cgroup < 0 ? -1 : vfork_into(context->cgroup);
  if (child < 0) {
    launching.enters_cgroup = context->cgroup >= 0;
    if (apart) child = fork_apart(&launching);
    else if (launching.enters_cgroup || !fork_entered(&launching, &child)) child = vfork();
  }
  if (child == 0) {
    run_child(&launching);
    _exit(127);
  }
  int fork_error = errno;
  pid_t told = atomic_load(context->child);
  if (told < 0) told = 0;
  /* The memory is the reaper's own again, and nobody looks into it; a child that was killed may have left that undone. */
  if (plan->job->setup_size > 0) prctl(PR_SET_DUMPABLE, 0);
  /* Before it is collected: as long as the pid is there, it is the child's. */
  atomic_store(context->child, 0);
  if (child < 0) {
    *failure = (struct launch_failure){STEP_FORK, fork_error, -1};
    return -1;
  }
  /* An emulator may run vfork as fork: then the child may have told nothing yet. */
  if (context->proc < 0) told = child = follow_inside(&launching, child, told);
  *known = told;
  /* Success, or killed before its exec: then it ends as any child does. */
  if (launching.failure.error == 0) return child;
  *failure = (struct launch_failure){launching.failure.step, launching.failure.error, launching.failure.target};
  while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) continue;
  return -1;
}
