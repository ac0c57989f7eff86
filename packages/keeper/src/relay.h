/*
 * The relay of a pty: a process that carries bytes between its controlling side, which the owner cannot have, and two pipes, which
 * it can. A helper of its own, for a pty outlives those that use its terminal, and neither the keeper nor a reaper may wait for
 * an owner that does not read.
 */
#ifndef NURSERY_RELAY_H
#define NURSERY_RELAY_H

#include <sys/types.h>

struct relay {
  pid_t keeper;
  int control; /* the controlling side; nonblocking, as the pipes are */
  int output;  /* a pipe to write: what the terminal shows */
  int input;   /* a pipe to read: what is typed */
};

/*
 * Does not return. Called in a fresh fork; closes every descriptor but these. It ends with status 0 when nobody has the terminal any more
 * and all that came from it has been passed on.
 */
int run_relay(void *relay);

#endif
