/*
 * What is held for the owner until it lets go: pipes, pairs of sockets, files, memory, listening sockets, pseudo-terminals. Whoever
 * uses one gets a copy, so that a child that is started anew finds what the one before it had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"
#include "listen.h"
#include "paths.h"
#include "pty.h"

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif
#define SEALS 0xf /* F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE */

struct object {
  uint32_t id;
  int ends[2];   /* of a pty its terminal and its controlling side, which nobody gets */
  int error;     /* of a pipe whose making was not awaited: why it has no ends */
  uint32_t path; /* that it is bound to, NO_PATH: none */
  bool reopens;  /* a copy is opened anew, with a position of its own */
  bool is_pty;
  pid_t relay;   /* of a pty, 0: it has ended */
  uint32_t next_free;
};

static struct object *object_at(uint32_t record) { return (struct object *)keeper->objects.at + record; }

static struct object *object_find(uint32_t id) {
  uint32_t record = map_get(&keeper->object_by_id, id);
  return record == MAP_NONE ? NULL : object_at(record);
}

static const struct object nothing = {.ends = {-1, -1}, .path = NO_PATH, .next_free = NO_RECORD};

static struct object *object_new(uint32_t id) {
  uint32_t record = keeper->free_object;
  if (id == 0 || map_get(&keeper->object_by_id, id) != MAP_NONE) return NULL;
  if (record == NO_RECORD) {
    if (!memory_grow(&keeper->objects, (keeper->object_count + 1) * sizeof(struct object))) return NULL;
    record = keeper->object_count++;
    object_at(record)->next_free = NO_RECORD;
  }
  struct object *object = object_at(record);
  uint32_t next_free = object->next_free;
  *object = nothing;
  object->id = id;
  if (map_set(&keeper->object_by_id, id, record)) {
    if (record == keeper->free_object) keeper->free_object = next_free;
    return object;
  }
  object->next_free = keeper->free_object;
  keeper->free_object = record;
  return NULL;
}

static int make_pipe(struct object *object, uint32_t size) {
  if (pipe2(object->ends, O_CLOEXEC) != 0) {
    object->ends[0] = object->ends[1] = -1;
    return errno;
  }
  if (size > 0) fcntl(object->ends[0], F_SETPIPE_SZ, (int)size);
  return 0;
}

void object_new_pipe(uint32_t id, uint32_t size) {
  struct object *object = object_new(id);
  if (object == NULL) refuse(id, EEXIST, "this id is in use, or there is no memory for a pipe");
  else object->error = make_pipe(object, size);
}

bool object_adopt(uint32_t id, int socket) {
  struct object *object = object_new(id);
  if (object == NULL) return false;
  object->ends[0] = socket;
  return true;
}

uint32_t object_store(int descriptor) {
  uint32_t id = keeper->last_stored;
  do id = id < STORED_FIRST || id == UINT32_MAX ? STORED_FIRST : id + 1;
  while (object_find(id) != NULL);
  if (!object_adopt(id, descriptor)) return 0;
  keeper->last_stored = id;
  return id;
}

static int open_anew(int descriptor, uint32_t end) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  return open(path, (end == END_FIRST ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

int object_end(uint32_t id, uint32_t end, int *error) {
  const struct object *object = object_find(id);
  *error = object == NULL || object->error == 0 ? EBADF : object->error;
  if (object == NULL) return -1;
  int held = object->ends[object->reopens ? END_FIRST : end];
  if (held < 0 || (object->is_pty && end != END_FIRST)) return -1;
  int copy = object->reopens ? open_anew(held, end) : fcntl(held, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) *error = errno;
  return copy;
}

static void close_end(struct object *object, uint32_t end) {
  if (object->ends[end] >= 0) close(object->ends[end]);
  object->ends[end] = -1;
}

/* What it has not passed on nobody wants. It is collected as all children are. */
static void end_relay(const struct object *object) {
  if (object->relay <= 0) return;
  map_remove(&keeper->pty_by_relay, (uint32_t)object->relay);
  kill(object->relay, SIGKILL);
}

void object_drop(uint32_t id) {
  uint32_t record = map_get(&keeper->object_by_id, id);
  if (record == MAP_NONE) return;
  struct object *object = object_at(record);
  close_end(object, END_FIRST);
  close_end(object, END_SECOND);
  path_remove(object->path);
  end_relay(object);
  *object = nothing;
  object->next_free = keeper->free_object;
  keeper->free_object = record;
  map_remove(&keeper->object_by_id, id);
}

void object_drop_end(uint32_t id, uint32_t end) {
  struct object *object = object_find(id);
  if (object == NULL) return;
  close_end(object, end);
  if (object->ends[END_FIRST] < 0 && object->ends[END_SECOND] < 0) object_drop(id);
}

static void tell_failure(uint32_t id, struct object_failure failure) {
  struct object_told told = {(uint32_t)failure.error, failure.step};
  reply(REPLY_OBJECT, id, &told, sizeof told);
}

static struct object_failure make_socketpair(struct object *object, const char *body) {
  static const int types[] = {[TYPE_STREAM] = SOCK_STREAM, [TYPE_DATAGRAM] = SOCK_DGRAM, [TYPE_SEQPACKET] = SOCK_SEQPACKET};
  struct object_socketpair pair;
  memcpy(&pair, body, sizeof pair);
  if (socketpair(AF_UNIX, types[pair.type] | SOCK_CLOEXEC, 0, object->ends) == 0) return no_failure;
  object->ends[0] = object->ends[1] = -1;
  return (struct object_failure){errno, AT_CREATE};
}

static int open_flags(uint32_t flags) {
  int access = (flags & OPEN_WRITE) == 0 ? O_RDONLY : (flags & OPEN_READ) == 0 ? O_WRONLY : O_RDWR;
  return access | (flags & OPEN_CREATE ? O_CREAT : 0) | (flags & OPEN_EXCLUSIVE ? O_EXCL : 0) |
         (flags & OPEN_TRUNCATE ? O_TRUNC : 0) | (flags & OPEN_APPEND ? O_APPEND : 0);
}

static struct object_failure make_file(struct object *object, const char *body) {
  struct object_file file;
  memcpy(&file, body, sizeof file);
  if (!acts_for_owner()) return (struct object_failure){EPERM, AT_CREDENTIALS};
  mode_t before = umask((mode_t)owner_state()->umask);
  /* Nonblocking only as long as it is being opened: a FIFO that nobody writes to must not stop the keeper. */
  object->ends[END_FIRST] = open(body + sizeof file, open_flags(file.flags) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, file.mode);
  int error = errno;
  umask(before);
  if (object->ends[END_FIRST] < 0) return (struct object_failure){error, AT_OPEN};
  int flags = fcntl(object->ends[END_FIRST], F_GETFL);
  fcntl(object->ends[END_FIRST], F_SETFL, flags & ~O_NONBLOCK);
  return no_failure;
}

static int seal(int memory) { return fcntl(memory, F_ADD_SEALS, SEALS) == 0 ? 0 : errno; }

static struct object_failure make_memory(struct object *object, const char *body, size_t size) {
  struct object_memory memory;
  memcpy(&memory, body, sizeof memory);
  int made = object->ends[END_FIRST] = memfd_create("nursery", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (made < 0) return (struct object_failure){errno, AT_CREATE};
  object->reopens = true;
  if (ftruncate(made, (off_t)memory.size) != 0) return (struct object_failure){errno, AT_WRITE};
  for (size_t at = sizeof memory; at < size;) {
    ssize_t written = pwrite(made, body + at, size - at, (off_t)(at - sizeof memory));
    if (written > 0) at += (size_t)written;
    else if (errno != EINTR) return (struct object_failure){errno, AT_WRITE};
  }
  int error = memory.sealed ? seal(made) : 0;
  return (struct object_failure){error, AT_SEAL};
}

static struct object_failure make_listening(struct object *object, const char *body, struct object_ends *ends) {
  struct object_listen listen;
  memcpy(&listen, body, sizeof listen);
  if (!acts_for_owner()) return (struct object_failure){EPERM, AT_CREDENTIALS};
  struct bound bound;
  struct object_failure failure = listen_on(&listen, body + sizeof listen, (mode_t)owner_state()->umask, &bound);
  if (failure.error != 0) return failure;
  object->ends[END_FIRST] = bound.descriptor;
  object->path = bound.path;
  ends->port = bound.port;
  return no_failure;
}

static struct object_failure make_pty(struct object *object, const char *body, struct object_ends *ends) {
  struct object_pty wanted;
  memcpy(&wanted, body, sizeof wanted);
  if (!acts_for_owner()) return (struct object_failure){EPERM, AT_CREDENTIALS};
  struct pty pty;
  struct object_failure failure = pty_make(&wanted, &pty);
  if (failure.error != 0) return failure;
  object->is_pty = true;
  object->ends[END_FIRST] = pty.terminal;
  object->ends[END_SECOND] = pty.control;
  object->relay = pty.relay;
  *ends = (struct object_ends){pty.output, pty.input, pty.number};
  lend(pty.output);
  lend(pty.input);
  bool known = map_set(&keeper->pty_by_relay, (uint32_t)pty.relay, object->id);
  return (struct object_failure){known ? 0 : ENOMEM, AT_CREATE};
}

static struct object_failure make(struct object *object, const struct request *request, struct object_ends *ends) {
  const char *body = request->object.body;
  switch (request->object.kind) {
    case OBJECT_PIPE: {
      struct object_pipe pipe;
      memcpy(&pipe, body, sizeof pipe);
      return (struct object_failure){make_pipe(object, pipe.size), AT_CREATE};
    }
    case OBJECT_SOCKETPAIR: return make_socketpair(object, body);
    case OBJECT_FILE: return make_file(object, body);
    case OBJECT_MEMORY: return make_memory(object, body, request->object.size);
    case OBJECT_PTY: return make_pty(object, body, ends);
    default: return make_listening(object, body, ends);
  }
}

void object_make(const struct request *request) {
  struct object *object = object_new(request->id);
  if (object == NULL) {
    refuse(request->id, EEXIST, "this id is in use, or there is no memory for an object");
    return;
  }
  struct object_ends ends = {-1, -1, 0};
  struct object_failure failure = make(object, request, &ends);
  if (failure.error != 0) {
    object_drop(request->id);
    tell_failure(request->id, failure);
    return;
  }
  if (!object->is_pty) {
    ends.first = object->ends[END_FIRST];
    ends.second = object->ends[END_SECOND];
  }
  const struct object_told told = {0, AT_REQUEST};
  reply_two(REPLY_OBJECT, request->id, &told, sizeof told, &ends, sizeof ends);
}

void object_resize(uint32_t request, const struct resize *resize) {
  const struct object *object = object_find(resize->pty);
  bool there = object != NULL && object->is_pty && object->ends[END_SECOND] >= 0;
  int error = there ? pty_resize(object->ends[END_SECOND], resize->columns, resize->rows) : EBADF;
  tell_failure(request, (struct object_failure){error, AT_OPTION});
}

bool object_is_relay(pid_t pid) { return map_get(&keeper->pty_by_relay, (uint32_t)pid) != MAP_NONE; }

void object_relay_changed(const siginfo_t *info) {
  uint32_t id = map_get(&keeper->pty_by_relay, (uint32_t)info->si_pid);
  if (id == MAP_NONE) return;
  if (info->si_code == CLD_STOPPED || info->si_code == CLD_TRAPPED) {
    /* Nobody could go on where it was: it has bytes in its memory. */
    kill(info->si_pid, SIGCONT);
    return;
  }
  struct object *object = object_find(id);
  map_remove(&keeper->pty_by_relay, (uint32_t)info->si_pid);
  object->relay = 0;
  /* The last copy of its controlling side: whoever still has the terminal gets SIGHUP, as of one that was switched off. */
  close_end(object, END_FIRST);
  close_end(object, END_SECOND);
  bool by_itself = info->si_code == CLD_EXITED && info->si_status == 0;
  uint32_t killed = by_itself ? 0 : (uint32_t)info->si_pid;
  reply(REPLY_HANGUP, id, &killed, sizeof killed);
}

void object_seal(uint32_t id) {
  const struct object *object = object_find(id);
  if (object == NULL || !object->reopens) tell_failure(id, (struct object_failure){EBADF, AT_REQUEST});
  else tell_failure(id, (struct object_failure){seal(object->ends[END_FIRST]), AT_SEAL});
}

/* An end that a spawn gives away, once it has started. */
struct gift {
  uint32_t process, object, end;
};

bool gift_promise(uint32_t process, uint32_t object, uint32_t end) {
  const struct gift gift = {process, object, end};
  return queue_append(&keeper->gifts, &gift, sizeof gift);
}

void gifts_settle(uint32_t process, bool started) {
  size_t count = queue_length(&keeper->gifts) / sizeof(struct gift), kept = 0;
  struct gift *gifts = (struct gift *)(void *)queue_front(&keeper->gifts);
  for (size_t i = 0; i < count; i++) {
    if (gifts[i].process != process) gifts[kept++] = gifts[i];
    else if (started) object_drop_end(gifts[i].object, gifts[i].end);
  }
  keeper->gifts.end -= (count - kept) * sizeof(struct gift);
}
