/*
 * What a child may reach: Landlock rulesets and seccomp filters. Runs after vfork, as launch.c does.
 */
#ifndef NURSERY_SANDBOX_H
#define NURSERY_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* The version of Landlock's interface that this kernel offers, 0: none. */
uint32_t landlock_abi(void);

/* A ruleset that is being built. */
struct ruleset {
  int descriptor; /* -1: there is none */
  uint64_t files; /* the rights that it holds back */
};

/* All of them: errno, 0 for success. EOPNOTSUPP: this kernel cannot hold back what is to be held back. */
int ruleset_begin(struct ruleset *ruleset, const struct setup_sandbox *wanted);
int ruleset_allow_path(const struct ruleset *ruleset, const struct setup_sandbox_path *rule, const char *path);
int ruleset_allow_port(const struct ruleset *ruleset, const struct setup_sandbox_port *rule);
/* Also closes it. */
int ruleset_enter(struct ruleset *ruleset);

/* struct sock_filter each, unaligned; takes no_new_privs. */
int install_filter(const char *instructions, size_t size);

#endif
