#define _GNU_SOURCE
#include "links.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is in headers of the kernel, which not every libc comes with. */
enum { NETLINK_ROUTE = 0 };
enum { NEW_LINK = 16, DELETE_LINK = 17, NEW_ADDRESS = 20, NEW_ROUTE = 24 };
enum { MESSAGE_ERROR = 2 };
enum { REQUEST = 1, ACKNOWLEDGE = 4, EXCLUSIVE = 0x200, CREATE = 0x400 };
enum { LINK_NAME = 3, LINK_INFO = 18, LINK_NET_NS_FD = 28, INFO_KIND = 1, INFO_DATA = 2, VETH_PEER = 1 };
enum { ADDRESS_ADDRESS = 1, ADDRESS_LOCAL = 2, ADDRESS_FLAGS = 8, NO_DETECTION = 2 };
enum { ROUTE_DESTINATION = 1, ROUTE_DEVICE = 4, ROUTE_GATEWAY = 5 };
enum { TABLE_MAIN = 254, BY_ADMINISTRATOR = 4, EVERYWHERE = 0, ON_LINK = 253, UNICAST = 1 };

struct netlink_address {
  uint16_t family, zero;
  uint32_t port, groups;
};

struct head {
  uint32_t size;
  uint16_t type, flags;
  uint32_t sequence, port;
};

struct link_head {
  uint8_t family, zero;
  uint16_t type;
  int32_t index;
  uint32_t flags, change;
};

struct address_head {
  uint8_t family, prefix, flags, scope;
  uint32_t index;
};

struct route_head {
  uint8_t family, destination_bits, source_bits, service, table, protocol, scope, type;
  uint32_t flags;
};

struct attribute {
  uint16_t size, type;
};

#define ALIGNED(size) (((size) + 3u) & ~(size_t)3)

/* Large enough for every request of this file. */
struct message {
  struct head head;
  char rest[240];
};

static void append(struct message *message, const void *bytes, size_t size) {
  char *at = (char *)message + message->head.size;
  memcpy(at, bytes, size);
  memset(at + size, 0, ALIGNED(size) - size);
  message->head.size += (uint32_t)ALIGNED(size);
}

static struct message begin(uint16_t type, uint16_t flags, const void *head, size_t size) {
  struct message message = {.head = {sizeof message.head, type, (uint16_t)(REQUEST | ACKNOWLEDGE | flags), 1, 0}};
  append(&message, head, size);
  return message;
}

static void add(struct message *message, uint16_t type, const void *value, size_t size) {
  const struct attribute head = {(uint16_t)(sizeof head + size), type};
  append(message, &head, sizeof head);
  append(message, value, size);
}

static void add_string(struct message *message, uint16_t type, const char *text) { add(message, type, text, strlen(text) + 1); }

/* What is added until `close_nest` lies in it, whose size is known then. */
static uint32_t open_nest(struct message *message, uint16_t type) {
  const struct attribute head = {sizeof head, type};
  append(message, &head, sizeof head);
  return message->head.size - (uint32_t)sizeof head;
}

static void close_nest(struct message *message, uint32_t at) {
  uint16_t size = (uint16_t)(message->head.size - at);
  memcpy((char *)message + at, &size, sizeof size);
}

static int open_netlink(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }

/* The kernel carries it out before the call returns, and the answer is there then. */
static int ask(int netlink, const struct message *message) {
  const struct netlink_address kernel = {.family = AF_NETLINK};
  struct {
    struct head head;
    int32_t error;
    char rest[512];
  } answer;
  ssize_t got;
  do got = sendto(netlink, message, message->head.size, 0, (const struct sockaddr *)(const void *)&kernel, sizeof kernel);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno;
  do got = recv(netlink, &answer, sizeof answer, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno;
  bool is_answer = got >= (ssize_t)(sizeof answer.head + sizeof answer.error) && answer.head.type == MESSAGE_ERROR;
  return is_answer ? -answer.error : EPROTO;
}

static int ask_once(const struct message *message) {
  int netlink = open_netlink();
  if (netlink < 0) return errno;
  int error = ask(netlink, message);
  close(netlink);
  return error;
}

static int index_of(int any, const char *name, int *index) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
  if (ioctl(any, SIOCGIFINDEX, &request) != 0) return errno;
  *index = request.ifr_ifindex;
  return 0;
}

static int device(const char *name, int *index) {
  int any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return errno;
  int error = index_of(any, name, index);
  close(any);
  return error;
}

static int own_network(void) { return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC); }

/* A pidfd names a network for setns only: so this process goes there, and comes back. */
static int network_of(int pidfd, int *error) {
  int here = own_network(), there = -1;
  *error = 0;
  if (here < 0 || setns(pidfd, CLONE_NEWNET) != 0) {
    *error = errno;
  } else {
    there = own_network();
    if (there < 0) *error = errno;
    if (setns(here, CLONE_NEWNET) != 0) *error = errno;
  }
  if (here >= 0) close(here);
  return there;
}

static int make_pair(int netlink, const char *near, const char *far, int network) {
  const struct link_head none = {.family = AF_UNSPEC};
  struct message message = begin(NEW_LINK, CREATE | EXCLUSIVE, &none, sizeof none);
  add_string(&message, LINK_NAME, near);
  uint32_t info = open_nest(&message, LINK_INFO);
  add_string(&message, INFO_KIND, "veth");
  uint32_t data = open_nest(&message, INFO_DATA), peer = open_nest(&message, VETH_PEER);
  append(&message, &none, sizeof none);
  add_string(&message, LINK_NAME, far);
  add(&message, LINK_NET_NS_FD, &network, sizeof network);
  close_nest(&message, peer);
  close_nest(&message, data);
  close_nest(&message, info);
  return ask(netlink, &message);
}

int make_link(struct link *link, const char *near, const char *far, int pidfd) {
  forget_link(link);
  int netlink = open_netlink(), error = 0;
  if (netlink < 0) return errno;
  int network = network_of(pidfd, &error);
  if (error == 0) error = make_pair(netlink, near, far, network);
  if (network >= 0) close(network);
  if (error != 0) {
    close(netlink);
    return error;
  }
  link->socket = netlink;
  return index_of(netlink, near, &link->index);
}

void forget_link(struct link *link) {
  if (link->socket >= 0) close(link->socket);
  *link = no_link;
}

void remove_link(struct link *link) {
  if (link->socket < 0) return;
  const struct link_head head = {.family = AF_UNSPEC, .index = link->index};
  const struct message message = begin(DELETE_LINK, 0, &head, sizeof head);
  ask(link->socket, &message);
  forget_link(link);
}

int set_link_up(const char *name) {
  struct link_head head = {.family = AF_UNSPEC, .flags = IFF_UP, .change = IFF_UP};
  int error = device(name, &head.index);
  if (error != 0) return error;
  const struct message message = begin(NEW_LINK, 0, &head, sizeof head);
  return ask_once(&message);
}

static uint8_t family_of(uint8_t family) { return family == ADDRESS_INET ? AF_INET : AF_INET6; }
static size_t size_of(uint8_t family) { return family == ADDRESS_INET ? 4 : 16; }

int add_address(const char *name, const struct setup_address *address) {
  int index;
  int error = device(name, &index);
  if (error != 0) return error;
  const struct address_head head = {family_of(address->family), address->prefix, 0, EVERYWHERE, (uint32_t)index};
  struct message message = begin(NEW_ADDRESS, CREATE | EXCLUSIVE, &head, sizeof head);
  add(&message, ADDRESS_LOCAL, &address->address, size_of(address->family));
  add(&message, ADDRESS_ADDRESS, &address->address, size_of(address->family));
  /* There are two on this wire: nobody waits until a third has not claimed it. */
  const uint32_t flags = NO_DETECTION;
  if (address->family == ADDRESS_INET6) add(&message, ADDRESS_FLAGS, &flags, sizeof flags);
  return ask_once(&message);
}

int add_route(const char *name, const struct setup_route *route) {
  int index;
  int error = device(name, &index);
  if (error != 0) return error;
  const struct route_head head = {
      .family = family_of(route->family),
      .destination_bits = route->prefix,
      .table = TABLE_MAIN,
      .protocol = BY_ADMINISTRATOR,
      .scope = route->routed || route->family == ADDRESS_INET6 ? EVERYWHERE : ON_LINK,
      .type = UNICAST,
  };
  struct message message = begin(NEW_ROUTE, CREATE | EXCLUSIVE, &head, sizeof head);
  if (route->prefix > 0) add(&message, ROUTE_DESTINATION, &route->destination, size_of(route->family));
  if (route->routed) add(&message, ROUTE_GATEWAY, &route->gateway, size_of(route->family));
  add(&message, ROUTE_DEVICE, &index, sizeof index);
  return ask_once(&message);
}
