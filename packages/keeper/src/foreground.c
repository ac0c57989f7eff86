/*
 * One process at a time can have the foreground of the owner's terminal, as the job of a shell has: its process group gets the keys that
 * are signals. The keeper sees to it that the owner has the terminal again when the process ends, however it ends, and while it is
 * stopped. In the latter case the owner is stopped as well, so that the shell that has started it gets the terminal; when that
 * continues the owner, the process is continued too. Where nobody does job control, the kernel does not stop the owner, and the process
 * goes on at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"
#include "ledger.h"
#include "system.h"
#include "terminal.h"
#include "walk.h"

/* Milliseconds. Between being told to stop and being stopped the owner is seen running; so often is enough to take it for its will. */
#define LOOK_STEP 20
#define LOOKS 3
#define SHELL_STEP 200

int foreground_begin(uint32_t process, int *terminal) {
  struct foreground *foreground = &keeper->foreground;
  if (foreground->process != 0) return EBUSY;
  int own = terminal_open();
  if (own < 0) return errno;
  struct foreground begun = {.process = process, .terminal = own, .group = getpgid(keeper->owner)};
  pid_t front = tcgetpgrp(own);
  /* Not taken away from a shell, which has put the owner into the background. */
  int error = front < 0 ? errno : front != begun.group ? EPERM : 0;
  if (error == 0 && tcgetattr(own, &begun.modes) != 0) error = errno;
  *terminal = error == 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : -1;
  if (error == 0 && *terminal < 0) error = errno;
  if (error != 0) {
    close(own);
    return error;
  }
  *foreground = begun;
  ledger->terminal_modes = begun.modes;
  atomic_store(&ledger->terminal_group, begun.group);
  return 0;
}

/* Of the process, or of one that it has started; nobody is left of a group that does not exist. */
static bool is_ours(pid_t front) {
  const struct process *process = process_find(keeper->foreground.process);
  if (process != NULL && process->pid == front) return true;
  if (kill(-front, 0) != 0 && errno == ESRCH) return true;
  const struct walk look = {.signal = 0, .group = front};
  return walk_pass(&look).reached > 0;
}

static void bring_back(bool with_modes) {
  const struct foreground *foreground = &keeper->foreground;
  pid_t front = tcgetpgrp(foreground->terminal);
  if (front <= 0 || front == foreground->group || !is_ours(front)) return;
  terminal_set_foreground(foreground->terminal, foreground->group, with_modes ? &foreground->modes : NULL);
}

void foreground_end(uint32_t process, bool crashed) {
  struct foreground *foreground = &keeper->foreground;
  if (process == 0 || foreground->process != process) return;
  bring_back(crashed);
  atomic_store(&ledger->terminal_group, 0);
  close(foreground->terminal);
  *foreground = (struct foreground){.process = 0};
}

static void look_after(int64_t milliseconds) { keeper->foreground.look_at = now_milliseconds() + milliseconds; }

void foreground_stopped(const struct process *process) {
  struct foreground *foreground = &keeper->foreground;
  if (foreground->process != process->id || keeper->closing) return;
  if (foreground->state == FOREGROUND_TAKEN) tcgetattr(foreground->terminal, &foreground->its_modes);
  bring_back(true);
  /* As if it had been typed to the owner's group. */
  kill(-foreground->group, SIGTSTP);
  foreground->state = FOREGROUND_BACK;
  foreground->looks = 0;
  look_after(LOOK_STEP);
}

/* Or is about to be. */
static bool owner_is_stopped(void) {
  char text[8192];
  ssize_t length = pread(keeper->owner_status, text, sizeof text - 1, 0);
  if (length <= 0) return false;
  text[length] = 0;
  const char *state = strstr(text, "\nState:\t"), *pending = strstr(text, "\nShdPnd:\t");
  if (state != NULL && state[8] == 'T') return true;
  return pending != NULL && (strtoull(pending + 9, NULL, 16) >> (SIGTSTP - 1) & 1) != 0;
}

static void go_on(const struct process *process) {
  struct foreground *foreground = &keeper->foreground;
  bool again = tcgetpgrp(foreground->terminal) == foreground->group;
  if (again) {
    const struct termios *modes = foreground->state == FOREGROUND_BACK ? &foreground->its_modes : NULL;
    terminal_set_foreground(foreground->terminal, process->pid, modes);
  }
  foreground->state = again ? FOREGROUND_TAKEN : FOREGROUND_BEHIND;
  foreground->look_at = 0;
  if (!again) look_after(SHELL_STEP);
  send_command(process, COMMAND_SIGNAL, SIGCONT, REACH_GROUP, 0);
}

void foreground_look(int64_t now) {
  struct foreground *foreground = &keeper->foreground;
  if (foreground->look_at == 0 || foreground->look_at > now) return;
  const struct process *process = process_find(foreground->process);
  foreground->look_at = 0;
  if (process == NULL || process->state != STATE_RUNNING || keeper->closing) return;
  if (foreground->state == FOREGROUND_BEHIND) {
    if (tcgetpgrp(foreground->terminal) == foreground->group) go_on(process);
    else look_after(SHELL_STEP);
  } else if (owner_is_stopped()) {
    foreground->looks = 0;
    look_after(LOOK_STEP);
  } else if (++foreground->looks < LOOKS) {
    look_after(LOOK_STEP);
  } else {
    go_on(process);
  }
}
