/*
 * The terminal of the session that owner and helpers are in, and its foreground. Helpers are in the background of it, and change it
 * all the same: they have SIGTTOU blocked (credentials(7), tcsetpgrp(3)).
 */
#ifndef NURSERY_TERMINAL_H
#define NURSERY_TERMINAL_H

#include <sys/types.h>
#include <termios.h>

/* -1 with errno, ENXIO: there is none. */
int terminal_open(void);

/* `modes`: NULL leaves them as they are. */
void terminal_set_foreground(int terminal, pid_t group, const struct termios *modes);

/* For the guard, once its keeper is dead and with it all that it had started: what the ledger says. */
void terminal_give_back(void);

#endif
