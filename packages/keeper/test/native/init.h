/* What the two files of the init share. */
#ifndef NURSERY_TEST_INIT_H
#define NURSERY_TEST_INIT_H

#include <signal.h>
#include <stdbool.h>

#define FRAMES 3
#define ORDERS 4
#define REPORT 5

_Noreturn void fail(const char *what);

/* Starts `argv` as the guard, with these signals ignored and blocked, and without those of the standard streams that are closed. */
_Noreturn void run_owner(char **argv, const sigset_t *ignored, const bool *closed);

#endif
