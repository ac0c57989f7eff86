/*
 * Makes sockets that listen or receive: on internet addresses, paths and abstract names.
 */
#ifndef NURSERY_LISTEN_H
#define NURSERY_LISTEN_H

#include <sys/types.h>

#include "protocol.h"

struct object_failure {
  int error; /* errno, 0: none */
  enum object_step step;
};

#define no_failure ((struct object_failure){0, AT_REQUEST})

struct bound {
  int descriptor;
  uint32_t path; /* see paths.h */
  uint32_t port;
};

/* `name`: a path or an abstract name. `mask` is the umask of a path that no mode is asked for. */
struct object_failure listen_on(const struct object_listen *listen, const char *name, mode_t mask, struct bound *bound);

#endif
