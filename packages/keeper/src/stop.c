/*
 * Stop policies and deadlines. The keeper keeps the time and the reaper sends the signals, so neither a busy event loop nor a
 * reused pid can come between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"
#include "system.h"
#include "walk.h"

/* How long a reaper may take to confirm that it is killing; one that is stopped or traced never does. */
#define CONFIRM_LIMIT 1000
#define HURRY_STEP 50
#define SEND_AGAIN 5

int send_command(const struct process *process, enum command_kind kind, uint8_t signal, enum stop_reach reach, uint16_t sequence) {
  pid_t reaper = slot_pid(process->slot);
  if (reaper == 0) return ESRCH;
  union command command = {.value = NULL};
  command.parts.process = process->id;
  command.parts.sequence = sequence;
  command.parts.signal = signal;
  command.parts.kind_and_reach = (uint8_t)(kind | (unsigned)reach << 4);
  /* The reaper is this process's child and not collected, so its pid is its own. */
  return sigqueue(reaper, SIGNAL_COMMAND, (union sigval){.sival_ptr = command.value}) == 0 ? 0 : errno;
}

static int64_t after(uint32_t milliseconds) {
  return milliseconds == NO_DEADLINE ? 0 : now_milliseconds() + (int64_t)milliseconds;
}

static void keep_earlier(struct process *process, int64_t deadline) {
  if (deadline != 0 && (process->deadline == 0 || deadline < process->deadline)) set_deadline(process, deadline);
}

void begin_kill(struct process *process) {
  if (process->state == STATE_KILLING || process->state == STATE_ADOPTED) return;
  process->state = STATE_KILLING;
  process->walking = false;
  process->send_again = send_command(process, COMMAND_KILL, SIGKILL, REACH_TREE, 0) == EAGAIN;
  set_deadline(process, now_milliseconds() + (process->send_again ? SEND_AGAIN : CONFIRM_LIMIT));
}

void confirm_walk(struct process *process) {
  if (process->state != STATE_KILLING || process->walking) return;
  process->walking = true;
  set_deadline(process, now_milliseconds() + keeper->options.kill_deadline);
}

/* What has not been reported as started is failed as soon as its reaper can tell. */
void cancel(struct process *process) {
  process->cancelled = true;
  if (process->state != STATE_STARTING) {
    begin_kill(process);
    return;
  }
  set_deadline(process, now_milliseconds() + HURRY_STEP);
}

void begin_stop(struct process *process, struct stop_policy policy) {
  if (process->state == STATE_KILLING || process->state == STATE_ADOPTED) return;
  if (process->state == STATE_STARTING) {
    cancel(process);
    return;
  }
  if (policy.signal == 0 || policy.signal == SIGKILL || policy.grace == 0) {
    begin_kill(process);
    return;
  }
  bool first = process->state != STATE_STOPPING;
  /* The same signal again would be read as impatience: many programs give up their orderly end at the second one. */
  bool new_signal = first || policy.signal != process->current.signal || policy.reach > process->current.reach;
  process->state = STATE_STOPPING;
  process->current = policy;
  uint32_t grace = policy.grace;
  enum stop_reach reach = policy.reach;
  if (process->exited) {
    /* The leader went before: this is for what it left. */
    reach = REACH_TREE;
    if (policy.linger < grace) grace = policy.linger;
  }
  process->send_again = new_signal && send_command(process, COMMAND_STOP_SIGNAL, policy.signal, reach, 0) == EAGAIN;
  if (first) set_deadline(process, after(grace));
  else keep_earlier(process, after(grace));
  if (process->send_again) keep_earlier(process, now_milliseconds() + SEND_AGAIN);
}

/* The rest of the tree gets the signal too, and its own time, which may be shorter than what is left of the grace period. */
void leader_ended_in_stop(struct process *process) {
  if (process->state != STATE_STOPPING) return;
  if (process->current.reach != REACH_TREE) {
    send_command(process, COMMAND_STOP_REST, process->current.signal, process->current.reach, 0);
  }
  keep_earlier(process, after(process->current.linger));
}

void report_unkillable(struct process *process) {
  if (process->unkillable) return;
  process->unkillable = true;
  struct census census = {0};
  if (process->state == STATE_ADOPTED) {
    const struct walk count = {.signal = 0, .spare = pool_is_reaper};
    census = walk_pass(&count);
  } else {
    census = walk_below(slot_pid(process->slot));
  }
  uint32_t payload[17] = {census.living}, listed = 0;
  for (; listed < 16 && listed < census.living; listed++) payload[1 + listed] = (uint32_t)census.first[listed];
  if (process->told) reply(REPLY_UNKILLABLE, process->id, payload, (1 + listed) * sizeof *payload);
}

/* A spawn that hangs before its exec, on a file or directory that does not answer. */
static void hurry(struct process *process, int64_t now) {
  int32_t slot = slot_of_starting(process->id);
  if (slot >= 0) {
    kill_half_started(slot_pid(slot));
  } else if (process->overdue && !jobs_wait() && jobs_taken()) {
    /* A reaper was killed between taking the job and saying so. */
    fail_spawn(process, STEP_HELPER, ETIMEDOUT, -1);
    return;
  }
  set_deadline(process, now + HURRY_STEP);
}

static void pass_kill_deadline(struct process *process, int64_t now) {
  pid_t reaper = slot_pid(process->slot);
  char state;
  if (process->send_again) {
    process->state = STATE_RUNNING;
    begin_kill(process);
  } else if (process->walking) {
    report_unkillable(process);
  } else if ((state = state_of(reaper)) == 'T' || state == 't') {
    kill(reaper, SIGKILL);
  } else {
    /* It only waits for the processor. */
    set_deadline(process, now + CONFIRM_LIMIT);
  }
}

void pass_deadlines(int64_t now) {
  while (keeper->first_deadline != NO_RECORD) {
    struct process *process = process_at(keeper->first_deadline);
    if (process->deadline > now) return;
    set_deadline(process, 0);
    switch ((enum process_state)process->state) {
      case STATE_STARTING:
        if (!process->cancelled) process->overdue = true;
        hurry(process, now);
        break;
      case STATE_STOPPING:
        if (process->send_again) {
          process->state = STATE_RUNNING;
          begin_stop(process, process->current);
        } else {
          begin_kill(process);
        }
        break;
      case STATE_KILLING:
        pass_kill_deadline(process, now);
        break;
      case STATE_ADOPTED:
        report_unkillable(process);
        break;
      case STATE_RUNNING:
        break;
    }
  }
}
