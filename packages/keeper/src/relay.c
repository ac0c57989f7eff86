#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "system.h"

enum { CONTROL = 0, OUTPUT = 1, INPUT = 2 };

/* One direction. What does not fit waits at its source, which so waits for its destination. */
struct flow {
  size_t from, to;
  char bytes[64 << 10];
};

/* Pages of a relay alone: the keeper never touches them. */
static struct flow output, input;

static bool is_empty(const struct flow *flow) { return flow->from == flow->to; }
static void discard(struct flow *flow) { flow->from = flow->to = 0; }

enum result { AGAIN, END };

/* As much as is there. END: there will be no more. */
static enum result fill(struct flow *flow, int source) {
  while (flow->to < sizeof flow->bytes) {
    ssize_t got = read(source, flow->bytes + flow->to, sizeof flow->bytes - flow->to);
    if (got > 0) flow->to += (size_t)got;
    else if (got == 0 || errno == EIO) return END;
    else if (errno != EINTR) return AGAIN;
  }
  return AGAIN;
}

/* As much as is taken. END: nobody takes any more. */
static enum result drain(struct flow *flow, int destination) {
  while (!is_empty(flow)) {
    ssize_t put = write(destination, flow->bytes + flow->from, flow->to - flow->from);
    if (put > 0) flow->from += (size_t)put;
    else if (put < 0 && errno != EINTR) return errno == EAGAIN ? AGAIN : END;
  }
  discard(flow);
  return AGAIN;
}

static _Noreturn void relay_bytes(void) {
  bool shown = true, typed = true, ended = false;
  for (;;) {
    /* EIO: nobody has the terminal, and all that was written to it has been read. */
    if (!ended && is_empty(&output)) ended = fill(&output, CONTROL) == END;
    /* Without a reader it is a terminal that nobody looks at: no reason for its processes to end. */
    if (shown) shown = drain(&output, OUTPUT) != END;
    if (!shown) discard(&output);
    if (ended && is_empty(&output)) _exit(0);
    if (typed && is_empty(&input)) typed = fill(&input, INPUT) != END;
    if (ended || drain(&input, CONTROL) == END) discard(&input);

    /* Nothing is asked of a descriptor that is not needed now: the end of its other side is told again and again. */
    short control = (short)((is_empty(&output) ? POLLIN : 0) | (is_empty(&input) ? 0 : POLLOUT));
    struct pollfd wait[3] = {
        {ended || control == 0 ? -1 : CONTROL, control, 0},
        {shown ? OUTPUT : -1, is_empty(&output) ? 0 : POLLOUT, 0},
        {typed && is_empty(&input) ? INPUT : -1, POLLIN, 0},
    };
    if (poll(wait, 3, -1) <= 0) continue;
    if (wait[1].revents & POLLERR) shown = false;
    /* The terminal has closed with bytes on their way to it, which would never be taken. */
    if (wait[0].revents & POLLHUP) discard(&input);
  }
}

int run_relay(void *argument) {
  const struct relay *relay = argument;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != relay->keeper) _exit(1);
  set_name("nursery-relay");
  /* Out of the way first, so that none takes the place of another. */
  const int kept[] = {move_fd(relay->control, INPUT + 1), move_fd(relay->output, INPUT + 1), move_fd(relay->input, INPUT + 1)};
  for (int i = 0; i <= INPUT; i++) {
    if (dup3(kept[i], i, O_CLOEXEC) != i) _exit(1);
  }
  close_from(INPUT + 1);
  /* A process of the same user may kill it, but not read what is typed. */
  prctl(PR_SET_DUMPABLE, 0);
  relay_bytes();
}
