#include "frames.h"

#include <string.h>

#include "object_check.h"
#include "setup.h"

#define SIGNAL_MAX 64
#define SPAWN_FLAGS (SPAWN_SHELL_FALLBACK | SPAWN_GROUP_ON_FAILURE | SPAWN_CLEAR_ENVIRONMENT | SPAWN_NOTIFY | SPAWN_LISTEN_PID | \
                     SPAWN_STORE | SPAWN_FOREGROUND)

struct reader {
  const char *at, *end;
};

static bool take(struct reader *reader, void *into, size_t size) {
  if ((size_t)(reader->end - reader->at) < size) return false;
  memcpy(into, reader->at, size);
  reader->at += size;
  return true;
}

/* Passes `count` NUL-terminated strings; NULL when there are fewer. */
static const char *skip_strings(const char *at, const char *end, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const char *zero = at == end ? NULL : memchr(at, 0, (size_t)(end - at));
    if (zero == NULL) return NULL;
    at = zero + 1;
  }
  return at;
}

static bool is_policy(const struct stop_policy *policy) {
  return policy->signal <= SIGNAL_MAX && policy->reach <= REACH_TREE && policy->zero == 0;
}

struct spawn_fd spawn_request_fd(const struct spawn_request *spawn, uint32_t index) {
  struct spawn_fd fd;
  memcpy(&fd, spawn->fds + index * sizeof fd, sizeof fd);
  return fd;
}

static const char *check_fds(const struct spawn_request *spawn) {
  uint32_t files = 0;
  for (uint32_t i = 0; i < spawn->head.fd_count; i++) {
    struct spawn_fd fd = spawn_request_fd(spawn, i);
    if (fd.target < 0 || fd.target > TARGET_MAX) return "a descriptor number is out of range";
    if (fd.kind > FD_OBJECT) return "unknown kind of descriptor";
    if (fd.kind == FD_FILE) {
      if (fd.value > FILE_APPEND || fd.extra != files++) return "a file descriptor is malformed";
    }
    if (fd.kind == FD_OBJECT && fd.extra > (END_GIVEN | END_SECOND)) return "an object has no such end";
    for (uint32_t j = 0; j < i; j++) {
      if (spawn_request_fd(spawn, j).target == fd.target) return "a descriptor number is given twice";
    }
  }
  return files == spawn->head.filec ? NULL : "the file paths do not match the descriptors";
}

/* The group of the nursery and files of a group of its own belong to the level that has them. */
static const char *check_level(const struct spawn_request *spawn) {
  struct setup_reader item = setup_begin(spawn->setup, spawn->head.setup_size);
  int groups = 0, files = 0;
  while (setup_next(&item)) {
    if (item.head.kind == SETUP_CGROUP) groups++;
    if (item.head.kind == SETUP_CGROUP_FILE) files++;
  }
  if (spawn->head.level == LEVEL_CGROUP) return groups == 1 ? NULL : "a spawn in a cgroup does not name that of its nursery once";
  return groups + files == 0 ? NULL : "a cgroup is set up at another level";
}

static const char *decode_spawn(struct reader *reader, struct spawn_request *spawn) {
  struct spawn *head = &spawn->head;
  if (!take(reader, head, sizeof *head)) return "a spawn is cut off";
  if (head->flags > SPAWN_FLAGS || head->zero != 0) return "a spawn has unknown flags";
  if (head->level > LEVEL_CGROUP || head->session > SESSION_OWNER || !is_policy(&head->stop)) return "a spawn has unknown options";
  if ((head->flags & SPAWN_FOREGROUND) && (head->session != SESSION_GROUP || head->level == LEVEL_GROUP)) {
    return "the foreground is for a group in the owner's session";
  }
  if (head->umask != UMASK_OF_OWNER && (head->umask < 0 || head->umask > 0777)) return "a umask is out of range";
  if (head->fd_count > JOB_FDS) return "too many descriptors";
  size_t rest = (size_t)(reader->end - reader->at), fds = head->fd_count * sizeof(struct spawn_fd);
  if (head->setup_size > SETUP_MAX) return "too much is to be set up";
  if (rest < fds || rest - fds != (uint64_t)head->string_size + head->setup_size) return "the size of a spawn does not match its parts";
  spawn->fds = reader->at;
  spawn->strings = reader->at + fds;
  spawn->setup = spawn->strings + head->string_size;
  if (head->argc == 0) return "a spawn has no argv";
  /* Each string is at least its NUL, so no count can be larger than the bytes. */
  if (head->argc > head->string_size || head->envc > head->string_size) return "a spawn has too few strings";
  spawn->changes = skip_strings(spawn->strings, spawn->setup, 3 + head->argc);
  if (spawn->changes == NULL) return "a spawn has too few strings";
  spawn->files = skip_strings(spawn->changes, spawn->setup, head->envc);
  if (spawn->files == NULL || skip_strings(spawn->files, spawn->setup, head->filec) != spawn->setup) {
    return "a spawn has too few or too many strings";
  }
  const char *problem = check_fds(spawn);
  if (problem == NULL) problem = setup_check(spawn->setup, head->setup_size);
  return problem != NULL ? problem : check_level(spawn);
}

static const char *decode_environment(struct reader *reader, struct request *request) {
  if (!take(reader, &request->environment.count, sizeof request->environment.count)) return "an environment is cut off";
  request->environment.strings = reader->at;
  request->environment.size = (uint32_t)(reader->end - reader->at);
  if (request->environment.count > request->environment.size) return "an environment has too few strings";
  if (skip_strings(reader->at, reader->end, request->environment.count) != reader->end) {
    return "an environment has too few or too many strings";
  }
  return NULL;
}

static const char *decode_drop(struct reader *reader, struct request *request) {
  size_t size = (size_t)(reader->end - reader->at);
  request->drop.whole = size == 0;
  if (size == 0) return NULL;
  if (size != sizeof request->drop.end || !take(reader, &request->drop.end, size)) return "a drop has the wrong size";
  return request->drop.end <= END_SECOND ? NULL : "an object has no such end";
}

static const char *decode_object(struct reader *reader, struct request *request) {
  struct object_request head;
  if (!take(reader, &head, sizeof head)) return "a request for an object is cut off";
  request->object.kind = head.kind;
  request->object.body = reader->at;
  request->object.size = (size_t)(reader->end - reader->at);
  return object_check(head.kind, request->object.body, request->object.size);
}

static const char *decode_payload(struct reader *reader, struct request *request) {
  size_t size = (size_t)(reader->end - reader->at);
  switch (request->type) {
    case REQUEST_HELLO:
      if (size != sizeof request->hello || !take(reader, &request->hello, size)) return "a hello has the wrong size";
      return request->hello.magic == PROTOCOL_MAGIC ? NULL : "a hello does not begin with the magic number";
    case REQUEST_SPAWN:
      return decode_spawn(reader, &request->spawn);
    case REQUEST_SIGNAL:
      if (size != sizeof request->signal || !take(reader, &request->signal, size)) return "a signal has the wrong size";
      if (request->signal.zero != 0) return "a reserved field is not zero";
      return request->signal.signal <= SIGNAL_MAX && request->signal.reach <= REACH_TREE ? NULL : "no such signal or reach";
    case REQUEST_STOP:
      if (size != sizeof request->stop || !take(reader, &request->stop, size)) return "a stop has the wrong size";
      return is_policy(&request->stop) ? NULL : "no such signal or reach";
    case REQUEST_CLOSE:
      request->close.at = reader->at;
      request->close.count = (uint32_t)(size / sizeof(int32_t));
      return size % sizeof(int32_t) == 0 ? NULL : "a close has the wrong size";
    case REQUEST_PIPE:
      return size == sizeof request->pipe_size && take(reader, &request->pipe_size, size) ? NULL : "a pipe has the wrong size";
    case REQUEST_ENVIRONMENT:
      return decode_environment(reader, request);
    case REQUEST_DROP:
      return decode_drop(reader, request);
    case REQUEST_OBJECT:
      return decode_object(reader, request);
    case REQUEST_RESIZE:
      if (size != sizeof request->resize || !take(reader, &request->resize, size)) return "a resize has the wrong size";
      return request->resize.columns > 0 && request->resize.rows > 0 ? NULL : "a terminal has no columns or rows";
    case REQUEST_SEAL:
    case REQUEST_CANCEL:
    case REQUEST_RELEASE:
    case REQUEST_RETAIN:
    case REQUEST_LISTEN:
      return size == 0 ? NULL : "a payload where there should be none";
  }
  return "unknown type of request";
}

enum frame_result frame_decode(const char *bytes, size_t length, struct request *request, size_t *used) {
  struct frame_header header;
  if (length < sizeof header) return FRAME_PARTIAL;
  memcpy(&header, bytes, sizeof header);
  request->id = header.id;
  if (header.size > FRAME_MAX) return FRAME_UNUSABLE;
  if (length - sizeof header < header.size) return FRAME_PARTIAL;
  *used = sizeof header + header.size;
  memset(request, 0, sizeof *request);
  request->type = header.type;
  request->id = header.id;
  struct reader reader = {bytes + sizeof header, bytes + *used};
  request->problem = header.zero == 0 ? decode_payload(&reader, request) : "a reserved field is not zero";
  return FRAME_COMPLETE;
}
