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
#include "ledger.h"
#include "system.h"
#include "walk.h"

/* How long a reaper may take to confirm that it is killing; one that is stopped or traced never does. */
#define CONFIRM_LIMIT 1000
#define HURRY_STEP 50
/* So many steps without a trace of a job: its reaper had time enough to say that it has it, even on a busy machine. */
#define LOST_AFTER 20
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
  if (sigqueue(reaper, SIGNAL_COMMAND, (union sigval){.sival_ptr = command.value}) == 0) return 0;
  if (errno != EAGAIN) return errno;
  /* The queue is a quota of the user, who may have used it up for good. */
  uint64_t none = 0;
  if (!atomic_compare_exchange_strong(&ledger->slots[process->slot].command, &none, (uintptr_t)command.value)) return EAGAIN;
  return kill(reaper, SIGNAL_COMMAND_WAITS) == 0 ? 0 : errno;
}

static int64_t after(uint32_t milliseconds) {
  return milliseconds == NO_DEADLINE ? 0 : now_milliseconds() + (int64_t)milliseconds;
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

/* The end of the grace period, or the moment to try again what could not be sent. */
static void wait_for_end_of_grace(struct process *process) {
  int64_t again = process->send_again ? now_milliseconds() + SEND_AGAIN : 0;
  set_deadline(process, again != 0 && (process->grace_end == 0 || again < process->grace_end) ? again : process->grace_end);
}

/* A grace period is never made longer. */
static void end_grace_within(struct process *process, uint32_t milliseconds) {
  int64_t end = after(milliseconds);
  if (end != 0 && (process->grace_end == 0 || end < process->grace_end)) process->grace_end = end;
  wait_for_end_of_grace(process);
}

static void send_stop(struct process *process) {
  /* When the leader went before, this is for what it left. */
  enum stop_reach reach = process->exited ? REACH_TREE : process->current.reach;
  process->send_again = send_command(process, COMMAND_STOP_SIGNAL, process->current.signal, reach, 0) == EAGAIN;
  wait_for_end_of_grace(process);
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
  if (first) process->grace_end = 0;
  /* What the leader left, if it went before, has the time of the rest. */
  end_grace_within(process, process->exited && policy.linger < policy.grace ? policy.linger : policy.grace);
  if (new_signal || process->send_again) send_stop(process);
}

/* The rest of the tree gets the signal too, and its own time, which may be shorter than what is left of the grace period. */
void leader_ended_in_stop(struct process *process) {
  if (process->state != STATE_STOPPING) return;
  end_grace_within(process, process->current.linger);
  if (process->current.reach == REACH_TREE) return;
  process->send_again = send_command(process, COMMAND_STOP_REST, process->current.signal, process->current.reach, 0) == EAGAIN;
  wait_for_end_of_grace(process);
}

void report_unkillable(struct process *process) {
  if (process->unkillable) return;
  process->unkillable = true;
  struct census census;
  if (process->state == STATE_ADOPTED) {
    const struct walk count = {.signal = 0, .spare = pool_is_helper};
    census = walk_pass(&count);
  } else {
    /* The shared reaper has the processes of others below it. */
    census = walk_below(slot_pid(process->slot), process->level == LEVEL_GROUP ? process->pid : 0);
  }
  if (census.living == 0 && !process->exited) {
    /* It is hidden from us, or dead and held back by a debugger. */
    census.living = 1;
    census.first[0] = process->pid;
  }
  uint32_t payload[17] = {census.living}, listed = 0;
  for (; listed < 16 && listed < census.living; listed++) payload[1 + listed] = (uint32_t)census.first[listed];
  if (process->told) reply(REPLY_UNKILLABLE, process->id, payload, (1 + listed) * sizeof *payload);
}

/* By a signal, or by a debugger, of which nobody is told. */
static bool is_held(pid_t reaper) {
  char state = state_of(reaper);
  return state == 'T' || state == 't';
}

void suspect_lost(struct process *process) {
  if (process->state != STATE_STARTING || process->waits) return;
  int64_t soon = now_milliseconds() + HURRY_STEP;
  if (soon < process->deadline) set_deadline(process, soon);
}

/* Nobody has its job: a reaper was killed between taking it and saying so. */
static bool is_lost(struct process *process) {
  if (process->waits || !jobs_taken(process->level == LEVEL_GROUP)) return false;
  return ++process->hurried > LOST_AFTER;
}

/* A spawn that hangs before its exec, on a file or directory that does not answer. */
static void kill_hanging(const struct process *process, int32_t slot) {
  /* The namespace and what is in it ends with its init. */
  if (process->level == LEVEL_PID_NAMESPACE) kill(slot_pid(slot), SIGKILL);
  kill_half_started(slot);
  /* The child has got hold of it before it could report. */
  if (is_held(slot_pid(slot))) kill(slot_pid(slot), SIGKILL);
}

static void look_after_start(struct process *process, int64_t now) {
  if (!process->cancelled && now >= process->start_by) process->overdue = true;
  bool unwanted = process->cancelled || process->overdue;
  int32_t slot = slot_of_starting(process->id);
  if (slot < 0 && is_lost(process)) {
    if (unwanted) fail_spawn(process, STEP_HELPER, ECANCELED, -1);
    else lose(process, 0);
    return;
  }
  if (slot >= 0 && unwanted) kill_hanging(process, slot);
  set_deadline(process, slot >= 0 && !unwanted ? process->start_by : now + HURRY_STEP);
}

static void pass_kill_deadline(struct process *process, int64_t now) {
  if (process->send_again) {
    process->state = STATE_RUNNING;
    begin_kill(process);
  } else if (process->walking) {
    report_unkillable(process);
  } else if (is_held(slot_pid(process->slot))) {
    kill(slot_pid(process->slot), SIGKILL);
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
        look_after_start(process, now);
        break;
      case STATE_STOPPING:
        if (process->grace_end != 0 && process->grace_end <= now) begin_kill(process);
        else if (process->send_again) send_stop(process);
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
