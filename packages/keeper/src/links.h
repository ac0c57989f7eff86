/*
 * Network devices of the namespace that this process is in, by rtnetlink(7). Each returns an errno, 0 for success, and allocates
 * nothing: all of it may run after vfork.
 */
#ifndef NURSERY_LINKS_H
#define NURSERY_LINKS_H

#include "protocol.h"

/* A pair of devices that has been made, as long as it is not certain to stay. */
struct link {
  int socket; /* in the network of the near one; -1: there is none */
  int index;  /* of the near one */
};

static const struct link no_link = {-1, 0};

/* The far one is in the network of the process of `pidfd`. A link before it is certain from now on. */
int make_link(struct link *link, const char *near, const char *far, int pidfd);

void forget_link(struct link *link);
void remove_link(struct link *link);

int set_link_up(const char *name);
int add_address(const char *name, const struct setup_address *address);
int add_route(const char *name, const struct setup_route *route);

#endif
