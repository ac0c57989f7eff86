#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "system.h"

/* The number after a key that begins a line, or after a space. */
static uint64_t number_of(const char *text, const char *key) {
  size_t length = strlen(key);
  for (const char *at = text; (at = strstr(at, key)) != NULL; at += length) {
    bool begins = at == text || at[-1] == '\n' || at[-1] == ' ';
    if (begins && (at[length] == ' ' || at[length] == '=')) return strtoull(at + length + 1, NULL, 10);
  }
  return CGROUP_UNKNOWN;
}

/* Over all devices, a line each. */
static uint64_t sum_of(const char *text, const char *key) {
  uint64_t sum = CGROUP_UNKNOWN;
  for (const char *line = text; line != NULL && *line != 0;) {
    const char *end = strchr(line, '\n');
    char one[256];
    size_t length = end == NULL ? strlen(line) : (size_t)(end - line);
    if (length > sizeof one - 1) length = sizeof one - 1;
    memcpy(one, line, length);
    one[length] = 0;
    uint64_t value = number_of(one, key);
    if (value != CGROUP_UNKNOWN) sum = (sum == CGROUP_UNKNOWN ? 0 : sum) + value;
    line = end == NULL ? NULL : end + 1;
  }
  return sum;
}

void cgroup_read_usage(int group, struct cgroup_told *told) {
  char text[4096];
  read_file_at(group, "cpu.stat", text, sizeof text);
  told->cpu_time = number_of(text, "usage_usec");
  told->user_time = number_of(text, "user_usec");
  told->system_time = number_of(text, "system_usec");
  told->throttled_time = number_of(text, "throttled_usec");
  read_file_at(group, "memory.peak", text, sizeof text);
  told->memory_peak = text[0] == 0 ? CGROUP_UNKNOWN : strtoull(text, NULL, 10);
  read_file_at(group, "memory.events", text, sizeof text);
  uint64_t kills = number_of(text, "oom_kill");
  told->oom_kills = kills == CGROUP_UNKNOWN ? 0 : (uint32_t)kills;
  read_file_at(group, "io.stat", text, sizeof text);
  told->read_bytes = sum_of(text, "rbytes");
  told->written_bytes = sum_of(text, "wbytes");
  told->out_of_memory = 0;
}
