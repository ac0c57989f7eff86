/*
 * Carries out the setup of a spawn in the child. Like all of launch.c this runs after vfork: nothing is allocated, nothing of
 * the reaper is changed.
 */
#ifndef NURSERY_ARRANGE_H
#define NURSERY_ARRANGE_H

#include "launch.h"

/* When an item is carried out: each needs rights that a later step takes away, or takes rights away that an earlier one needs. */
enum arrange_phase {
  PHASE_NAMESPACES,   /* first, for what comes after is to be seen, and may be done, as it is in there */
  PHASE_HELPER,       /* with the rights of the helpers, whatever the owner gave up: what needs the reaper's own files */
  PHASE_PRIVILEGED,   /* as the owner, before the identity is taken */
  PHASE_IDENTITY,     /* the identity itself */
  PHASE_CAPABILITIES, /* what is left of the rights */
  PHASE_TERMINAL,     /* all descriptors are where the program finds them */
  PHASE_SANDBOX,      /* all that had to be reached has been, but the program itself */
  PHASE_LAST,         /* no descriptor is opened any more */
  PHASE_FILTER        /* no system call is made any more, but the exec */
};

/* Those of one phase, in their order. False with the failure of the first that cannot be. */
bool arrange(const struct plan *plan, const struct launch_context *context, enum arrange_phase phase,
             volatile struct launch_failure *failure);

/* Whether the child gets a limit of descriptors of its own. */
bool sets_descriptor_limit(const struct plan *plan);

#endif
