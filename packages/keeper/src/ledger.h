/*
 * A page table of all reapers in memory that guard, keeper and reapers share, so that each knows the helpers from the processes
 * they serve, also after one of them has died. The keeper hands out slots; a reaper writes the fields of its own.
 */
#ifndef NURSERY_LEDGER_H
#define NURSERY_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "cgroup.h"
#include "paths.h"

#define SLOTS 32768

struct slot {
  _Atomic int32_t pid;        /* 0: free */
  _Atomic uint32_t process;   /* the process it serves, 0 while it waits for one; written before anything else is done */
  _Atomic uint32_t released;  /* 1: serves a process that may outlive everybody */
  _Atomic int32_t child;      /* while it starts a program: the child that has not executed it yet; below 0: it has not told */
  _Atomic uint64_t command;   /* a union command that found the queue of signals full, 0: none */
};

struct ledger {
  _Atomic uint32_t used;              /* no slot from here on was ever used */
  _Atomic uint32_t owner_death_grace; /* milliseconds, as the owner's HELLO said */
  _Atomic int32_t terminal_group; /* the process group that the foreground of the owner's terminal goes back to, 0: none */
  struct termios terminal_modes;  /* and its modes; written before the group is */
  struct slot slots[SLOTS];
  struct bound_path paths[BOUND_PATHS]; /* the keeper's; see paths.h */
  struct nursery_cgroup cgroup;         /* likewise; see cgroup.h */
};

extern struct ledger *ledger;

bool ledger_create(void);

/* Whether a process is a living helper. */
bool ledger_has(pid_t pid);
bool ledger_has_released(pid_t pid);

#endif
