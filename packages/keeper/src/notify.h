/*
 * The notification protocol of systemd, sd_notify(3): a socket for each child that is to have one, what arrives there, and from
 * whom.
 *
 * The socket says which child a message is about, so that also a sender that has ended by the time it is read is heard. What
 * the kernel says of the sender only tells members of the child's tree from strangers that have learned the name.
 */
#ifndef NURSERY_NOTIFY_H
#define NURSERY_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

struct process;

/* The variable for the environment of the child, a string. */
#define NOTIFY_VARIABLE_SIZE 80

/* Makes the socket of a child, and writes its variable to `variable`. errno. */
int notify_open(struct process *process, char *variable);

/* Whether a variable of the owner's environment is meant for the owner alone, which may be a service itself. */
bool notify_is_own(const char *variable);

/* The owner has been told that it has started: from now on its messages are read. */
void notify_begin(struct process *process);

/* Some of them are there. */
void notify_ready(void);

/* Reads all that has been sent so far: before the owner is told what has happened since. */
void notify_catch_up(struct process *process);

void notify_close(struct process *process);

/* After what could be written to the owner has been: closes the barriers that waited for it, and reads on or pauses. */
void notify_settle(void);

#endif
