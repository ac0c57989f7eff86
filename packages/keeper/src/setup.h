/*
 * The items of a spawn that are arranged for the child between fork and exec: looked at by the keeper, which is told what is
 * wrong with them, and carried out in the child (arrange.h).
 */
#ifndef NURSERY_SETUP_H
#define NURSERY_SETUP_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol.h"

#define TARGET_MAX (1 << 20) /* of the descriptors of a child */

/* What is wrong with the bytes as a list of items, NULL when nothing is. */
const char *setup_check(const char *bytes, size_t size);

#define AFFINITY_MAX 1024 /* bytes: 8192 processors, which is what the kernel can be built for */

/* Goes through a list that has been checked. */
struct setup_reader {
  const char *at, *end;
  int index; /* of the item that was read last */
  struct setup head;
  const char *payload; /* unaligned, head.size bytes */
};

struct setup_reader setup_begin(const char *bytes, size_t size);
bool setup_next(struct setup_reader *reader);

#endif
