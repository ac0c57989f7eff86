#define _GNU_SOURCE
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "relay.h"
#include "system.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

static const struct pty none = {-1, -1, -1, -1, 0, 0};

static void close_all(const struct pty *pty) {
  const int ends[] = {pty->terminal, pty->control, pty->output, pty->input};
  for (int i = 0; i < 4; i++) {
    if (ends[i] >= 0) close(ends[i]);
  }
}

/* By its other side, for /dev/pts may show those of other mounts; a kernel before 4.13 knows the path only. */
static int open_terminal(int control, uint32_t number) {
  const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  int terminal = ioctl(control, TIOCGPTPEER, flags);
  if (terminal >= 0 || (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)) return terminal;
  char path[32];
  snprintf(path, sizeof path, "/dev/pts/%u", number);
  return open(path, flags);
}

static int set_modes(int terminal, uint32_t flags) {
  struct termios modes;
  if (tcgetattr(terminal, &modes) != 0) return errno;
#ifdef IUTF8
  /* So that a character is erased whole. */
  modes.c_iflag |= IUTF8;
#endif
  if (flags & PTY_RAW) cfmakeraw(&modes);
  if (flags & PTY_NO_ECHO) modes.c_lflag &= ~(tcflag_t)ECHO;
  return tcsetattr(terminal, TCSANOW, &modes) == 0 ? 0 : errno;
}

int pty_resize(int control, uint16_t columns, uint16_t rows) {
  const struct winsize size = {.ws_row = rows, .ws_col = columns};
  return ioctl(control, TIOCSWINSZ, &size) == 0 ? 0 : errno;
}

static struct object_failure open_pair(const struct object_pty *wanted, struct pty *pty) {
  pty->control = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  const int locked = 0;
  if (pty->control < 0 || ioctl(pty->control, TIOCSPTLCK, &locked) != 0 || ioctl(pty->control, TIOCGPTN, &pty->number) != 0) {
    return (struct object_failure){errno, AT_OPEN};
  }
  pty->terminal = open_terminal(pty->control, pty->number);
  if (pty->terminal < 0) return (struct object_failure){errno, AT_OPEN};
  int error = set_modes(pty->terminal, wanted->flags);
  if (error == 0) error = pty_resize(pty->control, wanted->columns, wanted->rows);
  return (struct object_failure){error, AT_OPTION};
}

/* Where a relay starts, on its own copy, of which it touches one page. The stack of the keeper is not there for it. */
static struct {
  char stack[16 << 10];
  struct relay relay;
} begin __attribute__((aligned(16)));

static struct object_failure start_relay(struct pty *pty) {
  int output[2] = {-1, -1}, input[2] = {-1, -1};
  int error = pipe2(output, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(input, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
  pty->output = output[0];
  pty->input = input[1];
  if (error == 0) {
    begin.relay = (struct relay){getpid(), pty->control, output[1], input[0]};
    pty->relay = fork_on(begin.stack, sizeof begin.stack, 0, run_relay, &begin.relay);
    if (pty->relay < 0) error = errno;
  }
  /* The relay has its own. */
  if (output[1] >= 0) close(output[1]);
  if (input[0] >= 0) close(input[0]);
  return (struct object_failure){error, AT_CREATE};
}

struct object_failure pty_make(const struct object_pty *wanted, struct pty *made) {
  *made = none;
  struct object_failure failure = open_pair(wanted, made);
  if (failure.error == 0) failure = start_relay(made);
  if (failure.error != 0) {
    close_all(made);
    *made = none;
  }
  return failure;
}
