/*
 * Memory of the keeper that grows. It is not copied into the reapers: a heap of 16 MB would triple what each of them costs.
 */
#ifndef NURSERY_MEMORY_H
#define NURSERY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
  void *at;
  size_t size; /* in bytes, whole pages */
};

/* Makes it at least `size` bytes; new ones are zero. False when there is no memory: nothing has changed then. */
bool memory_grow(struct memory *memory, size_t size);

/* Gives back what lies above `size`. */
void memory_shrink(struct memory *memory, size_t size);

/* Bytes that are appended at the end and consumed from the front. */
struct queue {
  struct memory memory;
  size_t start, end;
};

/* Room for `size` bytes at the end; NULL when there is no memory. */
void *queue_reserve(struct queue *queue, size_t size);
bool queue_append(struct queue *queue, const void *bytes, size_t size);
void queue_consume(struct queue *queue, size_t size);
static inline size_t queue_length(const struct queue *queue) { return queue->end - queue->start; }
static inline char *queue_front(const struct queue *queue) { return (char *)queue->memory.at + queue->start; }

/* A table from nonzero numbers to numbers. */
struct map {
  struct memory memory;
  uint32_t capacity, count; /* capacity: a power of two, or 0 */
};

#define MAP_NONE UINT32_MAX

uint32_t map_get(const struct map *map, uint32_t key);
bool map_set(struct map *map, uint32_t key, uint32_t value);
void map_remove(struct map *map, uint32_t key);

#endif
