/*
 * frames.c: every frame of protocol.h, valid and broken in each way that is told apart. Each one lies in memory of exactly its size,
 * so that the sanitizer sees a single byte read beyond it.
 */
#include "../../src/frames.h"
#include "../../src/object_check.h"
#include "../../src/setup.h"

#include "check.h"

static char bytes[1 << 16];
static size_t length;

static void put(const void *data, size_t size) {
  memcpy(bytes + length, data, size);
  length += size;
}

static void put_text(const char *text) { put(text, strlen(text) + 1); }

static void begin(uint16_t type) {
  length = 0;
  struct frame_header header = {0, type, 0, 77};
  put(&header, sizeof header);
}

static struct request request;

/* The problem with the frame, NULL when it is in order. */
static const char *decode(void) {
  struct frame_header header;
  memcpy(&header, bytes, sizeof header);
  header.size = (uint32_t)(length - sizeof header);
  memcpy(bytes, &header, sizeof header);
  static char *exact;
  free(exact);
  exact = malloc(length);
  CHECK(exact != NULL);
  memcpy(exact, bytes, length);
  size_t used = 0;
  CHECK(frame_decode(exact, length, &request, &used) == FRAME_COMPLETE);
  CHECK(used == length);
  CHECK(request.id == 77);
  return request.problem;
}

static void is_partial_until_whole(void) {
  begin(REQUEST_PIPE);
  uint32_t size = 5;
  put(&size, sizeof size);
  CHECK(decode() == NULL && request.pipe_size == 5);
  for (size_t less = 0; less < length; less++) {
    char *exact = malloc(less + 1);
    size_t used = 12345;
    CHECK(exact != NULL);
    memcpy(exact, bytes, less);
    CHECK(frame_decode(exact, less, &request, &used) == FRAME_PARTIAL && used == 12345);
    free(exact);
  }
}

static void has_a_length(void) {
  size_t used;
  struct frame_header header = {FRAME_MAX, REQUEST_HELLO, 0, 9};
  CHECK(frame_decode((char *)&header, sizeof header, &request, &used) == FRAME_PARTIAL);
  header.size = FRAME_MAX + 1;
  CHECK(frame_decode((char *)&header, sizeof header, &request, &used) == FRAME_UNUSABLE && request.id == 9);
  header.size = UINT32_MAX;
  CHECK(frame_decode((char *)&header, sizeof header, &request, &used) == FRAME_UNUSABLE);
}

static void has_a_known_type(void) {
  static const uint16_t unknown[] = {0, REQUEST_RESIZE + 1, 63, REPLY_READY, REPLY_LISTENING, REPLY_NOTIFY, 255, 65535};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    begin(unknown[i]);
    CHECK(decode() != NULL);
  }
  begin(REQUEST_CANCEL);
  bytes[6] = 1;
  CHECK(decode() != NULL);
}

static void without_payload(void) {
  static const uint16_t types[] = {REQUEST_CANCEL, REQUEST_DROP, REQUEST_RELEASE, REQUEST_RETAIN, REQUEST_LISTEN, REQUEST_SEAL};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    begin(types[i]);
    CHECK(decode() == NULL && request.type == types[i]);
    put("", 1);
    CHECK(decode() != NULL);
  }
}

static void of_fixed_size(void) {
  struct hello hello = {PROTOCOL_MAGIC, PROTOCOL_VERSION, 1, 2, 3, 4};
  begin(REQUEST_HELLO);
  put(&hello, sizeof hello);
  CHECK(decode() == NULL && request.hello.reapers == 4);
  put("", 1);
  CHECK(decode() != NULL);
  length -= 2;
  CHECK(decode() != NULL);
  hello.magic++;
  begin(REQUEST_HELLO);
  put(&hello, sizeof hello);
  CHECK(decode() != NULL);
  /* Of another version: decoded, and answered by whoever knows better. */
  hello.magic--;
  hello.version = 99;
  begin(REQUEST_HELLO);
  put(&hello, sizeof hello);
  CHECK(decode() == NULL);
}

static const char *decode_signal(struct signal_request signal) {
  begin(REQUEST_SIGNAL);
  put(&signal, sizeof signal);
  return decode();
}

static const char *decode_stop(struct stop_policy policy) {
  begin(REQUEST_STOP);
  put(&policy, sizeof policy);
  return decode();
}

static void signals_and_policies(void) {
  CHECK(decode_signal((struct signal_request){5, 64, REACH_TREE, 0}) == NULL && request.signal.process == 5);
  CHECK(decode_signal((struct signal_request){5, 0, REACH_LEADER, 0}) == NULL);
  CHECK(decode_signal((struct signal_request){5, 65, 0, 0}) != NULL);
  CHECK(decode_signal((struct signal_request){5, 9, 3, 0}) != NULL);
  CHECK(decode_signal((struct signal_request){5, 9, 0, 1}) != NULL);
  put("", 1);
  CHECK(decode() != NULL);
  CHECK(decode_stop((struct stop_policy){15, REACH_GROUP, 0, 1000, NO_DEADLINE}) == NULL && request.stop.linger == NO_DEADLINE);
  CHECK(decode_stop((struct stop_policy){65, REACH_GROUP, 0, 1000, 1}) != NULL);
  CHECK(decode_stop((struct stop_policy){15, 3, 0, 1000, 1}) != NULL);
  CHECK(decode_stop((struct stop_policy){15, 1, 1, 1000, 1}) != NULL);
  length--;
  CHECK(decode() != NULL);
}

static void closes(void) {
  begin(REQUEST_CLOSE);
  CHECK(decode() == NULL && request.close.count == 0);
  int32_t descriptors[] = {-1, 5, INT32_MAX};
  put(descriptors, sizeof descriptors);
  CHECK(decode() == NULL && request.close.count == 3);
  put("", 1);
  CHECK(decode() != NULL);
}

static void environments(void) {
  uint32_t count = 2;
  begin(REQUEST_ENVIRONMENT);
  CHECK(decode() != NULL);
  put(&count, sizeof count);
  CHECK(decode() != NULL);
  put_text("A=1");
  CHECK(decode() != NULL);
  put_text("");
  CHECK(decode() == NULL && request.environment.count == 2 && request.environment.size == 5);
  put_text("too many");
  CHECK(decode() != NULL);
  begin(REQUEST_ENVIRONMENT);
  put(&count, sizeof count);
  put_text("A=1");
  put("no end", 6);
  CHECK(decode() != NULL);
  count = UINT32_MAX;
  begin(REQUEST_ENVIRONMENT);
  put(&count, sizeof count);
  put_text("A=1");
  CHECK(decode() != NULL);
  count = 0;
  begin(REQUEST_ENVIRONMENT);
  put(&count, sizeof count);
  CHECK(decode() == NULL && request.environment.count == 0);
}

/* A spawn in order: `cat <file` with one change of the environment. */
static const struct spawn good = {.flags = 15, .stop = {15, 1, 0, 1, 1}, .umask = -1, .argc = 2, .envc = 1, .filec = 1, .fd_count = 3};
static const struct spawn_fd good_fds[] = {{0, FD_FILE, FILE_READ, 0}, {1, FD_PIPE_OUT, 0, 0}, {1 << 20, FD_OBJECT, 5, 1}};
static const char good_text[] = "cat\0\0/bin\0cat\0-v\0A=1\0/etc/passwd";

static const char *decode_spawn(struct spawn head, const struct spawn_fd *fds, const char *text, size_t size) {
  head.string_size = (uint32_t)size;
  begin(REQUEST_SPAWN);
  put(&head, sizeof head);
  put(fds, head.fd_count * sizeof *fds);
  put(text, size);
  return decode();
}

static void spawns(void) {
  CHECK(decode_spawn(good, good_fds, good_text, sizeof good_text) == NULL);
  CHECK(strcmp(request.spawn.strings, "cat") == 0 && strcmp(request.spawn.changes, "A=1") == 0);
  CHECK(strcmp(request.spawn.files, "/etc/passwd") == 0 && request.spawn.setup == request.spawn.files + 12);
  CHECK(spawn_request_fd(&request.spawn, 2).value == 5);
  for (size_t less = 1; less < length - sizeof(struct frame_header); less++) {
    length -= less;
    CHECK(decode() != NULL);
    length += less;
  }
  put("", 1);
  CHECK(decode() != NULL);
}

#define WITH(change)                                                             \
  do {                                                                           \
    struct spawn head = good;                                                    \
    struct spawn_fd fds[3];                                                      \
    memcpy(fds, good_fds, sizeof fds);                                           \
    change;                                                                      \
    CHECK(decode_spawn(head, fds, good_text, sizeof good_text) != NULL);         \
  } while (0)

static void broken_spawns(void) {
  WITH(head.flags = 128);
  WITH(head.flags = SPAWN_FOREGROUND);
  WITH(head.flags = SPAWN_FOREGROUND; head.session = SESSION_GROUP; head.level = LEVEL_GROUP);
  WITH(head.level = 4);
  WITH(head.session = 3);
  WITH(head.zero = 1);
  WITH(head.stop.signal = 65);
  WITH(head.stop.reach = 3);
  WITH(head.stop.zero = 1);
  WITH(head.umask = -2);
  WITH(head.umask = 01000);
  WITH(head.argc = 0);
  WITH(head.argc = 1);
  WITH(head.argc = 3);
  WITH(head.argc = UINT32_MAX);
  WITH(head.argc = UINT32_MAX - 3);
  WITH(head.envc = UINT32_MAX);
  WITH(head.filec = UINT32_MAX);
  WITH(head.filec = 0);
  WITH(head.filec = 2);
  WITH(fds[0].target = -1);
  WITH(fds[0].target = INT32_MIN);
  WITH(fds[0].target = (1 << 20) + 1);
  WITH(fds[0].target = 1);
  WITH(fds[0].kind = 6);
  WITH(fds[0].kind = UINT32_MAX);
  WITH(fds[0].value = FILE_APPEND + 1);
  WITH(fds[0].extra = 1);
  WITH(fds[0].kind = FD_NULL);
  WITH(fds[1].kind = FD_FILE);
  WITH(fds[2].extra = 4);
  struct spawn head = good;
  head.fd_count = UINT32_MAX;
  head.string_size = sizeof good_text;
  begin(REQUEST_SPAWN);
  put(&head, sizeof head);
  put(good_text, sizeof good_text);
  CHECK(decode() != NULL);
}

struct setup_bytes {
  char bytes[128];
  size_t size;
};

static struct setup_bytes item(uint16_t kind, uint16_t size, const void *payload, size_t payload_size) {
  struct setup_bytes items = {.size = sizeof(struct setup) + payload_size};
  struct setup head = {kind, size};
  memcpy(items.bytes, &head, sizeof head);
  memcpy(items.bytes + sizeof head, payload, payload_size);
  return items;
}

static const char *decode_setup_at(uint8_t level, struct setup_bytes items) {
  struct spawn head = good;
  head.level = level;
  head.string_size = sizeof good_text;
  head.setup_size = (uint32_t)items.size;
  begin(REQUEST_SPAWN);
  put(&head, sizeof head);
  put(good_fds, sizeof good_fds);
  put(good_text, sizeof good_text);
  put(items.bytes, items.size);
  return decode();
}

static const char *decode_setup(struct setup_bytes items) { return decode_setup_at(LEVEL_TREE, items); }

static void setups(void) {
  struct setup_limit limit = {.resource = 7, .soft = 1, .hard = 2};
  struct setup_bytes good_items = item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit);
  CHECK(decode_setup(good_items) == NULL);
  struct setup_reader reader = setup_begin(request.spawn.setup, request.spawn.head.setup_size);
  CHECK(setup_next(&reader) && reader.index == 0 && reader.head.kind == SETUP_LIMIT && reader.head.size == sizeof limit);
  CHECK(memcmp(reader.payload, &limit, sizeof limit) == 0);
  CHECK(!setup_next(&reader));
  for (size_t less = 1; less < good_items.size; less++) {
    struct setup_bytes cut = good_items;
    cut.size -= less;
    CHECK(decode_setup(cut) != NULL);
  }
  CHECK(decode_setup(item(0, 0, "", 0)) != NULL);
  CHECK(decode_setup(item(UINT16_MAX, 0, "", 0)) != NULL);
  CHECK(decode_setup(item(SETUP_LIMIT, UINT16_MAX, &limit, sizeof limit)) != NULL);
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit - 1, &limit, sizeof limit - 1)) != NULL);
  limit.zero = 1;
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit)) != NULL);
  limit.zero = 0;
  limit.soft = 3;
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit)) != NULL);
  struct spawn head = good;
  head.setup_size = UINT32_MAX - sizeof good_text + 1;
  CHECK(decode_spawn(head, good_fds, good_text, sizeof good_text) != NULL);
}

static void namespace_items(void) {
  const struct setup_namespaces all = {.flags = 255}, unknown = {.flags = 256};
  const struct setup_namespaces unmapped = {.uid = ID_KEEP, .gid = ID_KEEP}, half = {.uid = ID_KEEP};
  const struct setup_namespaces late = {.boottime = {0, 1000000000u}}, behind = {.monotonic = {UINT64_MAX, 999999999u}};
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &unmapped, sizeof unmapped)) == NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &half, sizeof half)) != NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &behind, sizeof behind)) == NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &late, sizeof late)) != NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &all, sizeof all)) == NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all, &unknown, sizeof unknown)) != NULL);
  CHECK(decode_setup(item(SETUP_NAMESPACES, sizeof all - 1, &all, sizeof all - 1)) != NULL);
  static const char tmpfs[] = "\0\0\0\0\0/tmp", bound[] = "\1\0\0\0/usr\0/mnt", relative[] = "\0\0\0\0\0tmp",
                    kind[] = "\4\0\0\0\0/tmp", sourced[] = "\0\0\0\0/usr\0/tmp";
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof tmpfs, tmpfs, sizeof tmpfs)) == NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof bound, bound, sizeof bound)) == NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof tmpfs - 1, tmpfs, sizeof tmpfs - 1)) != NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, 3, tmpfs, 3)) != NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof relative, relative, sizeof relative)) != NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof kind, kind, sizeof kind)) != NULL);
  CHECK(decode_setup(item(SETUP_MOUNT, sizeof sourced, sourced, sizeof sourced)) != NULL);
  CHECK(decode_setup(item(SETUP_HOSTNAME, 5, "inner", 5)) == NULL);
  CHECK(decode_setup(item(SETUP_LOOPBACK, 0, "", 0)) == NULL);
  CHECK(decode_setup(item(SETUP_LOOPBACK, 1, "", 1)) != NULL);
  const struct setup_enter enter = {.process = 9, .flags = NAMESPACE_PID}, nowhere = {.process = 9};
  CHECK(decode_setup(item(SETUP_ENTER, sizeof enter, &enter, sizeof enter)) == NULL);
  CHECK(decode_setup(item(SETUP_ENTER, sizeof nowhere, &nowhere, sizeof nowhere)) != NULL);
  CHECK(decode_setup(item(SETUP_ENTER, 4, &enter, 4)) != NULL);
  static const char path[] = "\10\0\0\0/run/netns/a", two[] = "\3\0\0\0/run/netns/a", open_path[] = "\10\0\0\0run";
  CHECK(decode_setup(item(SETUP_ENTER_PATH, sizeof path, path, sizeof path)) == NULL);
  CHECK(decode_setup(item(SETUP_ENTER_PATH, sizeof path - 1, path, sizeof path - 1)) != NULL);
  CHECK(decode_setup(item(SETUP_ENTER_PATH, sizeof two, two, sizeof two)) != NULL);
  CHECK(decode_setup(item(SETUP_ENTER_PATH, sizeof open_path, open_path, sizeof open_path)) != NULL);
}

/* A struct, then what comes after it. */
static struct setup_bytes device_item(uint16_t kind, const void *head, size_t head_size, const char *names, size_t size) {
  char payload[100] = {0};
  if (head_size > 0) memcpy(payload, head, head_size);
  memcpy(payload + head_size, names, size);
  return item(kind, (uint16_t)(head_size + size), payload, head_size + size);
}

static void device_items(void) {
  const struct setup_veth veth = {9};
  CHECK(decode_setup(device_item(SETUP_VETH, &veth, sizeof veth, "a\0b", 4)) == NULL);
  CHECK(decode_setup(device_item(SETUP_VETH, &veth, sizeof veth, "a", 2)) != NULL);
  CHECK(decode_setup(device_item(SETUP_VETH, &veth, sizeof veth, "a\0b", 3)) != NULL);
  CHECK(decode_setup(device_item(SETUP_VETH, &veth, sizeof veth, "a\0", 3)) != NULL);
  CHECK(decode_setup(device_item(SETUP_VETH, &veth, sizeof veth, "a\0b\0c", 6)) != NULL);
  CHECK(decode_setup(item(SETUP_VETH, 3, &veth, 3)) != NULL);
  CHECK(decode_setup(device_item(SETUP_LINK_UP, NULL, 0, "123456789012345", 16)) == NULL);
  CHECK(decode_setup(device_item(SETUP_LINK_UP, NULL, 0, "1234567890123456", 17)) != NULL);
  CHECK(decode_setup(device_item(SETUP_LINK_UP, NULL, 0, "", 1)) != NULL);
  CHECK(decode_setup(device_item(SETUP_LINK_UP, NULL, 0, "", 0)) != NULL);
  struct setup_address address = {.family = ADDRESS_INET, .prefix = 32};
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) == NULL);
  address.prefix = 33;
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) != NULL);
  address.family = ADDRESS_INET6;
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) == NULL);
  address.prefix = 129;
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) != NULL);
  address = (struct setup_address){.family = ADDRESS_PATH};
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) != NULL);
  address = (struct setup_address){.zero = 1};
  CHECK(decode_setup(device_item(SETUP_ADDRESS, &address, sizeof address, "a", 2)) != NULL);
  struct setup_route route = {.family = ADDRESS_INET6, .prefix = 128, .routed = 1};
  CHECK(decode_setup(device_item(SETUP_ROUTE, &route, sizeof route, "a", 2)) == NULL);
  CHECK(decode_setup(item(SETUP_ROUTE, sizeof route - 1, &route, sizeof route - 1)) != NULL);
  route.routed = 2;
  CHECK(decode_setup(device_item(SETUP_ROUTE, &route, sizeof route, "a", 2)) != NULL);
}

static const char *decode_in_cgroup(struct setup_bytes items) { return decode_setup_at(LEVEL_CGROUP, items); }

static struct setup_bytes both(struct setup_bytes one, struct setup_bytes other) {
  memcpy(one.bytes + one.size, other.bytes, other.size);
  one.size += other.size;
  return one;
}

static bool is_file(const char *strings, size_t size) {
  static const char path[] = "/cg/n";
  return decode_in_cgroup(both(item(SETUP_CGROUP, sizeof path, path, sizeof path), item(SETUP_CGROUP_FILE, (uint16_t)size, strings, size))) ==
         NULL;
}

static void cgroup_items(void) {
  static const char path[] = "/cg/n", relative[] = "cg/n", open_end[] = "/cg/", root[] = "/", file[] = "memory.max\0001";
  const struct setup_bytes group = item(SETUP_CGROUP, sizeof path, path, sizeof path);
  CHECK(decode_in_cgroup(group) == NULL);
  CHECK(decode_in_cgroup(item(SETUP_CGROUP, sizeof path - 1, path, sizeof path - 1)) != NULL);
  CHECK(decode_in_cgroup(item(SETUP_CGROUP, sizeof relative, relative, sizeof relative)) != NULL);
  CHECK(decode_in_cgroup(item(SETUP_CGROUP, sizeof open_end, open_end, sizeof open_end)) != NULL);
  CHECK(decode_in_cgroup(item(SETUP_CGROUP, sizeof root, root, sizeof root)) != NULL);
  CHECK(decode_in_cgroup(item(SETUP_CGROUP, 0, "", 0)) != NULL);
  /* Once, and at its level only. */
  CHECK(decode_in_cgroup(both(group, group)) != NULL);
  CHECK(decode_in_cgroup(item(SETUP_LOOPBACK, 0, "", 0)) != NULL);
  CHECK(decode_setup(group) != NULL);
  CHECK(decode_setup(item(SETUP_CGROUP_FILE, sizeof file, file, sizeof file)) != NULL);
  CHECK(is_file(file, sizeof file));
  CHECK(!is_file(file, sizeof file - 1));
  static const char *const bad[] = {"memory", ".max", "", "cgroup.procs", "../memory.max", "memory.max/x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char strings[32] = {0};
    memcpy(strings, bad[i], strlen(bad[i]));
    CHECK(!is_file(strings, strlen(bad[i]) + 2));
  }
  static const char controller[] = "cgroups.max\0001";
  CHECK(is_file(controller, sizeof controller));
}

static void drops(void) {
  uint32_t end = END_SECOND;
  begin(REQUEST_DROP);
  CHECK(decode() == NULL && request.drop.whole);
  put(&end, sizeof end);
  CHECK(decode() == NULL && !request.drop.whole && request.drop.end == END_SECOND);
  put("", 1);
  CHECK(decode() != NULL);
  end = END_GIVEN;
  begin(REQUEST_DROP);
  put(&end, sizeof end);
  CHECK(decode() != NULL);
}

static const char *decode_object(uint32_t kind, const void *body, size_t size, const void *rest, size_t rest_size) {
  struct object_request head = {kind};
  begin(REQUEST_OBJECT);
  put(&head, sizeof head);
  put(body, size);
  put(rest, rest_size);
  return decode();
}

static void objects(void) {
  struct object_pipe pipe = {4096};
  CHECK(decode_object(OBJECT_PIPE, &pipe, sizeof pipe, "", 0) == NULL && request.object.size == sizeof pipe);
  CHECK(decode_object(OBJECT_PIPE, &pipe, sizeof pipe, "", 1) != NULL);
  CHECK(decode_object(0, &pipe, sizeof pipe, "", 0) != NULL);
  CHECK(decode_object(UINT32_MAX, &pipe, sizeof pipe, "", 0) != NULL);
  begin(REQUEST_OBJECT);
  CHECK(decode() != NULL);
  struct object_socketpair pair = {TYPE_SEQPACKET};
  CHECK(decode_object(OBJECT_SOCKETPAIR, &pair, sizeof pair, "", 0) == NULL);
  CHECK(decode_object(OBJECT_SOCKETPAIR, &pair, sizeof pair - 1, "", 0) != NULL);
  pair.type++;
  CHECK(decode_object(OBJECT_SOCKETPAIR, &pair, sizeof pair, "", 0) != NULL);
  struct object_file file = {OPEN_READ | OPEN_WRITE | OPEN_CREATE, 0600};
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a", 3) == NULL);
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a", 2) != NULL);
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a\0b", 5) != NULL);
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "a", 2) != NULL);
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "", 0) != NULL);
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file - 1, "", 0) != NULL);
  file.mode = 01000;
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a", 3) != NULL);
  file = (struct object_file){OPEN_CREATE, 0};
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a", 3) != NULL);
  file.flags = OPEN_READ | OPEN_APPEND << 1;
  CHECK(decode_object(OBJECT_FILE, &file, sizeof file, "/a", 3) != NULL);
  struct object_memory memory = {1, 4};
  CHECK(decode_object(OBJECT_MEMORY, &memory, sizeof memory, "abcd", 4) == NULL);
  CHECK(decode_object(OBJECT_MEMORY, &memory, sizeof memory, "abcde", 5) != NULL);
  CHECK(decode_object(OBJECT_MEMORY, &memory, sizeof memory - 1, "", 0) != NULL);
  memory.size = UINT64_MAX;
  CHECK(decode_object(OBJECT_MEMORY, &memory, sizeof memory, "", 0) != NULL);
  memory = (struct object_memory){2, 4};
  CHECK(decode_object(OBJECT_MEMORY, &memory, sizeof memory, "", 0) != NULL);
}

static const char *decode_listen(struct object_listen listen, const char *name, size_t size) {
  return decode_object(OBJECT_LISTEN, &listen, sizeof listen, name, size);
}

#define LISTEN(change, name) (listen = any, change, decode_listen(listen, name, sizeof name))

static void listening(void) {
  static const struct object_listen any = {.mode = UNCHANGED, .uid = UNCHANGED, .gid = UNCHANGED};
  struct object_listen listen;
  char name[SOCKET_PATH_MAX + 2];
  memset(name, '/', sizeof name);
  CHECK(LISTEN(listen.family = ADDRESS_INET, "") == NULL);
  CHECK(LISTEN(listen.family = ADDRESS_INET6, "") == NULL);
  CHECK(LISTEN(listen.family = ADDRESS_PATH, "/a") == NULL);
  CHECK(LISTEN(listen.family = ADDRESS_ABSTRACT, "a") == NULL);
  CHECK(LISTEN((listen.family = ADDRESS_PATH, listen.type = TYPE_SEQPACKET), "/a") == NULL);
  CHECK(LISTEN(listen.family = ADDRESS_ABSTRACT + 1, "a") != NULL);
  CHECK(LISTEN(listen.type = TYPE_SEQPACKET, "") != NULL);
  CHECK(LISTEN(listen.type = TYPE_SEQPACKET + 1, "") != NULL);
  CHECK(LISTEN(listen.flags = LISTEN_REPLACE_STALE << 1, "") != NULL);
  CHECK(LISTEN((listen.family = ADDRESS_PATH, listen.mode = 01000), "/a") != NULL);
  CHECK(LISTEN(listen.family = ADDRESS_INET, "a") != NULL);
  CHECK(LISTEN(listen.family = ADDRESS_PATH, "a") != NULL);
  CHECK(LISTEN(listen.family = ADDRESS_PATH, "") != NULL);
  CHECK(LISTEN(listen.family = ADDRESS_ABSTRACT, "") != NULL);
  CHECK(LISTEN(listen.family = ADDRESS_PATH, "/a\0b") != NULL);
  listen = any;
  listen.family = ADDRESS_PATH;
  CHECK(decode_listen(listen, "/a", 2) != NULL);
  name[SOCKET_PATH_MAX] = 0;
  CHECK(decode_listen(listen, name, SOCKET_PATH_MAX + 1) == NULL);
  listen.family = ADDRESS_ABSTRACT;
  CHECK(decode_listen(listen, name, SOCKET_PATH_MAX + 1) != NULL);
  CHECK(decode_listen(listen, name + 1, SOCKET_PATH_MAX) == NULL);
  listen.family = ADDRESS_PATH;
  name[SOCKET_PATH_MAX] = '/';
  name[SOCKET_PATH_MAX + 1] = 0;
  CHECK(decode_listen(listen, name, SOCKET_PATH_MAX + 2) != NULL);
  for (size_t size = 0; size < sizeof listen; size++) CHECK(decode_object(OBJECT_LISTEN, &listen, size, "", 0) != NULL);
}

/* A payload of exactly this size and the sizes beside it. */
static void has_exact_size(uint16_t kind, const void *payload, uint16_t size) {
  CHECK(decode_setup(item(kind, size, payload, size)) == NULL);
  if (size > 0) CHECK(decode_setup(item(kind, size - 1, payload, size - 1u)) != NULL);
  char longer[32] = {0};
  memcpy(longer, payload, size);
  CHECK(decode_setup(item(kind, size + 1, longer, size + 1u)) != NULL);
}

static const char *decode_resize(struct resize resize) {
  begin(REQUEST_RESIZE);
  put(&resize, sizeof resize);
  return decode();
}

static void terminals(void) {
  struct object_pty pty = {1, 65535, PTY_RAW | PTY_NO_ECHO};
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty, "", 0) == NULL);
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty, "", 1) != NULL);
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty - 1, "", 0) != NULL);
  pty.flags++;
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty, "", 0) != NULL);
  pty = (struct object_pty){0, 1, 0};
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty, "", 0) != NULL);
  pty = (struct object_pty){1, 0, 0};
  CHECK(decode_object(OBJECT_PTY, &pty, sizeof pty, "", 0) != NULL);
  CHECK(decode_resize((struct resize){9, 80, 24}) == NULL && request.resize.pty == 9);
  put("", 1);
  CHECK(decode() != NULL);
  length -= 2;
  CHECK(decode() != NULL);
  CHECK(decode_resize((struct resize){9, 0, 24}) != NULL);
  CHECK(decode_resize((struct resize){9, 80, 0}) != NULL);
  struct setup_terminal terminal = {0};
  has_exact_size(SETUP_TERMINAL, &terminal, sizeof terminal);
  terminal.target = -1;
  CHECK(decode_setup(item(SETUP_TERMINAL, sizeof terminal, &terminal, sizeof terminal)) != NULL);
  terminal.target = (1 << 20) + 1;
  CHECK(decode_setup(item(SETUP_TERMINAL, sizeof terminal, &terminal, sizeof terminal)) != NULL);
}

static bool takes_number(uint16_t kind, int32_t value) {
  const struct setup_number number = {value};
  return decode_setup(item(kind, sizeof number, &number, sizeof number)) == NULL;
}

static void numbers_of_setups(void) {
  static const struct {
    uint16_t kind;
    int32_t least, most;
  } ranges[] = {{SETUP_NICE, -20, 19}, {SETUP_IO_PRIORITY, 0, 65535}, {SETUP_OOM_SCORE, -1000, 1000}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    CHECK(takes_number(ranges[i].kind, ranges[i].least) && takes_number(ranges[i].kind, ranges[i].most));
    CHECK(!takes_number(ranges[i].kind, ranges[i].least - 1) && !takes_number(ranges[i].kind, ranges[i].most + 1));
    const struct setup_number number = {ranges[i].least};
    has_exact_size(ranges[i].kind, &number, sizeof number);
  }
  const struct setup_scheduler scheduler = {3, 0};
  has_exact_size(SETUP_SCHEDULER, &scheduler, sizeof scheduler);
}

static void kept_limits(void) {
  struct setup_limit limit = {.resource = 7, .soft = 5, .hard = LIMIT_KEEP};
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit)) == NULL);
  limit = (struct setup_limit){.resource = 7, .soft = LIMIT_KEEP, .hard = 5};
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit)) == NULL);
  limit.soft = LIMIT_INFINITY;
  CHECK(decode_setup(item(SETUP_LIMIT, sizeof limit, &limit, sizeof limit)) != NULL);
}

static void affinities(void) {
  static const char mask[32] = {1};
  CHECK(decode_setup(item(SETUP_AFFINITY, 8, mask, 8)) == NULL);
  CHECK(decode_setup(item(SETUP_AFFINITY, 16, mask, 16)) == NULL);
  CHECK(decode_setup(item(SETUP_AFFINITY, 0, mask, 0)) != NULL);
  CHECK(decode_setup(item(SETUP_AFFINITY, 12, mask, 12)) != NULL);
  const struct setup too_large = {SETUP_AFFINITY, AFFINITY_MAX + 8};
  static char bytes_of_it[sizeof too_large + AFFINITY_MAX + 8];
  memcpy(bytes_of_it, &too_large, sizeof too_large);
  CHECK(setup_check(bytes_of_it, sizeof bytes_of_it) != NULL);
}

static void identities(void) {
  struct {
    struct setup_credentials head;
    uint32_t groups[2];
  } credentials = {{1, 2, 2}, {3, 4}};
  has_exact_size(SETUP_CREDENTIALS, &credentials, sizeof credentials);
  credentials.head.groups = UINT32_MAX - 1;
  CHECK(decode_setup(item(SETUP_CREDENTIALS, sizeof credentials, &credentials, sizeof credentials)) != NULL);
  credentials.head.groups = ID_KEEP;
  has_exact_size(SETUP_CREDENTIALS, &credentials, sizeof credentials.head);
  struct setup_capabilities capabilities = {5, CAPABILITIES_DROP, 1};
  has_exact_size(SETUP_CAPABILITIES, &capabilities, sizeof capabilities);
  capabilities.mode++;
  CHECK(decode_setup(item(SETUP_CAPABILITIES, sizeof capabilities, &capabilities, sizeof capabilities)) != NULL);
  capabilities = (struct setup_capabilities){5, CAPABILITIES_KEEP, 2};
  CHECK(decode_setup(item(SETUP_CAPABILITIES, sizeof capabilities, &capabilities, sizeof capabilities)) != NULL);
  has_exact_size(SETUP_NO_NEW_PRIVILEGES, "", 0);
}

static struct setup_bytes path_item(const char *path, size_t size, uint32_t optional) {
  struct {
    struct setup_sandbox_path rule;
    char path[16];
  } __attribute__((packed)) payload = {{4, optional}, {0}};
  memcpy(payload.path, path, size);
  return item(SETUP_SANDBOX_PATH, (uint16_t)(sizeof payload.rule + size), &payload, sizeof payload.rule + size);
}

/* With a sandbox before it. */
static const char *decode_in_sandbox(struct setup_bytes inner) {
  const struct setup_sandbox sandbox = {1, 1, 1};
  struct setup_bytes items = item(SETUP_SANDBOX, sizeof sandbox, &sandbox, sizeof sandbox);
  memcpy(items.bytes + items.size, inner.bytes, inner.size);
  items.size += inner.size;
  return decode_setup(items);
}

static void sandboxes(void) {
  const struct setup_sandbox sandbox = {1, 1, 1};
  has_exact_size(SETUP_SANDBOX, &sandbox, sizeof sandbox);
  CHECK(decode_in_sandbox(item(SETUP_SANDBOX, sizeof sandbox, &sandbox, sizeof sandbox)) != NULL);
  CHECK(decode_in_sandbox(path_item("/a", 3, 0)) == NULL);
  CHECK(decode_in_sandbox(path_item("/a", 3, 1)) == NULL);
  CHECK(decode_in_sandbox(path_item("/a", 3, 2)) != NULL);
  CHECK(decode_setup(path_item("/a", 3, 0)) != NULL);
  CHECK(decode_in_sandbox(path_item("/a", 2, 0)) != NULL);
  CHECK(decode_in_sandbox(path_item("/a\0b", 5, 0)) != NULL);
  CHECK(decode_in_sandbox(path_item("a", 2, 0)) != NULL);
  CHECK(decode_in_sandbox(path_item("", 1, 0)) != NULL);
  CHECK(decode_in_sandbox(path_item("", 0, 0)) != NULL);
  struct setup_sandbox_port port = {1, 65535};
  CHECK(decode_in_sandbox(item(SETUP_SANDBOX_PORT, sizeof port, &port, sizeof port)) == NULL);
  CHECK(decode_in_sandbox(item(SETUP_SANDBOX_PORT, sizeof port - 1, &port, sizeof port - 1)) != NULL);
  CHECK(decode_setup(item(SETUP_SANDBOX_PORT, sizeof port, &port, sizeof port)) != NULL);
  port.port++;
  CHECK(decode_in_sandbox(item(SETUP_SANDBOX_PORT, sizeof port, &port, sizeof port)) != NULL);
}

static void filters(void) {
  static char instructions[sizeof(struct setup) + (FILTER_MAX + 1) * FILTER_INSTRUCTION];
  static const uint16_t wrong[] = {0, 1, 7, 9, (FILTER_MAX + 1) * FILTER_INSTRUCTION};
  static const uint16_t right[] = {FILTER_INSTRUCTION, FILTER_MAX * FILTER_INSTRUCTION};
  struct setup head = {.kind = SETUP_FILTER};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    head.size = wrong[i];
    memcpy(instructions, &head, sizeof head);
    CHECK(setup_check(instructions, sizeof head + head.size) != NULL);
  }
  for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
    head.size = right[i];
    memcpy(instructions, &head, sizeof head);
    CHECK(setup_check(instructions, sizeof head + head.size) == NULL);
  }
}

static void many_descriptors(void) {
  static struct spawn_fd fds[JOB_FDS + 1];
  for (int i = 0; i <= JOB_FDS; i++) fds[i] = (struct spawn_fd){JOB_FDS - i, FD_NULL, 0, 0};
  struct spawn head = {.argc = 1, .fd_count = JOB_FDS, .umask = 0};
  static const char text[] = "a\0\0\0a";
  CHECK(decode_spawn(head, fds, text, sizeof text) == NULL);
  head.fd_count = JOB_FDS + 1;
  CHECK(decode_spawn(head, fds, text, sizeof text) != NULL);
}

static const struct test tests[] = {
    {"a frame is partial until its last byte is there", is_partial_until_whole},
    {"a length beyond FRAME_MAX is unusable, and tells its id", has_a_length},
    {"an unknown type or a reserved field is a problem", has_a_known_type},
    {"requests without payload have none", without_payload},
    {"a hello has its size and its magic number", of_fixed_size},
    {"signals and stop policies are in range", signals_and_policies},
    {"a close is whole numbers", closes},
    {"an environment has as many strings as it says", environments},
    {"a spawn is found in its parts, and cut off nowhere", spawns},
    {"a spawn with any field out of range is a problem", broken_spawns},
    {"the items of a setup fill it, are known and have their size", setups},
    {"the items of namespaces are whole, known, and have absolute paths", namespace_items},
    {"the items of network devices have their names, and addresses in range", device_items},
    {"the group of a nursery and files of a group of its own belong to one level", cgroup_items},
    {"a drop lets go of an object or of one of its ends", drops},
    {"an object is of a known kind and has what that needs", objects},
    {"a terminal has a size, and is one of the descriptors of a child", terminals},
    {"a listening socket has an address of its family that is not too long", listening},
    {"the numbers of a setup are in their ranges", numbers_of_setups},
    {"a half of a limit can be kept as it is", kept_limits},
    {"a set of processors is whole words, and not too many", affinities},
    {"credentials have the groups that they count, capabilities a known mode", identities},
    {"a sandbox comes once, with absolute paths and ports behind it", sandboxes},
    {"a filter is whole instructions, and not too many", filters},
    {"a spawn has at most 250 descriptors", many_descriptors},
};

int main(int argc, char **argv) { return RUN_TESTS(tests, argc, argv); }
