/*
 * The group that a program has moved into with its helpers, to make way for limits (packages/process/src/internal/cgroup/way.ts). It is
 * beside those of its nurseries, and the guard of the last of them undoes it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "ledger.h"
#include "system.h"

#define NURSERY "nursery-"
#define PROGRAM_GROUP NURSERY "program"

/* Until nobody has been forked there meanwhile. */
#define ROUNDS 100

static void find_nursery(const char *name, void *found) {
  if (strncmp(name, NURSERY, strlen(NURSERY)) == 0 && strcmp(name, PROGRAM_GROUP) != 0) *(bool *)found = true;
}

/* No process may be in the group above as long as controllers are enabled there. */
static void disable_controllers(int directory) {
  char text[512], change[64];
  if (read_file_at(directory, "cgroup.subtree_control", text, sizeof text) <= 0) return;
  char *rest;
  for (char *name = strtok_r(text, " \n", &rest); name != NULL; name = strtok_r(NULL, " \n", &rest)) {
    if (strlen(name) + 2 > sizeof change) continue;
    change[0] = '-';
    memcpy(change + 1, name, strlen(name) + 1);
    write_file_at(directory, "cgroup.subtree_control", change);
  }
}

/* False when one cannot be moved. */
static bool move_all_up(int directory) {
  char text[4096];
  for (int round = 0; round < ROUNDS && read_file_at(directory, PROGRAM_GROUP "/cgroup.procs", text, sizeof text) > 0; round++) {
    /* The last number may be cut off: the next round has it whole. */
    char *end = strrchr(text, '\n'), *rest;
    if (end == NULL) return false;
    *end = 0;
    bool moved = false;
    for (char *pid = strtok_r(text, "\n", &rest); pid != NULL; pid = strtok_r(NULL, "\n", &rest)) {
      moved = write_file_at(directory, "cgroup.procs", pid) == 0 || moved;
    }
    if (!moved) return false;
  }
  return true;
}

void cgroup_leave_program(void) {
  if (!atomic_load(&ledger->cgroup.made)) return;
  char above[CGROUP_PATH_MAX];
  memcpy(above, ledger->cgroup.path, sizeof above);
  *strrchr(above, '/') = 0;
  int directory = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  bool another = faccessat(directory, PROGRAM_GROUP, F_OK, 0) != 0;
  each_name_in(directory, find_nursery, &another);
  if (another) return;
  disable_controllers(directory);
  if (move_all_up(directory)) unlinkat(directory, PROGRAM_GROUP, AT_REMOVEDIR);
}
