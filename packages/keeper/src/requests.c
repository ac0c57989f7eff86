/*
 * What the owner asks for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "keeper.h"
#include "sandbox.h"
#include "ledger.h"
#include "system.h"
#include "walk.h"

/* Descriptors that the owner may open and must close: one bit each. */
void lend(int descriptor) {
  size_t byte = (size_t)descriptor / 8;
  if (!memory_grow(&keeper->lent, byte + 1)) return;
  ((uint8_t *)keeper->lent.at)[byte] |= (uint8_t)(1u << (descriptor % 8));
}

/* Only what was lent: a number that the owner makes up must not close what the keeper lives on. */
static void take_back(int32_t descriptor) {
  size_t byte = (size_t)descriptor / 8;
  if (descriptor < 0 || byte >= keeper->lent.size) return;
  uint8_t *bits = (uint8_t *)keeper->lent.at + byte, bit = (uint8_t)(1u << (descriptor % 8));
  if ((*bits & bit) == 0) return;
  *bits &= (uint8_t)~bit;
  close(descriptor);
}

static void greet(const struct request *request) {
  const struct hello *hello = &request->hello;
  if (keeper->greeted) {
    refuse(request->id, EALREADY, "a second hello");
    return;
  }
  if (hello->version == PROTOCOL_VERSION) {
    keeper->greeted = true;
    keeper->options = *hello;
    if (keeper->options.reapers > SLOTS / 2) keeper->options.reapers = SLOTS / 2;
    atomic_store(&ledger->owner_death_grace, hello->owner_death_grace);
  }
  uint32_t features = 0;
  if (keeper->owner_pidfd >= 0) features |= FEATURE_PIDFD;
  if (kernel_lists_children()) features |= FEATURE_CHILDREN;
  if (raise_priority()) {
    features |= FEATURE_REALTIME;
    restore_priority();
  }
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0) features |= FEATURE_FILTERS;
  features |= landlock_abi() << LANDLOCK_SHIFT;
  /* Also for another version: the owner can say which one it has found. */
  struct ready ready = {PROTOCOL_VERSION, (uint32_t)getpid(), (uint32_t)keeper->guard, features, now_nanoseconds(), keeper->progress};
  reply(REPLY_READY, request->id, &ready, sizeof ready);
}

uint16_t pending_signal(uint32_t process, uint32_t request) {
  for (int i = 0; i < PENDING_MAX; i++) {
    uint32_t next = keeper->last_pending = (keeper->last_pending + 1) % PENDING_MAX;
    if (next == 0 || keeper->pending[next].process != 0) continue;
    keeper->pending[next] = (struct pending){process, request};
    keeper->pending_count++;
    return (uint16_t)next;
  }
  return 0;
}

bool pending_is_of(uint16_t sequence, uint32_t process) {
  return sequence < PENDING_MAX && keeper->pending[sequence].process == process;
}

void pending_answer(uint16_t sequence, uint32_t error) {
  if (sequence >= PENDING_MAX || keeper->pending[sequence].process == 0) return;
  reply(REPLY_DONE, keeper->pending[sequence].request, &error, sizeof error);
  keeper->pending[sequence].process = 0;
  keeper->pending_count--;
}

void pending_forget(uint32_t process) {
  for (uint16_t i = 1; i < PENDING_MAX && keeper->pending_count > 0; i++) {
    if (keeper->pending[i].process == process) pending_answer(i, ESRCH);
  }
}

static void done(uint32_t id, int error) {
  uint32_t number = (uint32_t)error;
  reply(REPLY_DONE, id, &number, sizeof number);
}

/* A command that the reaper answers with EVENT_DONE. */
static void command(uint32_t process_id, uint32_t request, enum command_kind kind, uint8_t signal, enum stop_reach reach) {
  struct process *process = process_find(process_id);
  if (process == NULL || !process->told || process->state == STATE_KILLING || process->state == STATE_ADOPTED) {
    done(request, ESRCH);
    return;
  }
  uint16_t sequence = pending_signal(process_id, request);
  int error = sequence == 0 ? EAGAIN : send_command(process, kind, signal, reach, sequence);
  if (sequence == 0) done(request, error);
  else if (error != 0) pending_answer(sequence, (uint32_t)error);
  else if (process->level == LEVEL_TREE && kind == COMMAND_RELEASE) process->released = true;
  else if (kind == COMMAND_RETAIN) process->released = false;
}

static void close_lent(const struct request *request) {
  for (uint32_t i = 0; i < request->close.count; i++) {
    int32_t descriptor;
    memcpy(&descriptor, request->close.at + i * sizeof descriptor, sizeof descriptor);
    take_back(descriptor);
  }
}

static void keep_environment(const struct request *request) {
  queue_consume(&keeper->environment, queue_length(&keeper->environment));
  keeper->environment_count = 0;
  if (queue_append(&keeper->environment, request->environment.strings, request->environment.size)) {
    keeper->environment_count = request->environment.count;
  } else {
    refuse(request->id, ENOMEM, "no memory for the environment");
  }
}

void handle_request(const struct request *request) {
  if (request->problem != NULL) {
    refuse(request->id, EINVAL, request->problem);
    return;
  }
  if (!keeper->greeted && request->type != REQUEST_HELLO) {
    refuse(request->id, EPROTO, "a request before hello");
    return;
  }
  struct process *process = process_find(request->id);
  switch (request->type) {
    case REQUEST_HELLO:
      greet(request);
      break;
    case REQUEST_SPAWN:
      if (request->id == 0 || process != NULL) refuse(request->id, EEXIST, "this id is in use");
      else spawn(request->id, &request->spawn);
      break;
    case REQUEST_CANCEL:
      if (process != NULL) cancel(process);
      break;
    case REQUEST_SIGNAL:
      command(request->signal.process, request->id, COMMAND_SIGNAL, request->signal.signal, request->signal.reach);
      break;
    case REQUEST_STOP:
      if (process != NULL) begin_stop(process, request->stop);
      break;
    case REQUEST_CLOSE:
      close_lent(request);
      break;
    case REQUEST_PIPE:
      object_new_pipe(request->id, request->pipe_size);
      break;
    case REQUEST_DROP:
      if (request->drop.whole) object_drop(request->id);
      else object_drop_end(request->id, request->drop.end);
      break;
    case REQUEST_OBJECT:
      object_make(request);
      break;
    case REQUEST_SEAL:
      object_seal(request->id);
      break;
    case REQUEST_RESIZE:
      object_resize(request->id, &request->resize);
      break;
    case REQUEST_RELEASE:
      command(request->id, request->id, COMMAND_RELEASE, 0, REACH_LEADER);
      break;
    case REQUEST_RETAIN:
      command(request->id, request->id, COMMAND_RETAIN, 0, REACH_LEADER);
      break;
    case REQUEST_ENVIRONMENT:
      keep_environment(request);
      break;
    case REQUEST_LISTEN:
      guests_listen(request->id);
      break;
  }
}
