/* memory.c against plain models, by random operations. */
#define _GNU_SOURCE
#include "../../src/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define OPERATIONS 60000

static void queue_is_a_queue(void) {
  struct queue queue = {0};
  static unsigned char model[4 << 20];
  size_t start = 0, end = 0;
  uint32_t random = 1;
  unsigned char next = 0;
  for (int i = 0; i < OPERATIONS; i++) {
    size_t size = next_random(&random) % (next_random(&random) % 64 == 0 ? 20000 : 200);
    if (next_random(&random) % 2 == 0 && end + size < sizeof model) {
      char *into = queue_reserve(&queue, size);
      CHECK(into != NULL);
      for (size_t k = 0; k < size; k++) {
        model[end + k] = next;
        into[k] = (char)next++;
      }
      queue.end += size;
      end += size;
    } else {
      if (size > end - start) size = end - start;
      CHECK(size == 0 || memcmp(queue_front(&queue), model + start, size) == 0);
      queue_consume(&queue, size);
      start += size;
    }
    CHECK(queue_length(&queue) == end - start);
    if (start > sizeof model / 2) {
      memmove(model, model + start, end - start);
      end -= start;
      start = 0;
    }
  }
  CHECK(end == start || memcmp(queue_front(&queue), model + start, end - start) == 0);
}

static void queue_gives_memory_back(void) {
  struct queue queue = {0};
  static const char block[65536];
  for (int i = 0; i < 256; i++) CHECK(queue_append(&queue, block, sizeof block));
  CHECK(queue.memory.size >= 16u << 20);
  queue_consume(&queue, queue_length(&queue));
  CHECK(queue.memory.size <= 64u << 10);
  CHECK(queue_append(&queue, "x", 1) && *queue_front(&queue) == 'x');
}

static void queue_in_steady_use_moves_little(void) {
  struct queue queue = {0};
  static const char block[1000];
  for (int i = 0; i < 1000; i++) CHECK(queue_append(&queue, block, sizeof block));
  /* As much goes in as out, at any fill: memory stays in proportion, and the start does not creep to the end of it. */
  for (int i = 0; i < 20000; i++) {
    CHECK(queue_append(&queue, block, sizeof block));
    queue_consume(&queue, sizeof block);
  }
  CHECK(queue.memory.size <= 8 * queue_length(&queue));
}

#define KEYS 4096

static void map_is_a_map(void) {
  struct map map = {0};
  static uint32_t model[KEYS];
  uint32_t random = 7, count = 0;
  memset(model, 0xff, sizeof model);
  for (int i = 0; i < OPERATIONS; i++) {
    /* Multiples of a large power of two all have the same home: the worst that there can be. */
    uint32_t index = next_random(&random) % KEYS, key = index % 2 == 0 ? (index + 1) << 16 : index + 1;
    switch (next_random(&random) % 4) {
      case 0:
      case 1:
        if (model[index] == MAP_NONE) count++;
        model[index] = next_random(&random) & 0x7fffffff;
        CHECK(map_set(&map, key, model[index]));
        break;
      case 2:
        if (model[index] != MAP_NONE) count--;
        model[index] = MAP_NONE;
        map_remove(&map, key);
        break;
      default:
        CHECK(map_get(&map, key) == model[index]);
    }
    CHECK(map.count == count);
  }
  for (uint32_t index = 0; index < KEYS; index++) {
    CHECK(map_get(&map, index % 2 == 0 ? (index + 1) << 16 : index + 1) == model[index]);
  }
}

static void map_without_a_key(void) {
  struct map map = {0};
  CHECK(map_get(&map, 5) == MAP_NONE);
  map_remove(&map, 5);
  CHECK(!map_set(&map, 0, 5));
  CHECK(map_set(&map, 5, 6) && map_get(&map, 0) == MAP_NONE && map_get(&map, 6) == MAP_NONE);
  CHECK(map_set(&map, UINT32_MAX, 7) && map_get(&map, UINT32_MAX) == 7);
}

static void memory_is_zero_and_not_copied(void) {
  struct memory memory = {0};
  CHECK(memory_grow(&memory, 1) && memory_grow(&memory, 100000));
  for (size_t i = 0; i < memory.size; i++) CHECK(((char *)memory.at)[i] == 0);
  pid_t child = fork();
  if (child == 0) {
    /* A page that is not there: EFAULT, and no signal. */
    int pipes[2];
    _exit(pipe(pipes) == 0 && write(pipes[1], memory.at, 1) < 0 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void memory_that_is_not_there_changes_nothing(void) {
  struct queue queue = {0};
  CHECK(queue_append(&queue, "abc", 3));
  struct queue before = queue;
  CHECK(queue_reserve(&queue, (size_t)1 << 60) == NULL);
  CHECK(memcmp(&before, &queue, sizeof queue) == 0);
  CHECK(!queue_append(&queue, "", (size_t)1 << 60));
  CHECK(queue_length(&queue) == 3 && memcmp(queue_front(&queue), "abc", 3) == 0);
}

static const struct test tests[] = {
    {"a queue gives back what went in, in its order, whatever the sizes", queue_is_a_queue},
    {"an empty queue gives its memory back", queue_gives_memory_back},
    {"a queue in steady use stays in proportion", queue_in_steady_use_moves_little},
    {"a map holds what was set and not removed, also when all keys collide", map_is_a_map},
    {"a map knows no key that it was not given, and refuses 0", map_without_a_key},
    {"memory is zero, and not there in a fork", memory_is_zero_and_not_copied},
    {"a queue for which there is no memory stays as it was", memory_that_is_not_there_changes_nothing},
};

int main(int argc, char **argv) { return RUN_TESTS(tests, argc, argv); }
