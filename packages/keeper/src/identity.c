#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* What is in headers of the kernel, which not every libc comes with. */
#define CAPABILITY_VERSION 0x20080522u
struct capability_header {
  uint32_t version;
  int32_t pid;
};
struct capability_data {
  uint32_t effective, permitted, inheritable;
};
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

#define GROUPS_COMPARED 256
#define CAPABILITY_BITS 64

static uint32_t group_at(const void *groups, uint32_t index) {
  uint32_t group;
  memcpy(&group, (const char *)groups + index * sizeof group, sizeof group);
  return group;
}

static bool is_among(uint32_t group, const void *groups, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (group_at(groups, i) == group) return true;
  }
  return false;
}

/* Whether it has exactly these supplementary groups. More than a few are compared by nobody. */
static bool has_groups(const void *groups, uint32_t count) {
  uint32_t own[GROUPS_COMPARED];
  long found = syscall(SYS_getgroups, GROUPS_COMPARED, own);
  if (found < 0) return false;
  for (long i = 0; i < found; i++) {
    if (!is_among(own[i], groups, count)) return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!is_among(group_at(groups, i), own, (uint32_t)found)) return false;
  }
  return true;
}

struct sets {
  uint64_t effective, permitted, inheritable;
};

static int read_sets(struct sets *sets) {
  struct capability_header head = {CAPABILITY_VERSION, 0};
  struct capability_data data[2] = {{0, 0, 0}};
  if (syscall(SYS_capget, &head, data) != 0) return errno;
  sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
  sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  sets->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  return 0;
}

static int write_sets(const struct sets *sets) {
  struct capability_header head = {CAPABILITY_VERSION, 0};
  const struct capability_data data[2] = {
      {(uint32_t)sets->effective, (uint32_t)sets->permitted, (uint32_t)sets->inheritable},
      {(uint32_t)(sets->effective >> 32), (uint32_t)(sets->permitted >> 32), (uint32_t)(sets->inheritable >> 32)},
  };
  return syscall(SYS_capset, &head, data) == 0 ? 0 : errno;
}

/*
 * The kernel does it for who leaves user 0 only. What SETUP_CAPABILITIES keeps stays permitted, but cannot be used before it is
 * all that is left.
 */
static int leave_capabilities(void) {
  struct sets sets = {0, 0, 0};
  if (prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 1) {
    int error = read_sets(&sets);
    if (error != 0) return error;
    sets.effective = 0;
  }
  return write_sets(&sets);
}

static bool is_user(uint32_t user) {
  uint32_t real, effective, saved;
  if (syscall(SYS_getresuid, &real, &effective, &saved) != 0) return false;
  return real == user && effective == user && saved == user;
}

int take_identity(uint32_t user, uint32_t group, const void *groups, uint32_t count) {
  /* Groups first: without privilege they could not be dropped any more. */
  if (count != ID_KEEP && syscall(SYS_setgroups, (size_t)count, groups) != 0) {
    int error = errno;
    /* Who has them already needs no privilege to have them. */
    if (error != EPERM || !has_groups(groups, count)) return error;
  }
  if (group != ID_KEEP && syscall(SYS_setresgid, group, group, group) != 0) return errno;
  if (user == ID_KEEP || is_user(user)) return 0;
  if (syscall(SYS_setresuid, user, user, user) != 0) return errno;
  if (user == 0) return 0;
  int error = leave_capabilities();
  if (error != 0) return error;
  /* There must be no way back. */
  return syscall(SYS_setresuid, -1, 0, -1) == 0 ? EPERM : 0;
}

static bool is_in(uint64_t set, int capability) { return (set >> capability & 1) != 0; }

int bound_capabilities(const struct setup_capabilities *wanted) {
  bool keeps = wanted->mode == CAPABILITIES_KEEP;
  for (int capability = 0; capability < CAPABILITY_BITS; capability++) {
    int bound = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    /* One that this kernel does not have: it cannot be kept, and needs not be dropped. */
    if (bound < 0 && keeps && is_in(wanted->set, capability)) return EINVAL;
    if (bound <= 0 || is_in(wanted->set, capability) == keeps) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno != EPERM || !wanted->bounded) return errno;
    break;
  }
  return keeps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ? errno : 0;
}

int take_capabilities(const struct setup_capabilities *wanted) {
  struct sets sets = {wanted->set, wanted->set, wanted->set};
  if (wanted->mode == CAPABILITIES_DROP) {
    int error = read_sets(&sets);
    if (error != 0) return error;
    sets.effective &= ~wanted->set;
    sets.permitted &= ~wanted->set;
    sets.inheritable &= ~wanted->set;
    /* The ambient ones follow: none is there that is not permitted and inheritable. */
    return write_sets(&sets);
  }
  int error = write_sets(&sets);
  if (error != 0) return error;
  /* A kernel before 4.3 has no ambient ones: there they are lost by the exec, which is an error where any was to be kept. */
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && wanted->set != 0) return errno;
  for (int capability = 0; capability < CAPABILITY_BITS; capability++) {
    if (is_in(wanted->set, capability) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) return errno;
  }
  return 0;
}
