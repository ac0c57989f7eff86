#define _GNU_SOURCE
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "keeper.h"
#include "system.h"
#include "walk.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* SCM_MAX_FD of the kernel: whatever is sent fits, so that all of it can be closed and what comes behind it is not cut off. */
#define FDS_MAX 253

/* Sockets and messages of each in one turn of the loop: a child that floods must not keep the others waiting. */
#define SOCKETS_AT_ONCE 16
#define MESSAGES_AT_ONCE 8

/* More than a socket holds (net.unix.max_dgram_qlen): who goes on sending then is a stranger, whose messages are not awaited. */
#define CATCH_UP_MAX 1024

/* From a sender up to its reaper, and how often that is tried while processes between the two end. */
#define STEPS_MAX 512
#define ATTEMPTS 8

/*
 * Abstract: there is nothing to be removed from a file system, and it is gone with the keeper. 128 random bits rather than a
 * name of the kernel's choice, of which there are a million: one that a late sender still knows must not be another child's.
 */
#define NAME_FORMAT "NOTIFY_SOCKET=@nursery-notify-%016llx%016llx"

static int bind_socket(int made, const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  /* sd_notify writes the NUL that an abstract name begins with as `@`. */
  memcpy(address.sun_path + 1, name + 1, length - 1);
  return bind(made, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

int notify_open(struct process *process, char *variable) {
  unsigned long long secret[2];
  if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) return EIO;
  snprintf(variable, NOTIFY_VARIABLE_SIZE, NAME_FORMAT, secret[0], secret[1]);
  int made = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  if (made < 0) return errno;
  /* Before it has a name: no message comes without the sender's credentials. */
  if (setsockopt(made, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 || bind_socket(made, strchr(variable, '@')) != 0) {
    int error = errno;
    close(made);
    return error;
  }
  /* Since Linux 6.5; without it the pid is all that there is. */
  setsockopt(made, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on);
  process->notify = made;
  return 0;
}

bool notify_is_own(const char *variable) {
  static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID="};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strncmp(variable, names[i], strlen(names[i])) == 0) return true;
  }
  return false;
}

void notify_begin(struct process *process) {
  if (process->notify < 0) return;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = process->id};
  /* What is not watched is read when the leader has ended. */
  epoll_ctl(keeper->notify_poll, EPOLL_CTL_ADD, process->notify, &event);
}

void notify_close(struct process *process) {
  if (process->notify < 0) return;
  epoll_ctl(keeper->notify_poll, EPOLL_CTL_DEL, process->notify, NULL);
  close(process->notify);
  process->notify = -1;
}

struct message {
  char text[NOTIFY_MAX];
  size_t size;
  bool cut;
  pid_t sender;
  int pidfd; /* of the sender, -1: none */
  int fds[FDS_MAX];
  size_t fd_count;
};

/* Nobody knows what it is: a socket that is to linger would keep its last holder waiting here. */
static void close_received(int descriptor) {
  const struct linger none = {0, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close(descriptor);
}

static void take_part(struct message *message, const struct cmsghdr *part) {
  if (part->cmsg_level != SOL_SOCKET) return;
  const unsigned char *data = CMSG_DATA(part);
  size_t size = part->cmsg_len - CMSG_LEN(0);
  if (part->cmsg_type == SCM_CREDENTIALS && size >= sizeof(struct ucred)) {
    struct ucred credentials;
    memcpy(&credentials, data, sizeof credentials);
    message->sender = credentials.pid;
  } else if (part->cmsg_type == SCM_PIDFD && size >= sizeof(int)) {
    /* The kernel puts an error in its place when the sender has been collected. */
    memcpy(&message->pidfd, data, sizeof(int));
  } else if (part->cmsg_type == SCM_RIGHTS) {
    for (; size >= sizeof(int) && message->fd_count < FDS_MAX; size -= sizeof(int), data += sizeof(int)) {
      memcpy(&message->fds[message->fd_count++], data, sizeof(int));
    }
  }
}

/* False when there is none. What it came with is the caller's to close. */
static bool receive(int socket, struct message *message) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
  } control;
  struct iovec text = {message->text, sizeof message->text};
  struct msghdr header = {
      .msg_iov = &text, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got;
  do got = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return false;
  message->size = (size_t)got;
  message->cut = (header.msg_flags & MSG_TRUNC) != 0;
  message->sender = 0;
  message->pidfd = -1;
  message->fd_count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(&header); part != NULL; part = CMSG_NXTHDR(&header, part)) {
    take_part(message, part);
  }
  if (message->pidfd < 0) message->pidfd = -1;
  return true;
}

/* A process on the way from a sender up to its reaper. */
struct place {
  pid_t pid;
  int pidfd; /* -1: none, and nobody can tell whether the number has passed to another process */
};

static bool is_there(struct place place) {
  return place.pidfd < 0 || signal_pidfd(place.pidfd, 0) == 0 || errno != ESRCH;
}

/* -1 when it has been collected, or is hidden from us. Read first: the number was its own if it still is. */
static pid_t parent_in(struct place place) {
  pid_t parent = parent_of(place.pid);
  return is_there(place) ? parent : -1;
}

/* All that is below the reaper of one tree belongs to it. That of the groups has the children and orphans of all of them. */
static bool is_below_its_leader(const struct process *process, struct place top, struct place sender) {
  if (process->level != LEVEL_GROUP) return true;
  if (top.pid == process->pid && !process->exited) return true;
  return getpgid(top.pid) == process->pid || getpgid(sender.pid) == process->pid;
}

enum way { WAY_UP, WAY_FOUND, WAY_WRONG, WAY_BROKEN };

/* From `at` to its parent, which is pinned first and believed if it is the parent still. */
static enum way step_up(const struct process *process, struct place sender, struct place *at) {
  pid_t parent = parent_in(*at);
  if (parent < 0) return WAY_BROKEN;
  if (parent == slot_pid(process->slot)) return is_below_its_leader(process, *at, sender) ? WAY_FOUND : WAY_WRONG;
  if (parent <= 1 || parent == getpid()) return WAY_WRONG;
  struct place above = {parent, open_pidfd(parent)};
  bool is_parent = parent_in(*at) == parent;
  struct place left = is_parent ? *at : above;
  if (is_parent) *at = above;
  if (left.pidfd >= 0 && left.pidfd != sender.pidfd) close(left.pidfd);
  return is_parent ? WAY_UP : WAY_BROKEN;
}

static enum way climb(const struct process *process, struct place sender) {
  struct place at = sender;
  enum way way = WAY_UP;
  for (int step = 0; step < STEPS_MAX && way == WAY_UP; step++) way = step_up(process, sender, &at);
  if (at.pidfd >= 0 && at.pidfd != sender.pidfd) close(at.pidfd);
  return way;
}

static enum notify_sender judge(const struct process *process, struct place sender) {
  if (sender.pid <= 0) return SENDER_STRANGER;
  /* Its reaper was killed: whose orphan it was before cannot be told. */
  if (slot_pid(process->slot) == 0) return SENDER_GONE;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    enum way way = climb(process, sender);
    if (way == WAY_FOUND) return SENDER_MEMBER;
    if (way == WAY_WRONG) return SENDER_STRANGER;
    if (sender.pidfd < 0 || !is_there(sender)) return SENDER_GONE;
    /* It lives where we may not look, so it is of another user: nothing speaks for it. */
    if (parent_of(sender.pid) < 0) return is_there(sender) ? SENDER_STRANGER : SENDER_GONE;
    /* Somebody between it and its reaper has ended: the way is another one now. */
  }
  return SENDER_GONE;
}

static bool is_barrier(const struct message *message) {
  static const char barrier[] = "BARRIER=1\n";
  size_t length = sizeof barrier - 1;
  return (message->size == length || message->size == length - 1) && memcmp(message->text, barrier, message->size) == 0;
}

/* Whoever holds the other end of the descriptor waits until it closes: when all that came before is with the owner. */
static bool hold_barrier(const struct message *message) {
  if (message->fd_count != 1 || keeper->barrier_count == BARRIERS_MAX) return false;
  uint64_t position = keeper->output_sent + queue_length(&keeper->output);
  keeper->barriers[keeper->barrier_count++] = (struct barrier){message->fds[0], position};
  return true;
}

static bool has_line(const struct message *message, const char *line) {
  size_t length = strlen(line);
  const char *at = message->text, *end = message->text + message->size;
  while (at < end) {
    const char *next = memchr(at, '\n', (size_t)(end - at));
    const char *stop = next == NULL ? end : next;
    if ((size_t)(stop - at) == length && memcmp(at, line, length) == 0) return true;
    at = stop + 1;
  }
  return false;
}

/* Keeps what a member of the tree hands over, under numbers that follow one another. What is left is the caller's to close. */
static void store(struct process *process, struct message *message, struct notify *notify) {
  if (!process->stores || notify->sender != SENDER_MEMBER || !has_line(message, "FDSTORE=1")) return;
  size_t kept = 0;
  while (kept < message->fd_count && process->stored < STORED_MAX) {
    uint32_t id = object_store(message->fds[kept]);
    if (id == 0 || (kept > 0 && id != notify->first + kept)) {
      if (id != 0) object_drop(id);
      kept += id != 0;
      break;
    }
    if (kept == 0) notify->first = id;
    notify->stored++;
    process->stored++;
    kept++;
  }
  memmove(message->fds, message->fds + kept, (message->fd_count - kept) * sizeof *message->fds);
  message->fd_count -= kept;
}

static void tell(struct process *process, struct message *message) {
  struct place sender = {message->sender, message->pidfd};
  /* An older kernel: whoever has the number now may not be whoever had it then. */
  if (sender.pidfd < 0 && sender.pid > 0) sender.pidfd = open_pidfd(sender.pid);
  struct notify notify = {(uint32_t)message->sender, (uint8_t)judge(process, sender), message->cut, 0, 0};
  store(process, message, &notify);
  if (sender.pidfd >= 0 && sender.pidfd != message->pidfd) close(sender.pidfd);
  reply_two(REPLY_NOTIFY, process->id, &notify, sizeof notify, message->text, message->size);
}

/* Whether there was a message. */
static bool take_message(struct process *process) {
  struct message message;
  if (!receive(process->notify, &message)) return false;
  bool barrier = is_barrier(&message), held = barrier && hold_barrier(&message);
  /* An owner that is deaf to the end has lost what more than fills its queue twice. */
  if (!barrier && message.size > 0 && queue_length(&keeper->output) < 2 * OUTPUT_MAX) tell(process, &message);
  for (size_t i = 0; i < message.fd_count && !held; i++) close_received(message.fds[i]);
  if (message.pidfd >= 0) close(message.pidfd);
  return true;
}

static bool has_room(void) { return queue_length(&keeper->output) < OUTPUT_MAX && keeper->barrier_count < BARRIERS_MAX; }

void notify_ready(void) {
  struct epoll_event events[SOCKETS_AT_ONCE];
  int count = epoll_wait(keeper->notify_poll, events, SOCKETS_AT_ONCE, 0);
  for (int i = 0; i < count; i++) {
    struct process *process = process_find(events[i].data.u32);
    if (process == NULL || process->notify < 0) continue;
    for (int messages = 0; messages < MESSAGES_AT_ONCE && has_room(); messages++) {
      if (!take_message(process)) break;
    }
  }
}

void notify_catch_up(struct process *process) {
  if (process->notify < 0) return;
  for (int messages = 0; messages < CATCH_UP_MAX && take_message(process); messages++) continue;
}

void notify_settle(void) {
  int open = 0, held = keeper->barrier_count;
  while (open < held && keeper->barriers[open].position <= keeper->output_sent) {
    close_received(keeper->barriers[open++].descriptor);
  }
  keeper->barrier_count -= open;
  memmove(keeper->barriers, keeper->barriers + open, (size_t)keeper->barrier_count * sizeof *keeper->barriers);
  bool room = has_room();
  if (room == keeper->notify_watched) return;
  if (room) watch(keeper->notify_poll, EPOLLIN);
  else unwatch(keeper->notify_poll);
  keeper->notify_watched = room;
}
