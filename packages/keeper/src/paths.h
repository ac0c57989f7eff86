/*
 * The sockets that the keeper has bound to paths, in memory that the guard shares: whichever of the two is left last removes them
 * from the file system.
 */
#ifndef NURSERY_PATHS_H
#define NURSERY_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "object_check.h"

#define BOUND_PATHS 1024

struct bound_path {
  _Atomic uint32_t state; /* enum path_state */
  char path[SOCKET_PATH_MAX + 1];
  uint64_t device, inode; /* once it is bound: a path that is somebody else's by now is not removed */
};

enum path_state { PATH_FREE = 0, PATH_BINDING = 1, PATH_BOUND = 2 };

#define NO_PATH UINT32_MAX

/* Before it is bound, so that a keeper that is killed in between leaves nothing. NO_PATH when there are too many. */
uint32_t path_begin(const char *path);
/* It has been bound. */
void path_bound(uint32_t record);
/* It could not be bound. */
void path_forget(uint32_t record);
void path_remove(uint32_t record);
/* All that are left. */
void paths_remove(void);

/* Whether a path is a socket that nobody is bound to any more. */
bool is_stale_socket(const char *path);

#endif
