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
  if (limit.soft == LIMIT_KEEP || limit.hard == LIMIT_KEEP) return NULL;
  return limit.soft <= limit.hard ? NULL : "a soft limit is above the hard one";
}

static const char *check_number(const struct setup_reader *item, int32_t least, int32_t most) {
  struct setup_number number;
  if (item->head.size != sizeof number) return "a number has the wrong size";
  memcpy(&number, item->payload, sizeof number);
  return number.value >= least && number.value <= most ? NULL : "a number is out of range";
}

#define AFFINITY_WORD 8

static const char *check_affinity(const struct setup_reader *item) {
  return item->head.size > 0 && item->head.size <= AFFINITY_MAX && item->head.size % AFFINITY_WORD == 0
             ? NULL
             : "a set of processors has the wrong size";
}

static const char *check_credentials(const struct setup_reader *item) {
  struct setup_credentials credentials;
  if (item->head.size < sizeof credentials) return "credentials are cut off";
  memcpy(&credentials, item->payload, sizeof credentials);
  size_t groups = credentials.groups == ID_KEEP ? 0 : credentials.groups;
  return item->head.size - sizeof credentials == groups * sizeof(uint32_t) ? NULL : "credentials do not have the groups they count";
}

static const char *check_capabilities(const struct setup_reader *item) {
  struct setup_capabilities capabilities;
  if (item->head.size != sizeof capabilities) return "capabilities have the wrong size";
  memcpy(&capabilities, item->payload, sizeof capabilities);
  return capabilities.mode <= CAPABILITIES_DROP && capabilities.bounded <= 1 ? NULL : "no such mode of capabilities";
}

static const char *check_item(const struct setup_reader *item) {
  switch (item->head.kind) {
    case SETUP_LIMIT: return check_limit(item);
    case SETUP_NICE: return check_number(item, -20, 19);
    case SETUP_SCHEDULER: return item->head.size == sizeof(struct setup_scheduler) ? NULL : "a scheduler has the wrong size";
    case SETUP_IO_PRIORITY: return check_number(item, 0, UINT16_MAX);
    case SETUP_AFFINITY: return check_affinity(item);
    case SETUP_OOM_SCORE: return check_number(item, -1000, 1000);
    case SETUP_CREDENTIALS: return check_credentials(item);
    case SETUP_CAPABILITIES: return check_capabilities(item);
    case SETUP_NO_NEW_PRIVILEGES: return item->head.size == 0 ? NULL : "a payload where there should be none";
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
