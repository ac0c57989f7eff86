#define _GNU_SOURCE
#include "memory.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE 4096
#define KEPT (64u << 10) /* a queue that is empty keeps this much */

static size_t whole_pages(size_t size) { return (size + PAGE - 1) / PAGE * PAGE; }

bool memory_grow(struct memory *memory, size_t size) {
  size = whole_pages(size);
  if (size <= memory->size) return true;
  void *at = memory->at == NULL ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                : mremap(memory->at, memory->size, size, MREMAP_MAYMOVE);
  if (at == MAP_FAILED) return false;
  madvise(at, size, MADV_DONTFORK);
  memory->at = at;
  memory->size = size;
  return true;
}

void memory_shrink(struct memory *memory, size_t size) {
  size = whole_pages(size);
  if (size == 0 || size >= memory->size) return;
  munmap((char *)memory->at + size, memory->size - size);
  memory->size = size;
}

void *queue_reserve(struct queue *queue, size_t size) {
  /* Only when at least half of it is free: moving the rest for each little that was consumed would be quadratic. */
  if (queue->start >= queue_length(queue) && queue->start > 0 && queue->end + size > queue->memory.size) {
    memmove(queue->memory.at, queue_front(queue), queue_length(queue));
    queue->end -= queue->start;
    queue->start = 0;
  }
  size_t wanted = queue->end + size, doubled = queue->memory.size * 2;
  if (wanted > queue->memory.size && !memory_grow(&queue->memory, wanted > doubled ? wanted : doubled)) return NULL;
  return (char *)queue->memory.at + queue->end;
}

bool queue_append(struct queue *queue, const void *bytes, size_t size) {
  void *at = queue_reserve(queue, size);
  if (at == NULL) return false;
  if (size > 0) memcpy(at, bytes, size);
  queue->end += size;
  return true;
}

void queue_consume(struct queue *queue, size_t size) {
  queue->start += size;
  if (queue->start < queue->end) return;
  queue->start = queue->end = 0;
  if (queue->memory.size > KEPT) memory_shrink(&queue->memory, KEPT);
}

struct entry {
  uint32_t key, value;
};

static struct entry *entries(const struct map *map) { return map->memory.at; }

static uint32_t home(const struct map *map, uint32_t key) { return key * 2654435761u & (map->capacity - 1); }

/* The place of the key, or the free place where it would be. */
static uint32_t place(const struct map *map, uint32_t key) {
  uint32_t at = home(map, key);
  while (entries(map)[at].key != 0 && entries(map)[at].key != key) at = (at + 1) & (map->capacity - 1);
  return at;
}

uint32_t map_get(const struct map *map, uint32_t key) {
  if (map->capacity == 0 || key == 0) return MAP_NONE;
  struct entry entry = entries(map)[place(map, key)];
  return entry.key == 0 ? MAP_NONE : entry.value;
}

static bool map_grow(struct map *map) {
  struct map larger = {.capacity = map->capacity == 0 ? 512 : map->capacity * 2, .count = map->count};
  if (!memory_grow(&larger.memory, larger.capacity * sizeof(struct entry))) return false;
  for (uint32_t i = 0; i < map->capacity; i++) {
    struct entry entry = entries(map)[i];
    if (entry.key != 0) entries(&larger)[place(&larger, entry.key)] = entry;
  }
  if (map->memory.at != NULL) munmap(map->memory.at, map->memory.size);
  *map = larger;
  return true;
}

bool map_set(struct map *map, uint32_t key, uint32_t value) {
  if (key == 0 || (map->count * 2 >= map->capacity && !map_grow(map))) return false;
  struct entry *entry = &entries(map)[place(map, key)];
  if (entry->key == 0) map->count++;
  *entry = (struct entry){key, value};
  return true;
}

void map_remove(struct map *map, uint32_t key) {
  if (map->capacity == 0 || key == 0) return;
  uint32_t hole = place(map, key), mask = map->capacity - 1;
  if (entries(map)[hole].key == 0) return;
  map->count--;
  /* Close the gap, so that no mark has to be left for deleted keys. */
  for (uint32_t at = (hole + 1) & mask; entries(map)[at].key != 0; at = (at + 1) & mask) {
    uint32_t wanted = home(map, entries(map)[at].key);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    entries(map)[hole] = entries(map)[at];
    hole = at;
  }
  entries(map)[hole] = (struct entry){0, 0};
}
