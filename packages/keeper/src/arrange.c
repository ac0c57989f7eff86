#define _GNU_SOURCE
#include "arrange.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "setup.h"

static int set_limit(const char *payload) {
  struct setup_limit limit;
  memcpy(&limit, payload, sizeof limit);
  const struct rlimit value = {
      limit.soft == LIMIT_INFINITY ? RLIM_INFINITY : (rlim_t)limit.soft,
      limit.hard == LIMIT_INFINITY ? RLIM_INFINITY : (rlim_t)limit.hard,
  };
  return setrlimit((int)limit.resource, &value) == 0 ? 0 : errno;
}

/* The kinds that belong to a phase; a kind that does not is passed over. */
static int arrange_item(const struct setup_reader *item, enum arrange_phase phase, volatile enum spawn_step *step) {
  switch (item->head.kind) {
    case SETUP_LIMIT:
      *step = STEP_LIMITS;
      return phase == PHASE_PRIVILEGED ? set_limit(item->payload) : 0;
    default:
      return 0;
  }
}

bool arrange(const struct plan *plan, enum arrange_phase phase, volatile struct launch_failure *failure) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  while (setup_next(&item)) {
    failure->error = arrange_item(&item, phase, &failure->step);
    if (failure->error == 0) continue;
    failure->target = item.index;
    return false;
  }
  return true;
}
