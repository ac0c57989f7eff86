#define _GNU_SOURCE
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* struct mount_attr of a kernel whose headers may be older than it is. */
struct attributes {
  uint64_t set, clear, propagation, user_namespace;
};
#define ATTRIBUTE_READ_ONLY 1

int map_ids(const struct own_ids *ids) {
  if (ids->uid_inside == ID_KEEP) return 0;
  char text[64];
  /* Without privilege ids are mapped only where nobody can get rid of groups that deny something: user_namespaces(7). */
  int error = write_file("/proc/self/setgroups", "deny");
  if (error != 0) return error;
  snprintf(text, sizeof text, "%u %u 1", ids->uid_inside, ids->uid);
  if ((error = write_file("/proc/self/uid_map", text)) != 0) return error;
  snprintf(text, sizeof text, "%u %u 1", ids->gid_inside, ids->gid);
  return write_file("/proc/self/gid_map", text);
}

int separate_mounts(void) { return mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0 ? 0 : errno; }

static int clone_flags(uint32_t flags) {
  static const struct {
    uint32_t flag;
    int clone;
  } known[] = {{NAMESPACE_USER, CLONE_NEWUSER}, {NAMESPACE_PID, CLONE_NEWPID}, {NAMESPACE_MOUNT, CLONE_NEWNS},
               {NAMESPACE_NETWORK, CLONE_NEWNET}, {NAMESPACE_IPC, CLONE_NEWIPC}, {NAMESPACE_UTS, CLONE_NEWUTS},
               {NAMESPACE_CGROUP, CLONE_NEWCGROUP}, {NAMESPACE_TIME, CLONE_NEWTIME}};
  int found = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (flags & known[i].flag) found |= known[i].clone;
  }
  return found;
}

static int set_clocks(const struct setup_namespaces *wanted) {
  char text[96];
  const struct clock_offset *one = &wanted->monotonic, *other = &wanted->boottime;
  snprintf(text, sizeof text, "monotonic %lld %u\nboottime %lld %u\n", (long long)one->seconds, one->nanoseconds,
           (long long)other->seconds, other->nanoseconds);
  return write_file("/proc/self/timens_offsets", text);
}

/* It was made for children. Later kernels execute a program in it, but only by this all of them let the process itself in. */
static int enter_own_time(void) {
  int file = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  int error = setns(file, CLONE_NEWTIME) == 0 ? 0 : errno;
  close(file);
  return error;
}

/* What of it is written to files in /proc, which are the process's own only while it may be looked into. */
static int describe(const struct setup_namespaces *wanted, const struct own_ids *ids, int made) {
  prctl(PR_SET_DUMPABLE, 1);
  int error = made & CLONE_NEWUSER ? map_ids(ids) : 0;
  if (error == 0 && (made & CLONE_NEWTIME)) error = set_clocks(wanted);
  prctl(PR_SET_DUMPABLE, 0);
  return error;
}

int make_namespaces(const struct setup_namespaces *wanted) {
  const struct own_ids ids = {(uint32_t)geteuid(), (uint32_t)getegid(), wanted->uid, wanted->gid};
  int made = clone_flags(wanted->flags);
  if (unshare(made) != 0) {
    if (errno != EPERM || (made & CLONE_NEWUSER)) return errno;
    made |= CLONE_NEWUSER;
    if (unshare(made) != 0) return errno;
  }
  int error = describe(wanted, &ids, made);
  if (error == 0 && (made & CLONE_NEWNS)) error = separate_mounts();
  return error == 0 && (made & CLONE_NEWTIME) ? enter_own_time() : error;
}

static int make_read_only(const char *path) {
  const struct attributes attributes = {.set = ATTRIBUTE_READ_ONLY};
  return syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes) == 0 ? 0 : errno;
}

static int bind_mount(const char *source, const char *target, bool read_only) {
  if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) return errno;
  return read_only ? make_read_only(target) : 0;
}

int make_mount(enum mount_kind kind, const char *source, const char *target) {
  switch (kind) {
    case MOUNT_TMPFS: return mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") == 0 ? 0 : errno;
    case MOUNT_BIND: return bind_mount(source, target, false);
    case MOUNT_BIND_READ_ONLY: return bind_mount(source, target, true);
    default: return bind_mount(target, target, true);
  }
}

int enter_namespaces(int descriptor, uint32_t flags) { return setns(descriptor, clone_flags(flags)) == 0 ? 0 : errno; }
