#define _GNU_SOURCE
#include "reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "ledger.h"
#include "system.h"

/*
 * What a job needs until its program runs; zero is the empty state of all of it. Only the pages that a job touches are there, and
 * not for long: see reaper_give_back_memory.
 */
#define INLINE_WORDS 8192
#define IN_PLACE_SIZE ((size_t)3 * PAGE_MAX)
static union {
  struct {
    char job[JOB_INLINE];
    void *large_job, *large_words;
    size_t large_job_size, large_words_size;
    int received_count;
    int received[JOB_FDS + 1];
    char control[CMSG_SPACE((JOB_FDS + 1) * sizeof(int))];
    struct launch_room room;
    char *words[INLINE_WORDS];
  };
  char whole_pages[IN_PLACE_SIZE];
} in_place __attribute__((aligned(PAGE_MAX)));

/* For the frames of a system call. */
#define FRAME_SLACK 512

/* What is given back is whole pages, or the end of the last one would be another variable's. */
_Static_assert(sizeof in_place == IN_PLACE_SIZE, "whole pages, of whatever size");

void reaper_begin(struct reaper *reaper, const char *name) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  /* Catchable, so that the reaper can end its tree; SIGKILL would end the reaper alone. */
  prctl(PR_SET_PDEATHSIG, SIGNAL_PARENT_DIED);
  if (getppid() != reaper->parent) _exit(0);
  set_name(name);
  reaper_keep_descriptors(reaper);
  /* A child of the same user may kill its reaper, but not bend it with ptrace. */
  prctl(PR_SET_DUMPABLE, 0);
}

void reaper_keep_descriptors(struct reaper *reaper) {
  /* Close-on-exec protects nothing here: a reaper never execs, and a copy kept by it would hold back an end of file. */
  int kept[] = {reaper->jobs, reaper->events, reaper->context.null};
  for (int i = 0; i < 3; i++) {
    /* The keeper has them at higher numbers. */
    if (dup3(kept[i], i, O_CLOEXEC) != i) _exit(1);
  }
  close_from(3);
  reaper->jobs = 0;
  reaper->events = 1;
  reaper->context.null = 2;
  reaper->context.child = &ledger->slots[reaper->slot].child;
}

static void close_received(void) {
  for (int i = 0; i < in_place.received_count; i++) close(in_place.received[i]);
  in_place.received_count = 0;
}

/*
 * A program begins with the peak of the memory that executed it, and its usage would tell that of this reaper: the size of the
 * largest list of arguments so far. The file is the owner's only while the process may be looked into.
 */
static void forget_peak(void) {
  prctl(PR_SET_DUMPABLE, 1);
  int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  prctl(PR_SET_DUMPABLE, 0);
  if (file < 0) return;
  /* Where the kernel does not know this one, the figure is too large, and nothing else is wrong. */
  if (write(file, "5", 1) < 0) errno = 0;
  close(file);
}

/* The child has its own by now; a copy here would keep its readers waiting for the end. */
static void forget_job(void) {
  close_received();
  if (in_place.large_job == NULL && in_place.large_words == NULL) return;
  if (in_place.large_job != NULL) munmap(in_place.large_job, in_place.large_job_size);
  if (in_place.large_words != NULL) munmap(in_place.large_words, in_place.large_words_size);
  in_place.large_job = in_place.large_words = NULL;
  forget_peak();
}

void reaper_give_back_memory(const struct reaper *reaper) {
  madvise(&in_place, sizeof in_place, MADV_DONTNEED);
  /* Below this frame, and what the kernel or the compiler may use right below it, is what a walk has left. */
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), bottom = (uintptr_t)reaper->stack;
  uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - FRAME_SLACK) / page * page;
  if (end > bottom && end < (uintptr_t)reaper) madvise(reaper->stack, end - bottom, MADV_DONTNEED);
}

/* errno when not all of them could be received. */
static int take_descriptors(struct msghdr *message) {
  in_place.received_count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && in_place.received_count < JOB_FDS + 1; i++) {
      memcpy(&in_place.received[in_place.received_count++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    }
  }
  return message->msg_flags & MSG_CTRUNC ? EMFILE : 0;
}

static char **words_for(size_t count) {
  if (count <= INLINE_WORDS) return in_place.words;
  in_place.large_words_size = count * sizeof(char *);
  in_place.large_words = mmap(NULL, in_place.large_words_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (in_place.large_words == MAP_FAILED) in_place.large_words = NULL;
  return in_place.large_words;
}

static char *take_words(char **into, uint32_t count, char *at) {
  for (uint32_t i = 0; i < count; i++) {
    into[i] = at;
    at += strlen(at) + 1;
  }
  return at;
}

/* The keeper made the job: its counts and strings agree. */
static bool lay_out(char *bytes, struct plan *plan) {
  const struct job *job = (const struct job *)(void *)bytes;
  const struct job_fd *fds = (const struct job_fd *)(const void *)(job + 1);
  char *strings = (char *)(uintptr_t)(fds + job->fd_count);
  size_t count = (size_t)job->argc + job->envc + job->filec + 4;
  char **words = words_for(count);
  if (words == NULL) return false;
  plan->job = job;
  plan->fds = fds;
  plan->program = strings;
  plan->cwd = plan->program + strlen(plan->program) + 1;
  plan->search_path = plan->cwd + strlen(plan->cwd) + 1;
  char *at = (char *)(uintptr_t)plan->search_path + strlen(plan->search_path) + 1;
  /* A free place in front, for the shell that may have to run a script. */
  plan->argv = words + 1;
  at = take_words(plan->argv, job->argc, at);
  plan->argv[job->argc] = NULL;
  plan->env = plan->argv + job->argc + 1;
  at = take_words(plan->env, job->envc, at);
  plan->env[job->envc] = NULL;
  plan->files = plan->env + job->envc + 1;
  take_words(plan->files, job->filec, at);
  plan->setup = strings + job->string_size;
  size_t groups = ((size_t)(plan->setup - bytes) + job->setup_size + 3) / 4 * 4;
  plan->groups = (const uint32_t *)(const void *)(bytes + groups);
  plan->sources = in_place.received + (job->in_memory ? 1 : 0);
  plan->room = &in_place.room;
  return true;
}

enum job_kind reaper_receive(struct reaper *reaper, struct plan *plan) {
  struct iovec part = {in_place.job, sizeof in_place.job};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = in_place.control, .msg_controllen = sizeof in_place.control};
  ssize_t got;
  do got = recvmsg(reaper->jobs, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  /* Not the end of the socket: as one that was killed it is missed and replaced. */
  if (got < 0) _exit(1);
  if (got < (ssize_t)sizeof(struct job)) return 0;
  const struct job *job = (const struct job *)(const void *)in_place.job;
  /* Before anything else: if this reaper is killed now, the keeper can tell whose job dies with it. */
  atomic_store(&ledger->slots[reaper->slot].process, job->process);
  plan->job = job;
  plan->problem = take_descriptors(&message);
  if (job->kind == JOB_RETIRE) return JOB_RETIRE;
  char *bytes = in_place.job;
  if (job->in_memory && plan->problem == 0) {
    in_place.large_job_size = job->size;
    in_place.large_job = mmap(NULL, in_place.large_job_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, in_place.received[0], 0);
    if (in_place.large_job == MAP_FAILED) in_place.large_job = NULL;
    bytes = in_place.large_job;
  }
  if (plan->problem == 0 && (bytes == NULL || !lay_out(bytes, plan))) plan->problem = ENOMEM;
  return JOB_SPAWN;
}

/* How a start went. */
static void tell_start(struct reaper *reaper, struct event *event) {
  forget_job();
  event->exited.time = now_nanoseconds();
  reaper_send(reaper, event);
}

void reaper_fail(struct reaper *reaper, const struct plan *plan, const struct launch_failure *failure) {
  struct event event = {.kind = EVENT_FAILED, .process = plan->job->process, .target = failure->target};
  event.step = failure->step;
  event.error = (uint32_t)failure->error;
  atomic_store(&ledger->slots[reaper->slot].process, 0);
  tell_start(reaper, &event);
}

/* Of a process that was never there: nobody is in it, but the kernel may take a moment to see that. */
static void abandon_cgroup(struct reaper *reaper, const struct plan *plan) {
  if (reaper->context.cgroup < 0) return;
  close(reaper->context.cgroup);
  reaper->context.cgroup = -1;
  const struct timespec pause = {0, 1000000};
  for (int attempt = 0; !cgroup_remove(plan->job->process) && attempt < 1000; attempt++) nanosleep(&pause, NULL);
}

pid_t reaper_launch(struct reaper *reaper, const struct plan *plan) {
  struct launch_failure failure = {STEP_HELPER, plan->problem, -1};
  pid_t known, child = -1;
  reaper->context.cgroup = -1;
  if (plan->problem == 0 && cgroup_begin(plan, &reaper->context.cgroup, &failure)) {
    child = launch(plan, &reaper->context, &known, &failure);
  }
  if (child < 0) {
    abandon_cgroup(reaper, plan);
    reaper_fail(reaper, plan, &failure);
    return -1;
  }
  struct event event = {.kind = EVENT_STARTED, .process = plan->job->process, .pid = known, .target = -1};
  tell_start(reaper, &event);
  return child;
}

void reaper_send(struct reaper *reaper, struct event *event) {
  event->slot = reaper->slot;
  /* The keeper always reads; once it is dead the pipe is broken, which is blocked as a signal and ignored as an error. */
  while (write(reaper->events, event, sizeof *event) < 0 && errno == EINTR) continue;
}

void reaper_done(struct reaper *reaper, uint32_t process, uint16_t sequence, int error) {
  if (sequence == 0) return;
  struct event event = {.kind = EVENT_DONE, .process = process, .sequence = sequence, .error = (uint32_t)error};
  reaper_send(reaper, &event);
}

pid_t peek_ended(siginfo_t *info) {
  info->si_pid = 0;
  /* WNOWAIT: the child stays a zombie, so that its pid and group number are still ours while we decide. */
  while (waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0) {
    if (errno != EINTR) return -1;
  }
  return info->si_pid;
}

void collect(pid_t pid, struct exited *exited) {
  int status = 0;
  struct rusage usage;
  memset(&usage, 0, sizeof usage);
  while (wait4(pid, &status, __WALL, &usage) < 0 && errno == EINTR) continue;
  if (exited == NULL) return;
  exited->status = status;
  exited->time = now_nanoseconds();
  exited->user_time = (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec;
  exited->system_time = (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec;
  exited->max_resident = (uint64_t)usage.ru_maxrss * 1024u;
  exited->minor_faults = (uint64_t)usage.ru_minflt;
  exited->major_faults = (uint64_t)usage.ru_majflt;
  exited->block_input = (uint64_t)usage.ru_inblock;
  exited->block_output = (uint64_t)usage.ru_oublock;
  exited->voluntary_switches = (uint64_t)usage.ru_nvcsw;
  exited->involuntary_switches = (uint64_t)usage.ru_nivcsw;
}

union command waiting_command(const struct reaper *reaper) {
  uint64_t value = atomic_exchange(&ledger->slots[reaper->slot].command, 0);
  return (union command){.value = (void *)(uintptr_t)(reaper->orphaned ? 0 : value)};
}

bool is_command(const struct reaper *reaper, pid_t sender, int code) {
  return code == SI_QUEUE && sender == reaper->parent && !reaper->orphaned;
}
