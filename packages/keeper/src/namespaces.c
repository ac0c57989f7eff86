#define _GNU_SOURCE
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

/* struct mount_attr of a kernel whose headers may be older than it is. */
struct attributes {
  uint64_t set, clear, propagation, user_namespace;
};
#define ATTRIBUTE_READ_ONLY 1

int map_ids(const struct own_ids *ids) {
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
               {NAMESPACE_CGROUP, CLONE_NEWCGROUP}};
  int found = 0;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (flags & known[i].flag) found |= known[i].clone;
  }
  return found;
}

int make_namespaces(uint32_t flags, const struct own_ids *ids) {
  int wanted = clone_flags(flags);
  if (unshare(wanted) != 0) {
    if (errno != EPERM || (wanted & CLONE_NEWUSER)) return errno;
    wanted |= CLONE_NEWUSER;
    if (unshare(wanted) != 0) return errno;
  }
  if (wanted & CLONE_NEWUSER) {
    /* The maps are the owner's to write only while the process may be looked into. */
    prctl(PR_SET_DUMPABLE, 1);
    int error = map_ids(ids);
    prctl(PR_SET_DUMPABLE, 0);
    if (error != 0) return error;
  }
  return wanted & CLONE_NEWNS ? separate_mounts() : 0;
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

int set_loopback_up(void) {
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return errno;
  struct ifreq request = {.ifr_name = "lo"};
  int failed = ioctl(any, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  int error = failed != 0 || ioctl(any, SIOCSIFFLAGS, &request) != 0 ? errno : 0;
  close(any);
  return error;
}

int enter_namespaces(int descriptor, uint32_t flags) { return setns(descriptor, clone_flags(flags)) == 0 ? 0 : errno; }
