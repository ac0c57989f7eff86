/*
 * Carries out the items of a setup that are about namespaces, in the child and in their order, as the first of all.
 */
#ifndef NURSERY_ARRANGE_NAMESPACES_H
#define NURSERY_ARRANGE_NAMESPACES_H

#include "launch.h"
#include "links.h"
#include "setup.h"

/* An item of any kind; others than those of namespaces are passed over. errno, 0 for success. */
int arrange_namespace(const struct plan *plan, const struct setup_reader *item, struct link *link);

/* `flag`: enum namespace_flag. */
bool makes_namespace(const struct plan *plan, uint32_t flag);
bool enters_namespace(const struct plan *plan, uint32_t flag);

/* A descriptor of the process whose pid namespace is entered, as the first of all; -1: there is none. */
int pid_namespace_to_enter(const struct plan *plan);

#endif
