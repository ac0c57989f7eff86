#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arrange.h"
#include "identity.h"
#include "system.h"

/*
 * All of this runs in a vfork child, which borrows the reaper's memory and stack until exec: nothing is allocated, nothing of
 * the reaper is changed but `failure` and the room of the plan, and credentials are changed by raw system calls (libc's would tell its threads).
 */

#define DEFAULT_PATH "/usr/bin:/bin"
#define BUSY_ATTEMPTS 7

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

static void run_child(const struct plan *plan, const struct launch_context *context, pid_t reaper,
                      volatile struct launch_failure *failure) {
  const struct job *job = plan->job;
  int target = -1;
  /* Whatever it is about to hang on: its keeper can find it, and it does not outlive its reaper. */
  atomic_store(context->child, pid_for_owner(context->proc));
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != reaper) _exit(127);
  failure->step = STEP_SESSION;
  if ((failure->error = join_session(job, context)) != 0) return;
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
  failure->step = STEP_DESCRIPTOR;
  umask((mode_t)job->umask);
  failure->error = connect_descriptors(plan, context, &target);
  failure->target = target;
  if (failure->error != 0) return;
  /* Not before: moving descriptors out of each other's way takes numbers beyond what the child may have itself. */
  if (!sets_descriptor_limit(plan)) setrlimit(RLIMIT_NOFILE, &context->descriptors);
  failure->step = STEP_CWD;
  if (!stays && chdir(plan->cwd) != 0) {
    failure->error = errno;
    return;
  }
  if (!arrange(plan, context, PHASE_SANDBOX, failure) || !arrange(plan, context, PHASE_LAST, failure)) return;
  if (job->changes_identity || job->setup_size > 0) {
    /* The change has cleared it; then look whether the parent died before it was set again. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != reaper) _exit(127);
  }
  if (job->flags & SPAWN_LISTEN_PID) tell_listen_pid(plan);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (!arrange(plan, context, PHASE_FILTER, failure)) return;
  failure->step = STEP_EXEC;
  failure->error = execute(plan);
}

pid_t launch(const struct plan *plan, const struct launch_context *context, pid_t *known, struct launch_failure *failure) {
  volatile struct launch_failure seen = {STEP_FORK, 0, -1};
  pid_t reaper = getpid();
  atomic_store(context->child, 0);
  pid_t child = vfork();
  if (child == 0) {
    run_child(plan, context, reaper, &seen);
    _exit(127);
  }
  int fork_error = errno;
  /* An emulator may run vfork as fork: then the child has told nothing yet. */
  *known = context->proc < 0 ? child : atomic_load(context->child);
  /* The memory is the reaper's own again, and nobody looks into it; a child that was killed may have left that undone. */
  if (plan->job->setup_size > 0) prctl(PR_SET_DUMPABLE, 0);
  /* Before it is collected: as long as the pid is there, it is the child's. */
  atomic_store(context->child, 0);
  if (child < 0) {
    *failure = (struct launch_failure){STEP_FORK, fork_error, -1};
    return -1;
  }
  /* Success, or killed before its exec: then it ends as any child does. */
  if (seen.error == 0) return child;
  *failure = (struct launch_failure){seen.step, seen.error, seen.target};
  while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) continue;
  return -1;
}
