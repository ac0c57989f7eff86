/*
 * Fuzzes the decoder of frames: whatever the bytes are, what it calls a sound frame has to be one, byte by byte. With libFuzzer,
 * or where that is missing with mutations of our own (-DOWN_LOOP), which are the same in each run: `fuzz SECONDS SEED FILE...`.
 */
#include "../../src/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/object_check.h"
#include "../../src/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "not so: %s\n", what);
  abort();
}

/* Passes `count` strings as those who use them will. */
static const char *pass_strings(const char *at, const char *end, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    require(at < end, "a string begins inside");
    at += strlen(at) + 1;
    require(at <= end, "a string ends inside");
  }
  return at;
}

static void check_spawn(const struct spawn_request *spawn, const char *bytes, const char *end) {
  require(spawn->fds >= bytes && spawn->setup + spawn->head.setup_size == end, "a spawn lies in its frame");
  require(spawn->head.fd_count <= JOB_FDS && spawn->head.argc > 0, "a spawn has what it needs");
  require(spawn->head.level <= LEVEL_CGROUP && spawn->head.session <= SESSION_OWNER, "its options are known");
  uint32_t files = 0;
  for (uint32_t i = 0; i < spawn->head.fd_count; i++) {
    struct spawn_fd fd = spawn_request_fd(spawn, i);
    require(fd.target >= 0 && fd.kind <= FD_OBJECT, "a descriptor is in range");
    if (fd.kind == FD_FILE) require(fd.extra == files++ && fd.value <= FILE_APPEND, "files are numbered");
    if (fd.kind == FD_OBJECT) require((fd.extra & ~(uint32_t)END_GIVEN) <= END_SECOND, "an object has two ends");
  }
  require(files == spawn->head.filec, "each file has a path");
  const char *at = pass_strings(spawn->strings, spawn->setup, 3 + spawn->head.argc);
  require(at == spawn->changes, "the changes come after the arguments");
  at = pass_strings(at, spawn->setup, spawn->head.envc);
  require(at == spawn->files, "the files come after the changes");
  require(pass_strings(at, spawn->setup, spawn->head.filec) == spawn->setup, "the setup comes after the files");
  struct setup_reader item = setup_begin(spawn->setup, spawn->head.setup_size);
  while (setup_next(&item)) require(item.payload + item.head.size <= end, "an item lies in the setup");
  require(item.at == end, "nothing comes after the setup");
}

/* What ends in a string is passed on as one. */
static void check_object(const struct request *request, const char *end) {
  uint32_t kind = request->object.kind;
  const char *body = request->object.body;
  require(body + request->object.size == end, "an object fills its frame");
  require(object_check(kind, body, request->object.size) == NULL, "it is in order");
  size_t head = kind == OBJECT_FILE ? sizeof(struct object_file) : kind == OBJECT_LISTEN ? sizeof(struct object_listen) : 0;
  if (head > 0) require(pass_strings(body + head, end, 1) == end, "its path comes last");
}

static void check(const struct request *request, const char *bytes, const char *end) {
  if (request->problem != NULL) {
    require(strlen(request->problem) > 0, "a problem has a name");
    return;
  }
  switch (request->type) {
    case REQUEST_SPAWN:
      check_spawn(&request->spawn, bytes, end);
      break;
    case REQUEST_ENVIRONMENT:
      require(pass_strings(request->environment.strings, end, request->environment.count) == end, "an environment fills its frame");
      break;
    case REQUEST_CLOSE:
      require(request->close.at + request->close.count * sizeof(int32_t) == end, "a close fills its frame");
      break;
    case REQUEST_OBJECT:
      check_object(request, end);
      break;
    case REQUEST_DROP:
      require(request->drop.whole || request->drop.end <= END_SECOND, "a drop is of an end");
      break;
    case REQUEST_SIGNAL:
      require(request->signal.signal <= 64 && request->signal.reach <= REACH_TREE, "a signal is in range");
      break;
    case REQUEST_STOP:
      require(request->stop.signal <= 64 && request->stop.reach <= REACH_TREE, "a policy is in range");
      break;
    default:
      require(request->type >= REQUEST_HELLO && request->type <= REQUEST_RESIZE, "a type is known");
  }
}

/* The whole stream, in memory of exactly its size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *bytes = malloc(size == 0 ? 1 : size);
  if (bytes == NULL) abort();
  memcpy(bytes, data, size);
  struct request request = {0};
  size_t used;
  for (size_t at = 0; frame_decode(bytes + at, size - at, &request, &used) == FRAME_COMPLETE; at += used) {
    require(used >= sizeof(struct frame_header) && used <= size - at, "a frame lies in the stream");
    check(&request, bytes + at, bytes + at + used);
    /* A frame does not depend on what follows it. */
    struct request again = {0};
    size_t used_again;
    require(frame_decode(bytes + at, used, &again, &used_again) == FRAME_COMPLETE && used_again == used, "a frame is one by itself");
    require((again.problem == NULL) == (request.problem == NULL), "its problem is its own");
  }
  free(bytes);
  return 0;
}

#ifdef OWN_LOOP
#define LONGEST 65536

static uint64_t state;

static uint32_t any(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

static uint8_t seeds[64][LONGEST];
static size_t seed_sizes[64];
static uint32_t seed_count;

static void read_seed(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || seed_count == 64) abort();
  seed_sizes[seed_count] = fread(seeds[seed_count], 1, LONGEST / 2, file);
  seed_count++;
  fclose(file);
}

static size_t mutate(uint8_t *bytes, size_t size) {
  static const uint32_t edges[] = {0, 1, 2, 3, 7, 8, 63, 64, 65, 249, 250, 251, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 8u << 20};
  for (uint32_t change = 1 + any(6); change > 0 && size > 0; change--) {
    uint32_t at = any((uint32_t)size);
    switch (any(7)) {
      case 0: bytes[at] ^= (uint8_t)(1u << any(8)); break;
      case 1: bytes[at] = (uint8_t)any(256); break;
      case 2: size = at; break;
      case 3:
        if (size - at >= 4) memcpy(bytes + at, &edges[any(sizeof edges / sizeof *edges)], 4);
        break;
      case 4: { /* the size in the first header made right */
        uint32_t payload = size < 12 ? 0 : (uint32_t)size - 12;
        if (size >= 12) memcpy(bytes, &payload, sizeof payload);
        break;
      }
      case 5: { /* a piece twice */
        uint32_t piece = any((uint32_t)(size - at) + 1);
        if (size + piece > LONGEST) break;
        memmove(bytes + at + piece, bytes + at, size - at);
        size += piece;
        break;
      }
      default: { /* another one behind it */
        uint32_t other = any(seed_count);
        if (size + seed_sizes[other] > LONGEST) break;
        memcpy(bytes + size, seeds[other], seed_sizes[other]);
        size += seed_sizes[other];
      }
    }
  }
  return size;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  time_t end = time(NULL) + atol(argv[1]);
  state = (uint64_t)atol(argv[2]);
  for (int i = 3; i < argc; i++) read_seed(argv[i]);
  unsigned long rounds = 0;
  static uint8_t bytes[LONGEST];
  for (; time(NULL) < end || rounds < 1000; rounds++) {
    uint32_t seed = any(seed_count);
    memcpy(bytes, seeds[seed], seed_sizes[seed]);
    LLVMFuzzerTestOneInput(bytes, mutate(bytes, seed_sizes[seed]));
  }
  printf("%lu rounds\n", rounds);
  return 0;
}
#endif
