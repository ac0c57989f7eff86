#define _GNU_SOURCE
#include "paths.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ledger.h"

uint32_t path_begin(const char *path) {
  for (uint32_t record = 0; record < BOUND_PATHS; record++) {
    struct bound_path *bound = &ledger->paths[record];
    if (atomic_load(&bound->state) != PATH_FREE) continue;
    memcpy(bound->path, path, strlen(path) + 1);
    atomic_store(&bound->state, PATH_BINDING);
    return record;
  }
  return NO_PATH;
}

void path_bound(uint32_t record) {
  struct bound_path *bound = &ledger->paths[record];
  struct stat about;
  if (lstat(bound->path, &about) != 0) return;
  bound->device = about.st_dev;
  bound->inode = about.st_ino;
  atomic_store(&bound->state, PATH_BOUND);
}

void path_forget(uint32_t record) {
  if (record != NO_PATH) atomic_store(&ledger->paths[record].state, PATH_FREE);
}

/* The kernel looks for who is bound to it before it looks whether the types of the two match. */
bool is_stale_socket(const char *path) {
  struct stat about;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (lstat(path, &about) != 0 || !S_ISSOCK(about.st_mode)) return false;
  int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  memcpy(address.sun_path, path, strlen(path));
  /* Of a stream socket that is in use this is refused as the wrong type: whoever accepts there is not disturbed. */
  bool refused = connect(probe, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED;
  close(probe);
  return refused;
}

static bool is_still_ours(const struct bound_path *bound) {
  struct stat about;
  if (atomic_load(&bound->state) == PATH_BINDING) return is_stale_socket(bound->path);
  return lstat(bound->path, &about) == 0 && about.st_dev == bound->device && about.st_ino == bound->inode;
}

void path_remove(uint32_t record) {
  if (record == NO_PATH) return;
  struct bound_path *bound = &ledger->paths[record];
  if (atomic_load(&bound->state) == PATH_FREE) return;
  if (is_still_ours(bound)) unlink(bound->path);
  atomic_store(&bound->state, PATH_FREE);
}

void paths_remove(void) {
  for (uint32_t record = 0; record < BOUND_PATHS; record++) path_remove(record);
}
