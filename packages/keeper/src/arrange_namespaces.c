#define _GNU_SOURCE
#include "arrange_namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "namespaces.h"

static struct setup_namespaces wanted_by(const struct setup_reader *item) {
  struct setup_namespaces wanted;
  memcpy(&wanted, item->payload, sizeof wanted);
  return wanted;
}

/* The init of a pid namespace has made some of them when it was forked. */
static int make(const struct plan *plan, const struct setup_reader *item) {
  struct setup_namespaces wanted = wanted_by(item);
  if (plan->job->in_init) wanted.flags &= ~(uint32_t)(NAMESPACE_USER | NAMESPACE_PID | NAMESPACE_MOUNT);
  return wanted.flags == 0 ? 0 : make_namespaces(&wanted);
}

static int mount_at(const char *payload) {
  struct setup_mount mount;
  memcpy(&mount, payload, sizeof mount);
  const char *source = payload + sizeof mount;
  return make_mount((enum mount_kind)mount.kind, source, source + strlen(source) + 1);
}

static int enter(const struct plan *plan, const char *payload) {
  struct setup_enter enter;
  memcpy(&enter, payload, sizeof enter);
  return enter_namespaces(plan->sources[enter.process], enter.flags);
}

static int enter_path(const char *payload) {
  struct setup_enter_path enter;
  memcpy(&enter, payload, sizeof enter);
  int file = open(payload + sizeof enter, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file < 0) return errno;
  int error = enter_namespaces(file, enter.flag);
  close(file);
  return error;
}

static int link_to(const struct plan *plan, const char *payload, struct link *link) {
  struct setup_veth veth;
  memcpy(&veth, payload, sizeof veth);
  const char *near = payload + sizeof veth;
  return make_link(link, near, near + strlen(near) + 1, plan->sources[veth.process]);
}

static int add_address_of(const char *payload) {
  struct setup_address address;
  memcpy(&address, payload, sizeof address);
  return add_address(payload + sizeof address, &address);
}

static int add_route_of(const char *payload) {
  struct setup_route route;
  memcpy(&route, payload, sizeof route);
  return add_route(payload + sizeof route, &route);
}

static bool is_of_namespaces(uint32_t kind) { return kind >= SETUP_NAMESPACES && kind <= SETUP_ROUTE; }

int arrange_namespace(const struct plan *plan, const struct setup_reader *item, struct link *link) {
  /* What the helpers may do an owner must not that has given it up since: other mounts would make a set-user-ID program its own. */
  if (plan->job->changes_identity && is_of_namespaces(item->head.kind)) return EPERM;
  switch (item->head.kind) {
    case SETUP_NAMESPACES: return make(plan, item);
    case SETUP_MOUNT: return mount_at(item->payload);
    case SETUP_HOSTNAME: return sethostname(item->payload, item->head.size) == 0 ? 0 : errno;
    case SETUP_LOOPBACK: return set_link_up("lo");
    case SETUP_ENTER: return enter(plan, item->payload);
    case SETUP_ENTER_PATH: return enter_path(item->payload);
    case SETUP_VETH: return link_to(plan, item->payload, link);
    case SETUP_ADDRESS: return add_address_of(item->payload);
    case SETUP_LINK_UP: return set_link_up(item->payload);
    case SETUP_ROUTE: return add_route_of(item->payload);
    default: return 0;
  }
}

bool makes_namespace(const struct plan *plan, uint32_t flag) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  while (setup_next(&item)) {
    if (item.head.kind == SETUP_NAMESPACES && (wanted_by(&item).flags & flag)) return true;
  }
  return false;
}

bool enters_namespace(const struct plan *plan, uint32_t flag) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  while (setup_next(&item)) {
    struct setup_enter enter;
    struct setup_enter_path path;
    if (item.head.kind == SETUP_ENTER) {
      memcpy(&enter, item.payload, sizeof enter);
      if (enter.flags & flag) return true;
    } else if (item.head.kind == SETUP_ENTER_PATH) {
      memcpy(&path, item.payload, sizeof path);
      if (path.flag == flag) return true;
    }
  }
  return false;
}

int pid_namespace_to_enter(const struct plan *plan) {
  struct setup_reader item = setup_begin(plan->setup, plan->job->setup_size);
  struct setup_enter enter;
  /* Not for an owner that has given up its user, who gets no namespaces: arrange_namespace tells it. */
  if (plan->job->changes_identity || !setup_next(&item) || item.head.kind != SETUP_ENTER) return -1;
  memcpy(&enter, item.payload, sizeof enter);
  return enter.flags & NAMESPACE_PID ? plan->sources[enter.process] : -1;
}
