#include "setup.h"

#include <string.h>

struct setup_reader setup_begin(const char *bytes, size_t size) {
  return (struct setup_reader){.at = bytes, .end = bytes + size, .index = -1};
}

bool setup_next(struct setup_reader *reader) {
  if ((size_t)(reader->end - reader->at) < sizeof reader->head) return false;
  memcpy(&reader->head, reader->at, sizeof reader->head);
  reader->payload = reader->at + sizeof reader->head;
  if ((size_t)(reader->end - reader->payload) < reader->head.size) return false;
  reader->at = reader->payload + reader->head.size;
  reader->index++;
  return true;
}

static const char *check_limit(const struct setup_reader *item) {
  struct setup_limit limit;
  if (item->head.size != sizeof limit) return "a limit has the wrong size";
  memcpy(&limit, item->payload, sizeof limit);
  if (limit.zero != 0) return "a reserved field is not zero";
  if (limit.soft == LIMIT_KEEP || limit.hard == LIMIT_KEEP) return NULL;
  return limit.soft <= limit.hard ? NULL : "a soft limit is above the hard one";
}

static const char *check_number(const struct setup_reader *item, int32_t least, int32_t most) {
  struct setup_number number;
  if (item->head.size != sizeof number) return "a number has the wrong size";
  memcpy(&number, item->payload, sizeof number);
  return number.value >= least && number.value <= most ? NULL : "a number is out of range";
}

#define AFFINITY_WORD 8

static const char *check_affinity(const struct setup_reader *item) {
  return item->head.size > 0 && item->head.size <= AFFINITY_MAX && item->head.size % AFFINITY_WORD == 0
             ? NULL
             : "a set of processors has the wrong size";
}

static const char *check_credentials(const struct setup_reader *item) {
  struct setup_credentials credentials;
  if (item->head.size < sizeof credentials) return "credentials are cut off";
  memcpy(&credentials, item->payload, sizeof credentials);
  size_t groups = credentials.groups == ID_KEEP ? 0 : credentials.groups;
  return item->head.size - sizeof credentials == groups * sizeof(uint32_t) ? NULL : "credentials do not have the groups they count";
}

static const char *check_capabilities(const struct setup_reader *item) {
  struct setup_capabilities capabilities;
  if (item->head.size != sizeof capabilities) return "capabilities have the wrong size";
  memcpy(&capabilities, item->payload, sizeof capabilities);
  return capabilities.mode <= CAPABILITIES_DROP && capabilities.bounded <= 1 ? NULL : "no such mode of capabilities";
}

static const char *check_path(const struct setup_reader *item) {
  struct setup_sandbox_path rule;
  if (item->head.size < sizeof rule) return "a path of a sandbox is cut off";
  memcpy(&rule, item->payload, sizeof rule);
  const char *path = item->payload + sizeof rule;
  size_t size = item->head.size - sizeof rule;
  if (rule.optional > 1) return "a path of a sandbox has an unknown flag";
  return size > 1 && path[0] == '/' && memchr(path, 0, size) == path + size - 1 ? NULL : "a path of a sandbox is not an absolute one";
}

static const char *check_port(const struct setup_reader *item) {
  struct setup_sandbox_port rule;
  if (item->head.size != sizeof rule) return "a port of a sandbox has the wrong size";
  memcpy(&rule, item->payload, sizeof rule);
  return rule.port <= UINT16_MAX ? NULL : "a port of a sandbox is out of range";
}

static const char *check_filter(const struct setup_reader *item) {
  size_t size = item->head.size;
  return size > 0 && size % FILTER_INSTRUCTION == 0 && size / FILTER_INSTRUCTION <= FILTER_MAX ? NULL : "a filter has the wrong size";
}

#define CGROUP_FILE_MAX 64

#define ALL_NAMESPACES (NAMESPACE_TIME * 2u - 1)

static const char *check_namespaces(const struct setup_reader *item) {
  struct setup_namespaces namespaces;
  if (item->head.size != sizeof namespaces) return "namespaces have the wrong size";
  memcpy(&namespaces, item->payload, sizeof namespaces);
  if (namespaces.flags > ALL_NAMESPACES) return "unknown kind of namespace";
  if ((namespaces.uid == ID_KEEP) != (namespaces.gid == ID_KEEP)) return "only one of the maps is the owner's to write";
  uint32_t most = namespaces.monotonic.nanoseconds;
  if (namespaces.boottime.nanoseconds > most) most = namespaces.boottime.nanoseconds;
  return most < 1000000000u ? NULL : "the offset of a clock is out of range";
}

/* So many strings, one after the other, and nothing behind them. */
static bool are_strings(const char *at, size_t size, int count) {
  for (; count > 0; count--) {
    const char *end = memchr(at, 0, size);
    if (end == NULL) return false;
    size -= (size_t)(end + 1 - at);
    at = end + 1;
  }
  return size == 0;
}

static const char *check_cgroup(const struct setup_reader *item) {
  const char *path = item->payload;
  if (item->head.size > CGROUP_PATH_MAX || !are_strings(path, item->head.size, 1)) return "the path of a cgroup is malformed";
  size_t length = strlen(path);
  return length > 1 && path[0] == '/' && path[length - 1] != '/' ? NULL : "the path of a cgroup is not an absolute one";
}

/* One that a controller makes, such as `memory.max`: those that make a group what it is are the helpers' own. */
static const char *check_cgroup_file(const struct setup_reader *item) {
  const char *name = item->payload;
  if (!are_strings(name, item->head.size, 2)) return "the file of a cgroup is malformed";
  size_t length = strlen(name), prefix = strcspn(name, ".");
  bool is_name = length <= CGROUP_FILE_MAX && prefix > 0 && prefix < length && strchr(name, '/') == NULL;
  return is_name && strncmp(name, "cgroup.", prefix + 1) != 0 ? NULL : "the file of a cgroup is none of a controller";
}

static const char *check_mount(const struct setup_reader *item) {
  struct setup_mount mount;
  if (item->head.size < sizeof mount) return "a mount is cut off";
  memcpy(&mount, item->payload, sizeof mount);
  if (mount.kind > MOUNT_READ_ONLY) return "unknown kind of mount";
  const char *source = item->payload + sizeof mount;
  if (!are_strings(source, item->head.size - sizeof mount, 2)) return "the paths of a mount are malformed";
  const char *target = source + strlen(source) + 1;
  bool has_source = mount.kind == MOUNT_BIND || mount.kind == MOUNT_BIND_READ_ONLY;
  return target[0] == '/' && (has_source ? source[0] == '/' : source[0] == 0) ? NULL : "a path of a mount is not absolute";
}

static const char *check_enter(const struct setup_reader *item) {
  struct setup_enter enter;
  if (item->head.size != sizeof enter) return "namespaces to enter have the wrong size";
  memcpy(&enter, item->payload, sizeof enter);
  return enter.flags != 0 && enter.flags <= ALL_NAMESPACES ? NULL : "unknown kind of namespace";
}

static const char *check_enter_path(const struct setup_reader *item) {
  struct setup_enter_path enter;
  if (item->head.size < sizeof enter) return "the path of a namespace is cut off";
  memcpy(&enter, item->payload, sizeof enter);
  if (enter.flag == 0 || enter.flag > NAMESPACE_TIME || (enter.flag & (enter.flag - 1)) != 0) return "unknown kind of namespace";
  const char *path = item->payload + sizeof enter;
  return are_strings(path, item->head.size - sizeof enter, 1) && path[0] == '/' ? NULL : "the path of a namespace is not absolute";
}

static bool is_device(const char *name) {
  size_t length = strlen(name);
  return length > 0 && length <= DEVICE_NAME_MAX;
}

/* The devices that are named behind a struct of so many bytes. */
static const char *check_devices(const struct setup_reader *item, size_t before, int count) {
  if (item->head.size < before) return "a network device is cut off";
  const char *name = item->payload + before;
  if (!are_strings(name, item->head.size - before, count)) return "the name of a network device is malformed";
  bool are_devices = is_device(name) && (count == 1 || is_device(name + strlen(name) + 1));
  return are_devices ? NULL : "the name of a network device has a wrong length";
}

static bool is_prefix(uint8_t family, uint8_t prefix) {
  return family == ADDRESS_INET ? prefix <= 32 : family == ADDRESS_INET6 && prefix <= 128;
}

static const char *check_address(const struct setup_reader *item) {
  struct setup_address address;
  const char *problem = check_devices(item, sizeof address, 1);
  if (problem != NULL) return problem;
  memcpy(&address, item->payload, sizeof address);
  return address.zero == 0 && is_prefix(address.family, address.prefix) ? NULL : "an address is out of range";
}

static const char *check_route(const struct setup_reader *item) {
  struct setup_route route;
  const char *problem = check_devices(item, sizeof route, 1);
  if (problem != NULL) return problem;
  memcpy(&route, item->payload, sizeof route);
  bool known = route.zero == 0 && route.routed <= 1 && is_prefix(route.family, route.prefix);
  return known ? NULL : "a route is out of range";
}

static const char *check_terminal(const struct setup_reader *item) {
  struct setup_terminal terminal;
  if (item->head.size != sizeof terminal) return "a terminal has the wrong size";
  memcpy(&terminal, item->payload, sizeof terminal);
  return terminal.target >= 0 && terminal.target <= TARGET_MAX ? NULL : "the descriptor of a terminal is out of range";
}

static const char *check_item(const struct setup_reader *item) {
  switch (item->head.kind) {
    case SETUP_LIMIT: return check_limit(item);
    case SETUP_NICE: return check_number(item, -20, 19);
    case SETUP_SCHEDULER: return item->head.size == sizeof(struct setup_scheduler) ? NULL : "a scheduler has the wrong size";
    case SETUP_IO_PRIORITY: return check_number(item, 0, UINT16_MAX);
    case SETUP_AFFINITY: return check_affinity(item);
    case SETUP_OOM_SCORE: return check_number(item, -1000, 1000);
    case SETUP_CREDENTIALS: return check_credentials(item);
    case SETUP_CAPABILITIES: return check_capabilities(item);
    case SETUP_NO_NEW_PRIVILEGES: return item->head.size == 0 ? NULL : "a payload where there should be none";
    case SETUP_SANDBOX: return item->head.size == sizeof(struct setup_sandbox) ? NULL : "a sandbox has the wrong size";
    case SETUP_SANDBOX_PATH: return check_path(item);
    case SETUP_SANDBOX_PORT: return check_port(item);
    case SETUP_FILTER: return check_filter(item);
    case SETUP_NAMESPACES: return check_namespaces(item);
    case SETUP_MOUNT: return check_mount(item);
    case SETUP_HOSTNAME: return item->head.size <= 64 ? NULL : "the name of a host is too long";
    case SETUP_LOOPBACK: return item->head.size == 0 ? NULL : "a loopback device has something to it";
    case SETUP_ENTER: return check_enter(item);
    case SETUP_ENTER_PATH: return check_enter_path(item);
    case SETUP_VETH: return check_devices(item, sizeof(struct setup_veth), 2);
    case SETUP_ADDRESS: return check_address(item);
    case SETUP_LINK_UP: return check_devices(item, 0, 1);
    case SETUP_ROUTE: return check_route(item);
    case SETUP_TERMINAL: return check_terminal(item);
    case SETUP_CGROUP: return check_cgroup(item);
    case SETUP_CGROUP_FILE: return check_cgroup_file(item);
    default: return "unknown kind of setup";
  }
}

/* What is allowed in a sandbox comes after it, and it comes once. */
static bool is_out_of_order(const struct setup_reader *item, int *sandboxes) {
  if (item->head.kind == SETUP_SANDBOX) return ++*sandboxes > 1;
  return (item->head.kind == SETUP_SANDBOX_PATH || item->head.kind == SETUP_SANDBOX_PORT) && *sandboxes == 0;
}

const char *setup_check(const char *bytes, size_t size) {
  struct setup_reader reader = setup_begin(bytes, size);
  int sandboxes = 0;
  while (setup_next(&reader)) {
    if (is_out_of_order(&reader, &sandboxes)) return "a sandbox is out of order";
    const char *problem = check_item(&reader);
    if (problem != NULL) return problem;
  }
  return reader.at == reader.end ? NULL : "the items of a setup do not fill it";
}
