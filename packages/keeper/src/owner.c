/*
 * The owner: its socket, its death, and who it is at the moment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper.h"
#include "progress.h"

#define READ_SIZE (64u << 10)

static void watch_socket(void) {
  uint32_t events = keeper->reading ? EPOLLIN : 0;
  if (queue_length(&keeper->output) > 0) events |= EPOLLOUT;
  watch(keeper->socket, events);
}

static void forget_output(size_t size) {
  queue_consume(&keeper->output, size);
  keeper->output_sent += size;
}

void owner_write(void) {
  if (keeper->socket < 0) {
    forget_output(queue_length(&keeper->output));
    return;
  }
  if (keeper->speechless) {
    owner_gone();
    return;
  }
  if (queue_length(&keeper->output) == 0) return;
  while (queue_length(&keeper->output) > 0) {
    ssize_t sent = send(keeper->socket, queue_front(&keeper->output), queue_length(&keeper->output), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) {
      owner_gone();
      return;
    }
    if (sent < 0) break;
    forget_output((size_t)sent);
  }
  bool wait = queue_length(&keeper->output) > 0, read = queue_length(&keeper->output) < OUTPUT_MAX;
  if (wait == keeper->write_waits && read == keeper->reading) return;
  keeper->write_waits = wait;
  keeper->reading = read;
  watch_socket();
}

void reply_two(enum reply_type type, uint32_t id, const void *head, size_t head_size, const void *tail, size_t tail_size) {
  if (keeper->socket < 0 || keeper->speechless) return;
  struct frame_header header = {(uint32_t)(head_size + tail_size), (uint16_t)type, 0, id};
  char *at = queue_reserve(&keeper->output, sizeof header + head_size + tail_size);
  if (at == NULL) {
    /* The owner would wait for ever; its end of the socket tells it, at the end of the turn: the caller is amid its records. */
    keeper->speechless = true;
    return;
  }
  memcpy(at, &header, sizeof header);
  if (head_size > 0) memcpy(at + sizeof header, head, head_size);
  if (tail_size > 0) memcpy(at + sizeof header + head_size, tail, tail_size);
  keeper->output.end += sizeof header + head_size + tail_size;
}

void reply(enum reply_type type, uint32_t id, const void *payload, size_t size) { reply_two(type, id, payload, size, NULL, 0); }

void refuse(uint32_t id, int error, const char *problem) {
  uint32_t number = (uint32_t)error;
  reply_two(REPLY_REFUSED, id, &number, sizeof number, problem, strlen(problem));
}

static void handle_input(void) {
  struct request request = {0};
  size_t used;
  while (keeper->socket >= 0) {
    switch (frame_decode(queue_front(&keeper->input), queue_length(&keeper->input), &request, &used)) {
      case FRAME_PARTIAL:
        return;
      case FRAME_UNUSABLE:
        refuse(request.id, EMSGSIZE, "a frame is longer than FRAME_MAX; the connection cannot be followed any more");
        owner_write();
        owner_gone();
        return;
      case FRAME_COMPLETE:
        progress_begin(used);
        handle_request(&request);
        if (keeper->socket >= 0) queue_consume(&keeper->input, used);
    }
  }
}

void owner_read(void) {
  if (keeper->socket < 0) return;
  char *into = queue_reserve(&keeper->input, READ_SIZE);
  if (into == NULL) {
    owner_gone();
    return;
  }
  ssize_t got = recv(keeper->socket, into, READ_SIZE, MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    owner_gone();
    return;
  }
  keeper->input.end += (size_t)got;
  handle_input();
}

static uint32_t at_most(uint32_t milliseconds, uint32_t bound) { return milliseconds < bound ? milliseconds : bound; }

/* Every process gets its stop policy, within the bound; those that are starting are not wanted any more. */
void owner_gone(void) {
  if (keeper->closing) return;
  keeper->closing = true;
  unwatch(keeper->socket);
  close(keeper->socket);
  keeper->socket = -1;
  if (keeper->owner_pidfd >= 0) {
    unwatch(keeper->owner_pidfd);
    close(keeper->owner_pidfd);
    keeper->owner_pidfd = -1;
  }
  uint32_t bound = keeper->options.owner_death_grace;
  for (uint32_t i = 0; i < keeper->process_capacity; i++) {
    struct process *process = process_at(i);
    if (process->id == 0) continue;
    if (process->released) {
      process_remove(process);
      continue;
    }
    struct stop_policy policy = process->state == STATE_STOPPING ? process->current : process->policy;
    policy.grace = at_most(policy.grace, bound);
    policy.linger = at_most(policy.linger, bound);
    if (process->state == STATE_STARTING) cancel(process);
    else begin_stop(process, policy);
  }
}

static uint32_t number_after(const char *text, const char *key, int column, int base) {
  const char *at = strstr(text, key);
  if (at == NULL) return 0;
  at += strlen(key);
  unsigned long number = 0;
  for (int i = 0; i <= column; i++) {
    char *end;
    number = strtoul(at, &end, base);
    at = end;
  }
  return (uint32_t)number;
}

static void read_groups(struct owner_state *state, const char *text) {
  const char *at = strstr(text, "\nGroups:");
  if (at == NULL) return;
  const char *line_end = strchr(at + 1, '\n');
  at += strlen("\nGroups:");
  while (state->group_count < sizeof state->groups / sizeof *state->groups) {
    char *end;
    unsigned long group = strtoul(at, &end, 10);
    if (end == at || (line_end != NULL && end > line_end)) break;
    state->groups[state->group_count++] = (uint32_t)group;
    at = end;
  }
}

/* What the owner had when it started the keeper is what the keeper has. */
static bool is_changed(const struct owner_state *state) {
  if (state->uid != (uint32_t)geteuid() || state->gid != (uint32_t)getegid()) return true;
  gid_t own[sizeof state->groups / sizeof *state->groups];
  int count = getgroups((int)(sizeof own / sizeof *own), own);
  /* More than fit are compared by nobody. */
  if (count < 0) return false;
  return (uint32_t)count != state->group_count || memcmp(own, state->groups, state->group_count * sizeof *own) != 0;
}

void owner_state_forget(void) { keeper->owner_state_known = false; }

/*
 * Read from the kernel, not told by the owner: one that gave up its privileges must not get them back by way of a keeper that
 * was started before.
 */
const struct owner_state *owner_state(void) {
  struct owner_state *state = &keeper->owner_state;
  if (keeper->owner_state_known) return state;
  *state = (struct owner_state){.umask = 022};
  char text[8192];
  /* Made anew by the kernel for each read from the start. */
  ssize_t length = pread(keeper->owner_status, text, sizeof text - 1, 0);
  if (length > 0) {
    text[length] = 0;
    state->umask = (int)number_after(text, "\nUmask:", 0, 8);
    state->uid = number_after(text, "\nUid:", 1, 10);
    state->gid = number_after(text, "\nGid:", 1, 10);
    read_groups(state, text);
    state->identity_changed = is_changed(state);
  } else {
    state->unknown = geteuid() == 0;
  }
  keeper->owner_state_known = true;
  return state;
}

bool acts_for_owner(void) {
  const struct owner_state *state = owner_state();
  return !state->unknown && !state->identity_changed;
}
