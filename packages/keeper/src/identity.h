/*
 * Who a child is: user, groups and capabilities. By raw system calls, because libc's would tell its threads, and this runs after
 * vfork.
 */
#ifndef NURSERY_IDENTITY_H
#define NURSERY_IDENTITY_H

#include <stdint.h>

#include "protocol.h"

/* All user and group ids, for good; ID_KEEP for what stays. The groups may be unaligned. errno, 0: done. */
int take_identity(uint32_t user, uint32_t group, const void *groups, uint32_t count);

/* Before the identity is taken: the bounding set, which needs a right that goes with it. errno, 0: done. */
int bound_capabilities(const struct setup_capabilities *wanted);

/* After it: all other sets. errno, 0: done. */
int take_capabilities(const struct setup_capabilities *wanted);

#endif
