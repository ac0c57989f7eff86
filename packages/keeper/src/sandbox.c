#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is in headers of the kernel, which not every libc comes with. The numbers are the same on all architectures. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define ASK_VERSION 1u
#define RULE_PATH 1
#define RULE_PORT 2
#define FILTER_MODE 2

struct ruleset_attributes {
  uint64_t files, network, scoped;
};
struct path_rule {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));
struct port_rule {
  uint64_t allowed, port;
};
struct filter_program {
  uint16_t length;
  const char *instructions;
};

/* By the version that has brought it: rights on files, on ports, and scopes. */
#define FILES_FIRST 0x1fffu
#define FILE_REFER (1u << 13)
#define FILE_TRUNCATE_RIGHT (1u << 14)
#define FILE_IOCTL (1u << 15)
#define PORTS 0x3u
#define SCOPES 0x3u
/* The rights that a file which is no directory can have. */
#define OF_A_FILE (0x7u | FILE_TRUNCATE_RIGHT | FILE_IOCTL)

uint32_t landlock_abi(void) {
  long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
  return version < 0 ? 0 : (uint32_t)version;
}

/* What there is to be held back by a version. */
static uint64_t known_files(uint32_t abi) {
  return (abi >= 1 ? FILES_FIRST : 0) | (abi >= 2 ? FILE_REFER : 0) | (abi >= 3 ? FILE_TRUNCATE_RIGHT : 0) |
         (abi >= 5 ? FILE_IOCTL : 0);
}

int ruleset_begin(struct ruleset *ruleset, const struct setup_sandbox *wanted) {
  uint32_t abi = landlock_abi();
  uint64_t missing = wanted->files & ~known_files(abi);
  /* Before its version, moving between directories is held back always; and ioctl is promised only where it can be. */
  missing &= ~(uint64_t)(FILE_REFER | FILE_IOCTL);
  if (abi == 0 || missing != 0 || (wanted->network & ~(uint64_t)(abi >= 4 ? PORTS : 0)) != 0 ||
      (wanted->scoped & ~(uint64_t)(abi >= 6 ? SCOPES : 0)) != 0) {
    return EOPNOTSUPP;
  }
  const struct ruleset_attributes attributes = {wanted->files & known_files(abi), wanted->network, wanted->scoped};
  /* An older kernel takes a longer struct as long as it is zero beyond what it knows. */
  long made = syscall(CREATE_RULESET, &attributes, sizeof attributes, 0);
  if (made < 0) return errno;
  *ruleset = (struct ruleset){(int)made, attributes.files};
  return 0;
}

static int add_path(const struct ruleset *ruleset, uint64_t allowed, int file) {
  struct stat about;
  if (fstat(file, &about) != 0) return errno;
  if (!S_ISDIR(about.st_mode)) allowed &= OF_A_FILE;
  const struct path_rule rule = {allowed, file};
  if (allowed == 0) return 0;
  return syscall(ADD_RULE, ruleset->descriptor, RULE_PATH, &rule, 0) == 0 ? 0 : errno;
}

int ruleset_allow_path(const struct ruleset *ruleset, const struct setup_sandbox_path *rule, const char *path) {
  int file = open(path, O_PATH | O_CLOEXEC);
  /* Nothing is allowed by leaving it out. */
  if (file < 0) return rule->optional ? 0 : errno;
  int error = add_path(ruleset, rule->allowed & ruleset->files, file);
  close(file);
  return error;
}

int ruleset_allow_port(const struct ruleset *ruleset, const struct setup_sandbox_port *rule) {
  const struct port_rule port = {rule->allowed, rule->port};
  return syscall(ADD_RULE, ruleset->descriptor, RULE_PORT, &port, 0) == 0 ? 0 : errno;
}

int ruleset_enter(struct ruleset *ruleset) {
  int error = syscall(RESTRICT_SELF, ruleset->descriptor, 0) == 0 ? 0 : errno;
  close(ruleset->descriptor);
  ruleset->descriptor = -1;
  return error;
}

int install_filter(const char *instructions, size_t size) {
  const struct filter_program program = {(uint16_t)(size / FILTER_INSTRUCTION), instructions};
  return prctl(PR_SET_SECCOMP, FILTER_MODE, &program, 0, 0) == 0 ? 0 : errno;
}
