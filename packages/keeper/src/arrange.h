/*
 * Carries out the setup of a spawn in the child. Like all of launch.c this runs after vfork: nothing is allocated, nothing of
 * the reaper is changed.
 */
#ifndef NURSERY_ARRANGE_H
#define NURSERY_ARRANGE_H

#include "launch.h"

/* When an item is carried out: each needs rights that a later step takes away, or takes rights away that an earlier one needs. */
enum arrange_phase {
  PHASE_PRIVILEGED /* before the identity is taken */
};

/* Those of one phase, in their order. False with the failure of the first that cannot be. */
bool arrange(const struct plan *plan, enum arrange_phase phase, volatile struct launch_failure *failure);

#endif
