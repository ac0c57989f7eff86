#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "ledger.h"

int terminal_open(void) {
  int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (terminal < 0 && errno == ENOENT) errno = ENXIO;
  return terminal;
}

void terminal_set_foreground(int terminal, pid_t group, const struct termios *modes) {
  tcsetpgrp(terminal, group);
  /* At once: output that was stopped by Ctrl-S would never drain. */
  if (modes != NULL) tcsetattr(terminal, TCSANOW, modes);
}

void terminal_give_back(void) {
  pid_t group = atomic_load(&ledger->terminal_group);
  int terminal = group == 0 ? -1 : terminal_open();
  if (terminal < 0) return;
  pid_t front = tcgetpgrp(terminal);
  /* A group that lives is none of ours: a shell may have taken the terminal. */
  if (front > 0 && front != group && kill(-front, 0) != 0 && errno == ESRCH) {
    terminal_set_foreground(terminal, group, &ledger->terminal_modes);
  }
  close(terminal);
}
