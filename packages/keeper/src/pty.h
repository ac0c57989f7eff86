/*
 * Makes pseudo-terminals (pty(7)), each with its relay.
 */
#ifndef NURSERY_PTY_H
#define NURSERY_PTY_H

#include <sys/types.h>

#include "listen.h"
#include "protocol.h"

struct pty {
  int terminal; /* what processes get */
  int control;  /* a copy of what its relay has */
  int output;   /* ends of its pipes for the owner: to read */
  int input;    /* and to write */
  uint32_t number;
  pid_t relay;
};

struct object_failure pty_make(const struct object_pty *wanted, struct pty *made);

/* SIGWINCH reaches the foreground group if it has changed. errno, 0: done. */
int pty_resize(int control, uint16_t columns, uint16_t rows);

#endif
