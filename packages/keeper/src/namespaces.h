/*
 * Making, furnishing and entering namespaces, in the process that is to be in them. Each returns an errno, 0 for success, and
 * allocates nothing: all of it may run after vfork.
 */
#ifndef NURSERY_NAMESPACES_H
#define NURSERY_NAMESPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

struct own_ids {
  uint32_t uid, gid; /* outside */
  uint32_t uid_inside, gid_inside;
};

/* Of the user namespace that this process is in, which has none yet. It has to be dumpable. With ID_KEEP inside: the owner does it. */
int map_ids(const struct own_ids *ids);

/* What is mounted in here stays in here; what is unmounted outside is unmounted in here too. */
int separate_mounts(void);

/* Without NAMESPACE_PID. One of time needs a process that shares its memory with no other. */
int make_namespaces(const struct setup_namespaces *wanted);

int make_mount(enum mount_kind kind, const char *source, const char *target);

/* `descriptor`: of a namespace or a process. With NAMESPACE_PID it is the next child that will be in that one. Of time as above. */
int enter_namespaces(int descriptor, uint32_t flags);

#endif
