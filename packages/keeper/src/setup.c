#include "setup.h"

#include <string.h>

struct setup_reader setup_begin(const char *bytes, size_t size) {
  return (struct setup_reader){.at = bytes, .end = bytes + size, .index = -1};
}

bool setup_next(struct setup_reader *reader) {
  if ((size_t)(reader->end - reader->at) < sizeof reader->head) return false;
  memcpy(&reader->head, reader->at, sizeof reader->head);
  reader->payload = reader->at + sizeof reader->head;
  if ((size_t)(reader->end - reader->payload) < reader->head.size) return false;
  reader->at = reader->payload + reader->head.size;
  reader->index++;
  return true;
}

static const char *check_limit(const struct setup_reader *item) {
  struct setup_limit limit;
  if (item->head.size != sizeof limit) return "a limit has the wrong size";
  memcpy(&limit, item->payload, sizeof limit);
  if (limit.zero != 0) return "a reserved field is not zero";
  return limit.soft <= limit.hard ? NULL : "a soft limit is above the hard one";
}

static const char *check_item(const struct setup_reader *item) {
  switch (item->head.kind) {
    case SETUP_LIMIT: return check_limit(item);
    default: return "unknown kind of setup";
  }
}

const char *setup_check(const char *bytes, size_t size) {
  struct setup_reader reader = setup_begin(bytes, size);
  while (setup_next(&reader)) {
    const char *problem = check_item(&reader);
    if (problem != NULL) return problem;
  }
  return reader.at == reader.end ? NULL : "the items of a setup do not fill it";
}
