#define _GNU_SOURCE
#include "arrange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arrange_namespaces.h"
#include "identity.h"
#include "links.h"
#include "sandbox.h"
#include "setup.h"
#include "system.h"

#define OWN_SCORE "/proc/self/oom_score_adj"

static struct setup_limit limit_of(const struct setup_reader *item) {
  struct setup_limit limit;
  memcpy(&limit, item->payload, sizeof limit);
  return limit;
}

static bool is_descriptor_limit(const struct setup_reader *item) {
  return item->head.kind == SETUP_LIMIT && limit_of(item).resource == RLIMIT_NOFILE;
}

bool sets_descriptor_limit(const struct plan *plan) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  while (setup_next(&item)) {
    if (is_descriptor_limit(&item)) return true;
  }
  return false;
}

/* What is kept is that of `now`. */
static struct rlimit limit_value(const struct setup_limit *limit, const struct rlimit *now) {
  struct rlimit value = *now;
  if (limit->hard != LIMIT_KEEP) value.rlim_max = limit->hard == LIMIT_INFINITY ? RLIM_INFINITY : (rlim_t)limit->hard;
  if (limit->soft != LIMIT_KEEP) value.rlim_cur = limit->soft == LIMIT_INFINITY ? RLIM_INFINITY : (rlim_t)limit->soft;
  else if (value.rlim_cur > value.rlim_max) value.rlim_cur = value.rlim_max;
  return value;
}

static int set_limit(const struct setup_limit *limit, const struct rlimit *now) {
  const struct rlimit value = limit_value(limit, now);
  return setrlimit((int)limit->resource, &value) == 0 ? 0 : errno;
}

/*
 * That of descriptors takes two steps. Raising the hard one needs a privilege that is given up soon; and the helpers' own, higher
 * one has to hold until the descriptors are in their places.
 */
static int raise_descriptor_limit(const struct setup_limit *limit, const struct launch_context *context) {
  const struct rlimit wanted = limit_value(limit, &context->descriptors);
  struct rlimit now;
  if (wanted.rlim_cur > wanted.rlim_max) return EINVAL;
  if (getrlimit(RLIMIT_NOFILE, &now) != 0) return errno;
  if (wanted.rlim_max <= now.rlim_max) return 0;
  now.rlim_max = wanted.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &now) == 0 ? 0 : errno;
}

static int set_limit_in(const struct setup_reader *item, const struct launch_context *context, enum arrange_phase phase) {
  const struct setup_limit limit = limit_of(item);
  if (is_descriptor_limit(item)) {
    return phase == PHASE_LAST ? set_limit(&limit, &context->descriptors) : raise_descriptor_limit(&limit, context);
  }
  struct rlimit now;
  if (phase == PHASE_LAST) return 0;
  return getrlimit((int)limit.resource, &now) == 0 ? set_limit(&limit, &now) : errno;
}

static int number_of(const struct setup_reader *item) {
  struct setup_number number;
  memcpy(&number, item->payload, sizeof number);
  return number.value;
}

static int set_nice(int value) { return setpriority(PRIO_PROCESS, 0, value) == 0 ? 0 : errno; }

static int set_io_priority(int value) {
  const int this_process = 1;
  return syscall(SYS_ioprio_set, this_process, 0, value) == 0 ? 0 : errno;
}

/* Raw: musl's sched_setscheduler returns ENOSYS. */
static int set_policy(const struct setup_reader *item) {
  struct setup_scheduler scheduler;
  memcpy(&scheduler, item->payload, sizeof scheduler);
  const int priority = (int)scheduler.priority;
  return syscall(SYS_sched_setscheduler, 0, scheduler.policy, &priority) == 0 ? 0 : errno;
}

/* The kernel leaves out processors that are not there or not allowed, as long as one is: that is looked at afterwards. */
static int set_affinity(const struct setup_reader *item) {
  char now[AFFINITY_MAX] = {0};
  if (syscall(SYS_sched_setaffinity, 0, (size_t)item->head.size, item->payload) != 0) return errno;
  long size = syscall(SYS_sched_getaffinity, 0, sizeof now, now);
  if (size < 0) return errno;
  for (size_t i = 0; i < sizeof now; i++) {
    char wanted = 0;
    if (i < item->head.size) wanted = item->payload[i];
    if (now[i] != wanted) return EINVAL;
  }
  return 0;
}

/*
 * A reaper may not be looked into, nor then this child, which still shares its memory; and the file belongs to the user of a
 * process only as long as that is not so.
 */
static int set_oom_score(int value, bool privileged) {
  prctl(PR_SET_DUMPABLE, 1);
  char text[16];
  int error = read_file(OWN_SCORE, text, sizeof text) > 0 ? 0 : errno;
  /* Lowering it takes a privilege, which the owner has given up if its user is another one than that of the helpers. */
  if (error == 0 && !privileged && value < strtol(text, NULL, 10)) error = EACCES;
  if (error == 0) {
    snprintf(text, sizeof text, "%d", value);
    error = write_file(OWN_SCORE, text);
  }
  prctl(PR_SET_DUMPABLE, 0);
  return error;
}

static int set_credentials(const struct setup_reader *item) {
  struct setup_credentials wanted;
  memcpy(&wanted, item->payload, sizeof wanted);
  return take_identity(wanted.user, wanted.group, item->payload + sizeof wanted, wanted.groups);
}

static int set_capabilities(const struct setup_reader *item, int (*set)(const struct setup_capabilities *)) {
  struct setup_capabilities wanted;
  memcpy(&wanted, item->payload, sizeof wanted);
  return set(&wanted);
}

/* The leader of a new session has none yet. EPERM: it is that of another session. */
static int take_terminal(const char *payload) {
  struct setup_terminal terminal;
  memcpy(&terminal, payload, sizeof terminal);
  return ioctl(terminal.target, TIOCSCTTY, 0) == 0 ? 0 : errno;
}

/* One pass over the items. */
struct pass {
  const struct plan *plan;
  const struct launch_context *context;
  enum arrange_phase phase;
  struct ruleset ruleset;
  int ruleset_item; /* where it is among the items */
  struct link link;
};

static int build_ruleset(const struct setup_reader *item, struct pass *pass) {
  union {
    struct setup_sandbox sandbox;
    struct setup_sandbox_path path;
    struct setup_sandbox_port port;
  } wanted;
  switch (item->head.kind) {
    case SETUP_SANDBOX:
      memcpy(&wanted.sandbox, item->payload, sizeof wanted.sandbox);
      pass->ruleset_item = item->index;
      return ruleset_begin(&pass->ruleset, &wanted.sandbox);
    case SETUP_SANDBOX_PATH:
      memcpy(&wanted.path, item->payload, sizeof wanted.path);
      return ruleset_allow_path(&pass->ruleset, &wanted.path, item->payload + sizeof wanted.path);
    default:
      memcpy(&wanted.port, item->payload, sizeof wanted.port);
      return ruleset_allow_port(&pass->ruleset, &wanted.port);
  }
}

/* The kinds that belong to a phase; a kind that does not is passed over. */
static int arrange_item(const struct setup_reader *item, struct pass *pass, volatile enum spawn_step *step) {
  const enum arrange_phase phase = pass->phase;
  bool privileged = phase == PHASE_PRIVILEGED;
  *step = STEP_LIMITS;
  if (phase == PHASE_NAMESPACES) {
    *step = STEP_NAMESPACE;
    return arrange_namespace(pass->plan, item, &pass->link);
  }
  switch (item->head.kind) {
    case SETUP_LIMIT: return privileged || phase == PHASE_LAST ? set_limit_in(item, pass->context, phase) : 0;
    case SETUP_NICE: return privileged ? set_nice(number_of(item)) : 0;
    case SETUP_SCHEDULER: return privileged ? set_policy(item) : 0;
    case SETUP_IO_PRIORITY: return privileged ? set_io_priority(number_of(item)) : 0;
    case SETUP_AFFINITY: return privileged ? set_affinity(item) : 0;
    case SETUP_OOM_SCORE:
      return phase == PHASE_HELPER ? set_oom_score(number_of(item), !pass->plan->job->changes_identity) : 0;
    default: break;
  }
  *step = STEP_CREDENTIALS;
  switch (item->head.kind) {
    case SETUP_CREDENTIALS: return phase == PHASE_IDENTITY ? set_credentials(item) : 0;
    case SETUP_CAPABILITIES:
      if (privileged) return set_capabilities(item, bound_capabilities);
      return phase == PHASE_CAPABILITIES ? set_capabilities(item, take_capabilities) : 0;
    case SETUP_NO_NEW_PRIVILEGES:
      return phase == PHASE_CAPABILITIES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? errno : 0;
    default: break;
  }
  if (item->head.kind == SETUP_TERMINAL) {
    *step = STEP_TERMINAL;
    return phase == PHASE_TERMINAL ? take_terminal(item->payload) : 0;
  }
  *step = STEP_SANDBOX;
  switch (item->head.kind) {
    case SETUP_SANDBOX:
    case SETUP_SANDBOX_PATH:
    case SETUP_SANDBOX_PORT: return phase == PHASE_SANDBOX ? build_ruleset(item, pass) : 0;
    case SETUP_FILTER: return phase == PHASE_FILTER ? install_filter(item->payload, item->head.size) : 0;
    default: return 0;
  }
}

bool arrange(const struct plan *plan, const struct launch_context *context, enum arrange_phase phase,
             volatile struct launch_failure *failure) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  struct pass pass = {plan, context, phase, {-1, 0}, -1, no_link};
  while (setup_next(&item)) {
    failure->error = arrange_item(&item, &pass, &failure->step);
    if (failure->error == 0) continue;
    failure->target = item.index;
    remove_link(&pass.link);
    return false;
  }
  forget_link(&pass.link);
  if (pass.ruleset.descriptor < 0) return true;
  failure->step = STEP_SANDBOX;
  failure->target = pass.ruleset_item;
  failure->error = ruleset_enter(&pass.ruleset);
  if (failure->error == 0) failure->target = -1;
  return failure->error == 0;
}
