/*
 * From a request to a job: makes the pipes, merges the environment, and hands all of it to a waiting reaper in one message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cgroup.h"
#include "keeper.h"
#include "ledger.h"
#include "notify.h"
#include "setup.h"
#include "system.h"
#include "walk.h"

/* Forks in one turn of the loop: a burst of a thousand spawns must not keep the answers to the first ones waiting. */
#define FORKS_AT_ONCE 8

/* Milliseconds until the next attempt to send a job into a socket that is full. */
#define SOCKET_STEP 4

/* A job that waits for a reaper or for room in the socket; its descriptors and its bytes follow. */
struct waiting {
  uint32_t process, size, fd_count;
};

struct fd_set_up {
  int pass[JOB_FDS + 1]; /* to the reaper; all of them are the keeper's to close */
  uint32_t count;
  struct lent_fd lent[JOB_FDS];
  uint32_t lent_count;
  int target; /* the one that failed */
};

void fail_spawn(struct process *process, enum spawn_step step, int error, int target) {
  if (process->cancelled) error = ECANCELED;
  else if (process->overdue) error = ETIMEDOUT;
  struct failed failed = {step, (uint32_t)error, target};
  reply(REPLY_FAILED, process->id, &failed, sizeof failed);
  process_remove(process);
}

static int duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }

static int add_pipe(struct fd_set_up *set_up, const struct spawn_fd *fd) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  if (fd->value > 0) fcntl(ends[0], F_SETPIPE_SZ, (int)fd->value);
  bool child_reads = fd->kind == FD_PIPE_IN;
  set_up->lent[set_up->lent_count++] = (struct lent_fd){fd->target, ends[child_reads ? 1 : 0]};
  return ends[child_reads ? 0 : 1];
}

static int owner_descriptor(uint32_t number) {
  if (number < 3) return duplicate(keeper->streams[number]);
  /* Permitted for root, and where the kernel lets a process look into others of its user. */
  if (keeper->owner_pidfd >= 0) return get_fd_of(keeper->owner_pidfd, (int)number);
  errno = ENOSYS;
  return -1;
}

/* The reaper's end of one descriptor, or -1 with errno; SOURCE_NULL and SOURCE_FILE need none. */
static int set_up_fd(struct fd_set_up *set_up, const struct spawn_fd *fd, struct job_fd *job_fd) {
  *job_fd = (struct job_fd){.target = fd->target, .source = SOURCE_NULL};
  int descriptor = -1, error = 0;
  switch (fd->kind) {
    case FD_NULL:
      return 0;
    case FD_FILE:
      job_fd->source = SOURCE_FILE;
      job_fd->mode = fd->value;
      return 0;
    case FD_INHERIT:
      job_fd->inherited = 1;
      descriptor = owner_descriptor(fd->value);
      break;
    case FD_OBJECT:
      descriptor = object_end(fd->value, fd->extra & END_SECOND, &error);
      if (descriptor < 0) errno = error;
      break;
    default:
      descriptor = add_pipe(set_up, fd);
  }
  if (descriptor < 0) return errno;
  job_fd->source = (int32_t)set_up->count;
  set_up->pass[set_up->count++] = descriptor;
  return 0;
}

static size_t name_length(const char *variable) { return strcspn(variable, "="); }

static bool is_same_name(const char *one, const char *other) {
  size_t length = name_length(one);
  return length == name_length(other) && memcmp(one, other, length) == 0;
}

static bool is_changed(const struct spawn_request *request, const char *variable) {
  const char *change = request->changes;
  for (uint32_t i = 0; i < request->head.envc; i++) {
    if (is_same_name(change, variable)) return true;
    change += strlen(change) + 1;
  }
  return false;
}

/* `notify`: the variable for its messages, which no other one of that name may precede; NULL: none. */
static bool is_replaced(const struct spawn_request *request, const char *variable, const char *notify) {
  return is_changed(request, variable) || (notify != NULL && notify_is_own(variable));
}

/* The owner's environment without what is changed, then the changes that set something. */
static bool append_environment(const struct spawn_request *request, const char *notify, uint32_t *count) {
  *count = 0;
  if (!(request->head.flags & SPAWN_CLEAR_ENVIRONMENT)) {
    const char *variable = queue_front(&keeper->environment);
    if (request->head.envc == 0 && notify == NULL) {
      *count = keeper->environment_count;
      if (!queue_append(&keeper->job_bytes, variable, queue_length(&keeper->environment))) return false;
    } else {
      for (uint32_t i = 0; i < keeper->environment_count; i++) {
        size_t size = strlen(variable) + 1;
        if (!is_replaced(request, variable, notify)) {
          if (!queue_append(&keeper->job_bytes, variable, size)) return false;
          (*count)++;
        }
        variable += size;
      }
    }
  }
  const char *change = request->changes;
  for (uint32_t i = 0; i < request->head.envc; i++) {
    size_t size = strlen(change) + 1;
    if (change[name_length(change)] == '=' && (notify == NULL || !is_same_name(change, notify))) {
      if (!queue_append(&keeper->job_bytes, change, size)) return false;
      (*count)++;
    }
    change += size;
  }
  if (notify == NULL) return true;
  (*count)++;
  return queue_append(&keeper->job_bytes, notify, strlen(notify) + 1);
}

static struct job *job_of(void) { return (struct job *)(void *)queue_front(&keeper->job_bytes); }

static bool append_identity(const struct owner_state *owner) {
  static const char padding[4];
  size_t size = queue_length(&keeper->job_bytes);
  if (!queue_append(&keeper->job_bytes, padding, (4 - size % 4) % 4)) return false;
  if (!queue_append(&keeper->job_bytes, owner->groups, owner->group_count * sizeof *owner->groups)) return false;
  job_of()->changes_identity = 1;
  job_of()->uid = owner->uid;
  job_of()->gid = owner->gid;
  job_of()->groups = owner->group_count;
  return true;
}

/*
 * Program, cwd, search path and arguments. An init cannot follow the owner, whose directory is in other mounts, and not for a user
 * namespace to look at: it gets its path. Reading that asks no file system, which might not answer.
 */
static bool append_strings(const struct spawn_request *request) {
  const char *at = request->strings;
  size_t program = strlen(at) + 1;
  if (request->head.level == LEVEL_PID_NAMESPACE && at[program] == 0) {
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/cwd", keeper->owner);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!queue_append(&keeper->job_bytes, at, program)) return false;
    if (length > 0 && !queue_append(&keeper->job_bytes, path, (size_t)length)) return false;
    at += program;
  }
  return queue_append(&keeper->job_bytes, at, (size_t)(request->changes - at));
}

static bool build_job(uint32_t id, const struct spawn_request *request, const struct job_fd *fds, const char *notify) {
  const struct spawn *head = &request->head;
  const struct owner_state *owner = owner_state();
  struct job job = {
      .kind = JOB_SPAWN,
      .process = id,
      .flags = head->flags,
      .session = head->session,
      .stop_signal = head->stop.signal,
      .umask = head->umask == UMASK_OF_OWNER ? owner->umask : head->umask,
      .argc = head->argc,
      .filec = head->filec,
      .fd_count = head->fd_count,
      .setup_size = head->setup_size,
      .in_init = head->level == LEVEL_PID_NAMESPACE,
      .in_cgroup = head->level == LEVEL_CGROUP,
  };
  queue_consume(&keeper->job_bytes, queue_length(&keeper->job_bytes));
  if (!queue_append(&keeper->job_bytes, &job, sizeof job)) return false;
  if (!queue_append(&keeper->job_bytes, fds, head->fd_count * sizeof *fds)) return false;
  size_t before = queue_length(&keeper->job_bytes);
  uint32_t envc;
  if (!append_strings(request)) return false;
  if (!append_environment(request, notify, &envc)) return false;
  if (!queue_append(&keeper->job_bytes, request->files, (size_t)(request->setup - request->files))) return false;
  job_of()->envc = envc;
  job_of()->string_size = (uint32_t)(queue_length(&keeper->job_bytes) - before);
  if (!queue_append(&keeper->job_bytes, request->setup, head->setup_size)) return false;
  if (owner->identity_changed && !append_identity(owner)) return false;
  job_of()->size = (uint32_t)queue_length(&keeper->job_bytes);
  return true;
}

static int in_memory_file(const char *bytes, size_t size) {
  int file = memfd_create("nursery-job", MFD_CLOEXEC);
  for (size_t written = 0; file >= 0 && written < size;) {
    ssize_t now = write(file, bytes + written, size - written);
    if (now > 0) written += (size_t)now;
    else if (errno != EINTR) {
      close(file);
      return -1;
    }
  }
  return file;
}

/* errno, EAGAIN when there is no room for now. */
static int send_job(int socket, const char *bytes, size_t size, const int *fds, uint32_t fd_count) {
  char control[CMSG_SPACE((JOB_FDS + 1) * sizeof(int))] = {0};
  struct iovec part = {(char *)(uintptr_t)bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fd_count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

static void close_all(const int *fds, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) close(fds[i]);
}

bool jobs_taken(bool group) {
  int unread = 0;
  /* Also known as SIOCOUTQ, in a header of the kernel that musl comes without. */
  return ioctl(group ? keeper->group_jobs[0] : keeper->jobs[0], TIOCOUTQ, &unread) == 0 && unread == 0;
}

enum handing { HANDED, LATER, REFUSED };

void new_turn(void) { keeper->forks_left = FORKS_AT_ONCE; }

/* `error` tells why a job was refused. */
static enum handing find_reaper(bool group, int *error) {
  if (group ? keeper->group_slot >= 0 : keeper->idle > 0) return HANDED;
  if (keeper->forks_left == 0) return LATER;
  keeper->forks_left--;
  if (group ? pool_group_reaper() : pool_grow()) return HANDED;
  *error = errno;
  return REFUSED;
}

/* Too many descriptors under way, which is a quota of the user, is no failure as long as some of them are ours. */
static bool is_full(int error) {
  return error == EAGAIN || (error == ETOOMANYREFS && !(jobs_taken(false) && jobs_taken(true)));
}

/* What an init is to make, NULL when nothing is said. A job that is not in the message is none of those that say it. */
static const struct setup_namespaces *namespaces_of(const char *bytes, struct setup_namespaces *found) {
  const struct job *job = (const struct job *)(const void *)bytes;
  if (job->in_memory) return NULL;
  size_t before = sizeof *job + job->fd_count * sizeof(struct job_fd) + job->string_size;
  struct setup_reader item = setup_begin(bytes + before, job->setup_size);
  while (setup_next(&item)) {
    if (item.head.kind != SETUP_NAMESPACES) continue;
    memcpy(found, item.payload, sizeof *found);
    return found;
  }
  return NULL;
}

/* To the one that was forked ahead of need. LATER: there is none, or it has been killed. */
static enum handing hand_to_ready_init(const char *bytes, size_t size, const int *fds, uint32_t fd_count) {
  if (keeper->init_slot < 0) return LATER;
  if (send_job(keeper->init_jobs, bytes, size, fds, fd_count) != 0) return LATER;
  pool_use_init(((const struct job *)(const void *)bytes)->process);
  return HANDED;
}

/* Each init gets one job, in a socket of its own. */
static enum handing hand_to_init(const char *bytes, size_t size, const int *fds, uint32_t fd_count, int *error) {
  struct setup_namespaces found;
  const struct setup_namespaces *wanted = namespaces_of(bytes, &found);
  if (wanted == NULL && hand_to_ready_init(bytes, size, fds, fd_count) == HANDED) return HANDED;
  if (keeper->forks_left == 0) return LATER;
  int jobs[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs) != 0) {
    *error = errno;
    return REFUSED;
  }
  *error = send_job(jobs[0], bytes, size, fds, fd_count);
  enum handing handing = is_full(*error) ? LATER : *error != 0 ? REFUSED : HANDED;
  if (handing == HANDED) {
    keeper->forks_left--;
    if (!pool_init(((const struct job *)(const void *)bytes)->process, jobs[1], wanted)) {
      *error = errno;
      handing = REFUSED;
    } else if (wanted == NULL) {
      keeper->init_wanted = true;
    }
  }
  close_all(jobs, 2);
  return handing;
}

static enum handing hand_over(enum reaper_kind kind, const char *bytes, size_t size, const int *fds, uint32_t fd_count, int *error) {
  if (kind == REAPER_INIT) return hand_to_init(bytes, size, fds, fd_count, error);
  bool group = kind == REAPER_GROUP;
  enum handing found = find_reaper(group, error);
  if (found != HANDED) return found;
  *error = send_job(group ? keeper->group_jobs[0] : keeper->jobs[0], bytes, size, fds, fd_count);
  if (is_full(*error)) return LATER;
  if (*error != 0) return REFUSED;
  if (!group) keeper->idle--;
  return HANDED;
}

int send_retirement(void) {
  const struct job retire = {.kind = JOB_RETIRE, .size = sizeof retire};
  return send_job(keeper->jobs[0], (const char *)&retire, sizeof retire, NULL, 0);
}

static bool keep_waiting(struct process *process, enum reaper_kind kind, const struct fd_set_up *set_up, size_t size) {
  struct queue *queue = &keeper->waiting_jobs[kind];
  struct waiting waiting = {process->id, (uint32_t)size, set_up->count};
  size_t before = queue_length(queue);
  process->waits = queue_append(queue, &waiting, sizeof waiting) &&
                   queue_append(queue, set_up->pass, set_up->count * sizeof(int)) &&
                   queue_append(queue, queue_front(&keeper->job_bytes), size);
  if (!process->waits) queue->end = queue->start + before;
  return process->waits;
}

int jobs_wait(void) {
  size_t waiting = 0;
  for (int kind = 0; kind < REAPER_KINDS; kind++) waiting += queue_length(&keeper->waiting_jobs[kind]);
  if (waiting == 0) return -1;
  /* For reapers to be forked, or for one to make room in its socket. */
  return keeper->forks_left == 0 ? 0 : SOCKET_STEP;
}

/* Which step it is that nobody could be had to take the job. */
static void fail_handing(struct process *process, enum reaper_kind kind, int error) {
  if (kind == REAPER_INIT) fail_spawn(process, STEP_CONTAINMENT, error, CONTAINMENT_NAMESPACES);
  else fail_spawn(process, STEP_HELPER, error, -1);
}

static void send_waiting(enum reaper_kind kind) {
  struct queue *queue = &keeper->waiting_jobs[kind];
  while (queue_length(queue) > 0) {
    struct waiting waiting;
    memcpy(&waiting, queue_front(queue), sizeof waiting);
    int fds[JOB_FDS + 1];
    const char *at = queue_front(queue) + sizeof waiting;
    memcpy(fds, at, waiting.fd_count * sizeof(int));
    at += waiting.fd_count * sizeof(int);
    struct process *process = process_find(waiting.process);
    int error = ECANCELED;
    enum handing handing = REFUSED;
    if (process != NULL && !process->cancelled && !process->overdue) {
      handing = hand_over(kind, at, waiting.size, fds, waiting.fd_count, &error);
    }
    if (handing == LATER) return;
    if (process != NULL) process->waits = false;
    if (handing == REFUSED && process != NULL) fail_handing(process, kind, error);
    close_all(fds, waiting.fd_count);
    queue_consume(queue, sizeof waiting + waiting.fd_count * sizeof(int) + waiting.size);
  }
}

/* A job that was sent, and that no reaper can be forked for. False when there is none. */
static bool take_back_job(bool group, int error) {
  struct job job;
  char control[CMSG_SPACE((JOB_FDS + 1) * sizeof(int))];
  struct iovec part = {&job, sizeof job};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(group ? keeper->group_jobs[1] : keeper->jobs[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < (ssize_t)sizeof job) return false;
  for (struct cmsghdr *rights = CMSG_FIRSTHDR(&message); rights != NULL; rights = CMSG_NXTHDR(&message, rights)) {
    int fds[JOB_FDS + 1];
    size_t size = rights->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(rights), size);
    close_all(fds, (uint32_t)(size / sizeof *fds));
  }
  if (!group) keeper->idle++;
  struct process *process = process_find(job.process);
  if (process != NULL) fail_spawn(process, STEP_HELPER, error, -1);
  return true;
}

/* A reaper that was killed while it waited leaves a job in the socket that another one has to be forked for. */
static void replace_reapers(void) {
  while (keeper->idle < 0 && keeper->forks_left > 0) {
    keeper->forks_left--;
    if (!pool_grow() && !take_back_job(false, errno)) keeper->idle = 0;
  }
  if (!keeper->group_used || keeper->group_slot >= 0 || jobs_taken(true) || pool_group_reaper()) return;
  int error = errno;
  while (take_back_job(true, error)) continue;
}

void send_waiting_jobs(void) {
  if (keeper->finishing) return;
  replace_reapers();
  for (int kind = 0; kind < REAPER_KINDS; kind++) send_waiting((enum reaper_kind)kind);
}

static int set_up_all(uint32_t id, const struct spawn_request *request, struct fd_set_up *set_up, struct job_fd *fds) {
  for (uint32_t i = 0; i < request->head.fd_count; i++) {
    struct spawn_fd fd = spawn_request_fd(request, i);
    set_up->target = fd.target;
    int error = set_up_fd(set_up, &fd, &fds[i]);
    if (error != 0) return error;
    bool given = fd.kind == FD_OBJECT && (fd.extra & END_GIVEN) != 0;
    if (given && !gift_promise(id, fd.value, fd.extra & END_SECOND)) return ENOMEM;
  }
  set_up->target = -1;
  return 0;
}

/* A process of ours that is not collected: with its reaper as its parent the number is its own. */
static int pin_leader(uint32_t id) {
  const struct process *process = process_find(id);
  pid_t reaper = process == NULL ? 0 : slot_pid(process->slot);
  if (reaper == 0 || process->exited) {
    errno = ESRCH;
    return -1;
  }
  int pidfd = open_pidfd(process->pid);
  if (pidfd < 0 || parent_of(process->pid) == reaper) return pidfd;
  close(pidfd);
  errno = ESRCH;
  return -1;
}

/* Of these the payload begins with the id of a process, and in the job with the place of its pidfd. */
static bool names_process(const struct setup_reader *item) {
  return item->head.kind == SETUP_ENTER || item->head.kind == SETUP_VETH;
}

/* The processes whose namespaces the child has to do with: their pidfds go to the reaper. False with errno. */
static bool pass_processes(const struct spawn_request *request, struct fd_set_up *set_up) {
  struct setup_reader item = setup_begin(request->setup, request->head.setup_size);
  while (setup_next(&item)) {
    if (!names_process(&item)) continue;
    uint32_t process;
    memcpy(&process, item.payload, sizeof process);
    set_up->target = item.index;
    int pidfd = set_up->count < JOB_FDS ? pin_leader(process) : (errno = EMFILE, -1);
    if (pidfd < 0) return false;
    set_up->pass[set_up->count++] = pidfd;
  }
  set_up->target = -1;
  return true;
}

/* In the job that has been built, each of them by the place of its pidfd; they are the last that are passed. */
static void number_processes(uint32_t first) {
  const struct job *job = job_of();
  char *items = queue_front(&keeper->job_bytes) + sizeof *job + job->fd_count * sizeof(struct job_fd) + job->string_size;
  struct setup_reader item = setup_begin(items, job->setup_size);
  while (setup_next(&item)) {
    if (!names_process(&item)) continue;
    memcpy(items + (item.payload - items), &first, sizeof first);
    first++;
  }
}

static bool keep_lent(struct process *process, const struct fd_set_up *set_up) {
  size_t size = set_up->lent_count * sizeof *set_up->lent;
  struct lent_fd *into = process->few;
  if (size > sizeof process->few) into = process->many = malloc(size);
  if (into == NULL) return false;
  memcpy(into, set_up->lent, size);
  process->lent_count = set_up->lent_count;
  return true;
}

/* A job that is too large for a message goes into a file in memory, and the message holds its head. */
static int make_small(struct fd_set_up *set_up, size_t *size) {
  if (*size <= JOB_INLINE) return 0;
  job_of()->in_memory = 1;
  int file = in_memory_file(queue_front(&keeper->job_bytes), *size);
  if (file < 0) return errno;
  memmove(set_up->pass + 1, set_up->pass, set_up->count * sizeof(int));
  set_up->pass[0] = file;
  set_up->count++;
  *size = sizeof(struct job);
  return 0;
}

static void hand_over_or_wait(struct process *process, struct fd_set_up *set_up, enum reaper_kind kind) {
  size_t size = queue_length(&keeper->job_bytes);
  int error = make_small(set_up, &size);
  enum handing handing = error != 0 ? REFUSED : LATER;
  if (error == 0 && queue_length(&keeper->waiting_jobs[kind]) == 0) {
    handing = hand_over(kind, queue_front(&keeper->job_bytes), size, set_up->pass, set_up->count, &error);
  }
  if (handing == LATER) {
    if (keep_waiting(process, kind, set_up, size)) return;
    error = ENOMEM;
    handing = REFUSED;
  }
  close_all(set_up->pass, set_up->count);
  if (handing == REFUSED) fail_handing(process, kind, error);
}

/* errno */
static int begin_cgroups(const struct spawn_request *request) {
  /* Groups are made with the rights of the helpers: an owner that gave them up does not get them back. */
  if (!acts_for_owner()) return EPERM;
  struct setup_reader item = setup_begin(request->setup, request->head.setup_size);
  while (setup_next(&item)) {
    if (item.head.kind == SETUP_CGROUP) return cgroups_begin(item.payload);
  }
  return EINVAL;
}

static enum reaper_kind taker_of(const struct process *process) {
  switch ((enum spawn_level)process->level) {
    case LEVEL_GROUP: return REAPER_GROUP;
    case LEVEL_PID_NAMESPACE: return REAPER_INIT;
    default: return REAPER_TREE;
  }
}

void spawn(uint32_t id, const struct spawn_request *request) {
  struct process *process = process_new(id);
  if (process == NULL) {
    struct failed failed = {STEP_HELPER, ENOMEM, -1};
    reply(REPLY_FAILED, id, &failed, sizeof failed);
    return;
  }
  process->policy = request->head.stop;
  process->level = request->head.level;
  process->stores = (request->head.flags & SPAWN_STORE) != 0;
  if (owner_state()->unknown) {
    fail_spawn(process, STEP_CREDENTIALS, ESRCH, -1);
    return;
  }
  int cgroup_error = process->level == LEVEL_CGROUP ? begin_cgroups(request) : 0;
  if (cgroup_error != 0) {
    fail_spawn(process, STEP_CONTAINMENT, cgroup_error, CONTAINMENT_CGROUPS);
    return;
  }
  struct fd_set_up set_up = {.target = -1};
  struct job_fd fds[JOB_FDS];
  enum spawn_step step = STEP_DESCRIPTOR;
  int error = set_up_all(id, request, &set_up, fds);
  if (!keep_lent(process, &set_up)) {
    for (uint32_t i = 0; i < set_up.lent_count; i++) close(set_up.lent[i].descriptor);
    if (error == 0) error = ENOMEM;
  }
  uint32_t first_process = set_up.count;
  if (error == 0 && !pass_processes(request, &set_up)) {
    error = errno;
    step = STEP_NAMESPACE;
  }
  uint32_t terminal = set_up.count;
  if (error == 0 && (request->head.flags & SPAWN_FOREGROUND)) {
    error = terminal < JOB_FDS ? foreground_begin(id, &set_up.pass[terminal]) : EMFILE;
    if (error == 0) set_up.count++;
    else step = STEP_TERMINAL;
  }
  char variable[NOTIFY_VARIABLE_SIZE];
  bool notifies = (request->head.flags & SPAWN_NOTIFY) != 0;
  if (error == 0 && notifies) error = notify_open(process, variable);
  if (error == 0 && !build_job(id, request, fds, notifies ? variable : NULL)) error = ENOMEM;
  if (error != 0) {
    close_all(set_up.pass, set_up.count);
    fail_spawn(process, step, error, set_up.target);
    return;
  }
  number_processes(first_process);
  job_of()->terminal = terminal;
  process->start_by = now_milliseconds() + keeper->options.spawn_deadline;
  set_deadline(process, process->start_by);
  hand_over_or_wait(process, &set_up, taker_of(process));
}
