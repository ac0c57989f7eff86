#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "paths.h"

union address {
  struct sockaddr any;
  struct sockaddr_in inet;
  struct sockaddr_in6 inet6;
  struct sockaddr_un local;
};

static socklen_t make_address(const struct object_listen *how, const char *name, union address *address) {
  memset(address, 0, sizeof *address);
  size_t length = strlen(name);
  switch (how->family) {
    case ADDRESS_INET:
      address->inet.sin_family = AF_INET;
      address->inet.sin_port = htons(how->port);
      memcpy(&address->inet.sin_addr, &how->address, sizeof address->inet.sin_addr);
      return sizeof address->inet;
    case ADDRESS_INET6:
      address->inet6.sin6_family = AF_INET6;
      address->inet6.sin6_port = htons(how->port);
      address->inet6.sin6_scope_id = how->scope;
      memcpy(&address->inet6.sin6_addr, &how->address, sizeof address->inet6.sin6_addr);
      return sizeof address->inet6;
    default:
      address->local.sun_family = AF_UNIX;
      /* An abstract name begins with a NUL and has none at its end, a path the other way round. */
      memcpy(address->local.sun_path + (how->family == ADDRESS_ABSTRACT ? 1 : 0), name, length);
      return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  }
}

static int set_option(int made, int level, int option, int value) {
  return setsockopt(made, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

static int set_options(int made, const struct object_listen *how) {
  if (how->family >= ADDRESS_PATH) return 0;
  int error = 0;
  /* A server that comes back must not wait until the connections of the last one are forgotten. */
  if (how->type == TYPE_STREAM) error = set_option(made, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0 && (how->flags & LISTEN_REUSE_PORT)) error = set_option(made, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error == 0 && how->family == ADDRESS_INET6) {
    error = set_option(made, IPPROTO_IPV6, IPV6_V6ONLY, (how->flags & LISTEN_ONLY_V6) != 0);
  }
  return error;
}

/* A path has its mode from the start; nobody can connect before it has its owner, for it does not listen yet. */
static int bind_path(int made, const struct object_listen *how, const union address *address, socklen_t size, mode_t mask) {
  mode_t before = umask(how->mode == UNCHANGED ? mask : 0777 & ~(mode_t)how->mode);
  int error = bind(made, &address->any, size) == 0 ? 0 : errno;
  umask(before);
  return error;
}

static struct object_failure why_not(int error, const char *path) {
  struct stat about;
  if (error != EADDRINUSE) return (struct object_failure){error, AT_BIND};
  if (lstat(path, &about) == 0 && !S_ISSOCK(about.st_mode)) return (struct object_failure){ENOTSOCK, AT_BIND};
  return (struct object_failure){error, is_stale_socket(path) ? AT_STALE : AT_BIND};
}

static struct object_failure bind_to_path(int made, const struct object_listen *how, const char *path, mode_t mask,
                                          struct bound *bound) {
  union address address;
  socklen_t size = make_address(how, path, &address);
  bound->path = path_begin(path);
  if (bound->path == NO_PATH) return (struct object_failure){ENFILE, AT_BIND};
  int error = bind_path(made, how, &address, size, mask);
  if (error == EADDRINUSE && (how->flags & LISTEN_REPLACE_STALE) && is_stale_socket(path) && unlink(path) == 0) {
    error = bind_path(made, how, &address, size, mask);
  }
  if (error != 0) {
    path_forget(bound->path);
    bound->path = NO_PATH;
    return why_not(error, path);
  }
  path_bound(bound->path);
  if ((how->uid != UNCHANGED || how->gid != UNCHANGED) &&
      fchownat(AT_FDCWD, path, (uid_t)how->uid, (gid_t)how->gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return (struct object_failure){errno, AT_OWNER};
  }
  return no_failure;
}

static struct object_failure bind_to(int made, const struct object_listen *how, const char *name, mode_t mask,
                                     struct bound *bound) {
  if (how->family == ADDRESS_PATH) return bind_to_path(made, how, name, mask, bound);
  union address address;
  socklen_t size = make_address(how, name, &address);
  if (bind(made, &address.any, size) != 0) return (struct object_failure){errno, AT_BIND};
  size = sizeof address;
  if (how->family == ADDRESS_ABSTRACT || getsockname(made, &address.any, &size) != 0) return no_failure;
  bound->port = ntohs(how->family == ADDRESS_INET ? address.inet.sin_port : address.inet6.sin6_port);
  return no_failure;
}

struct object_failure listen_on(const struct object_listen *how, const char *name, mode_t mask, struct bound *bound) {
  static const int families[] = {
      [ADDRESS_INET] = AF_INET, [ADDRESS_INET6] = AF_INET6, [ADDRESS_PATH] = AF_UNIX, [ADDRESS_ABSTRACT] = AF_UNIX};
  static const int types[] = {[TYPE_STREAM] = SOCK_STREAM, [TYPE_DATAGRAM] = SOCK_DGRAM, [TYPE_SEQPACKET] = SOCK_SEQPACKET};
  *bound = (struct bound){-1, NO_PATH, 0};
  int made = socket(families[how->family], types[how->type] | SOCK_CLOEXEC, 0);
  if (made < 0) return (struct object_failure){errno, AT_CREATE};
  struct object_failure failure = {set_options(made, how), AT_OPTION};
  if (failure.error == 0) failure = bind_to(made, how, name, mask, bound);
  if (failure.error == 0 && how->type != TYPE_DATAGRAM && listen(made, (int)how->backlog) != 0) {
    failure = (struct object_failure){errno, AT_LISTEN};
  }
  if (failure.error == 0) {
    bound->descriptor = made;
    return failure;
  }
  close(made);
  path_remove(bound->path);
  return failure;
}
