#include "object_check.h"

#include <stdbool.h>
#include <string.h>

/* Exactly one string, which ends where the bytes do. */
static bool is_string(const char *at, size_t size) { return size > 0 && memchr(at, 0, size) == at + size - 1; }

static const char *check_file(const char *body, size_t size) {
  struct object_file file;
  if (size < sizeof file) return "a file is cut off";
  memcpy(&file, body, sizeof file);
  if ((file.flags & (OPEN_READ | OPEN_WRITE)) == 0 || file.flags > (OPEN_APPEND * 2 - 1)) return "a file has unknown flags";
  if (file.mode > 0777) return "the mode of a file is out of range";
  const char *path = body + sizeof file;
  return is_string(path, size - sizeof file) && path[0] == '/' ? NULL : "a file has no absolute path";
}

static const char *check_memory(const char *body, size_t size) {
  struct object_memory memory;
  if (size < sizeof memory) return "a memory is cut off";
  memcpy(&memory, body, sizeof memory);
  if (memory.sealed > 1) return "a memory has unknown flags";
  if (memory.size > INT64_MAX || memory.size < size - sizeof memory) return "the size of a memory is out of range";
  return NULL;
}

static const char *check_name(const struct object_listen *listen, const char *name, size_t size) {
  if (!is_string(name, size)) return "the name of a socket is malformed";
  if (size - 1 > SOCKET_PATH_MAX - (listen->family == ADDRESS_ABSTRACT ? 1 : 0)) return "the name of a socket is too long";
  switch (listen->family) {
    case ADDRESS_PATH: return name[0] == '/' ? NULL : "the path of a socket is not absolute";
    case ADDRESS_ABSTRACT: return size > 1 ? NULL : "an abstract socket has no name";
    default: return size == 1 ? NULL : "an internet address has a name";
  }
}

static const char *check_listen(const char *body, size_t size) {
  struct object_listen listen;
  if (size < sizeof listen) return "a listening socket is cut off";
  memcpy(&listen, body, sizeof listen);
  if (listen.family > ADDRESS_ABSTRACT || listen.type > TYPE_SEQPACKET) return "unknown kind of socket";
  if (listen.flags > (LISTEN_REPLACE_STALE * 2 - 1)) return "a listening socket has unknown flags";
  if (listen.family < ADDRESS_PATH && listen.type == TYPE_SEQPACKET) return "an internet socket of this type cannot be made";
  if (listen.mode > 0777 && listen.mode != UNCHANGED) return "the mode of a path is out of range";
  return check_name(&listen, body + sizeof listen, size - sizeof listen);
}

static const char *check_socketpair(const char *body, size_t size) {
  struct object_socketpair pair;
  if (size != sizeof pair) return "a socketpair has the wrong size";
  memcpy(&pair, body, sizeof pair);
  return pair.type <= TYPE_SEQPACKET ? NULL : "unknown kind of socket";
}

static const char *check_pty(const char *body, size_t size) {
  struct object_pty pty;
  if (size != sizeof pty) return "a pty has the wrong size";
  memcpy(&pty, body, sizeof pty);
  if (pty.flags > (PTY_NO_ECHO * 2 - 1)) return "a pty has unknown flags";
  return pty.columns > 0 && pty.rows > 0 ? NULL : "a terminal has no columns or rows";
}

const char *object_check(uint32_t kind, const char *body, size_t size) {
  switch (kind) {
    case OBJECT_PIPE: return size == sizeof(struct object_pipe) ? NULL : "a pipe has the wrong size";
    case OBJECT_SOCKETPAIR: return check_socketpair(body, size);
    case OBJECT_FILE: return check_file(body, size);
    case OBJECT_MEMORY: return check_memory(body, size);
    case OBJECT_LISTEN: return check_listen(body, size);
    case OBJECT_PTY: return check_pty(body, size);
    default: return "unknown kind of object";
  }
}
