/*
 * Thin wrappers for system calls that libc does not name everywhere, and the clock. No state.
 */
#ifndef NURSERY_SYSTEM_H
#define NURSERY_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of the sizes that the kernel's pages can have on the machines that this runs on. */
#define PAGE_MAX 65536

/* CLOCK_MONOTONIC does not count a suspended machine: after a resume no grace period has run out that had not before. */
uint64_t now_nanoseconds(void);
int64_t now_milliseconds(void);

int open_pidfd(pid_t pid);
int signal_pidfd(int pidfd, int signal);
int get_fd_of(int pidfd, int descriptor);

/* Closes every descriptor from `first` on. */
void close_from(int first);

/* Moves a descriptor to a number that is at least `lowest`, close-on-exec; the old number is closed. -1 on failure. */
int move_fd(int descriptor, int lowest);

void set_nonblocking(int descriptor);

/* The name that ps shows, at most 15 bytes. */
void set_name(const char *name);

/* All of them, also those that a libc keeps for its threads, and that this one does not call its own may have ignored. */
void reset_all_signals(void);
void block_all_signals(void);

/*
 * Runs this process at the lowest real-time priority where that is permitted, until `restore_priority`: without it a fork bomb
 * of many processes starves the one that kills them. Children do not inherit it.
 */
bool raise_priority(void);
void restore_priority(void);

/*
 * A fork that goes on in `run` on a stack of its own, which must be as large as that. The parent's own stack need not be copied
 * then. `namespaces`: flags of clone(2) for those that it gets. -1 on failure.
 */
pid_t fork_on(void *stack, size_t size, int namespaces, int (*run)(void *), void *argument);

/* Tells every name in a directory, `.` and `..` too. Unlike libc's it allocates nothing. False when there is no such directory. */
bool each_name(const char *directory, void (*tell)(const char *name, void *context), void *context);

/* The same of an open directory. */
void each_name_in(int file, void (*tell)(const char *name, void *context), void *context);

/* Reads a small file whole into `into`, as far as it fits, NUL-terminated. Its length, or -1: `into` is empty then. */
ssize_t read_file(const char *path, char *into, size_t size);
ssize_t read_file_at(int directory, const char *path, char *into, size_t size);

/* Writes a text to a file that is there, in one piece. errno, 0: done. */
int write_file(const char *path, const char *text);
int write_file_at(int directory, const char *path, const char *text);

#endif
