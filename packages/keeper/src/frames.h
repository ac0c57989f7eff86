/*
 * Decodes what the owner sends. Pure: it looks at bytes and says what they mean, or what is wrong with them. This is what the
 * fuzzer drives.
 */
#ifndef NURSERY_FRAMES_H
#define NURSERY_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "job.h"
#include "protocol.h"

/* A spawn whose counts, strings and descriptors agree with its size. Points into the frame. */
struct spawn_request {
  struct spawn head;
  const char *fds;     /* head.fd_count struct spawn_fd, unaligned */
  const char *strings; /* program, cwd, search path, argv, changes of the environment, files */
  const char *changes; /* where the changes begin */
  const char *files;   /* where the file paths begin */
  const char *setup;   /* after the strings: head.setup_size bytes, see setup.h */
};

struct spawn_fd spawn_request_fd(const struct spawn_request *spawn, uint32_t index);

struct request {
  enum request_type type;
  uint32_t id;
  const char *problem; /* what is wrong with it, NULL if nothing is */
  union {
    struct hello hello;
    struct spawn_request spawn;
    struct signal_request signal;
    struct stop_policy stop;
    struct {
      const char *at; /* unaligned int32 */
      uint32_t count;
    } close;
    uint32_t pipe_size;
    struct {
      bool whole;
      uint32_t end; /* else */
    } drop;
    struct {
      uint32_t kind;
      const char *body; /* what follows the kind, unaligned; see object_check.h */
      size_t size;
    } object;
    struct resize resize;
    struct {
      const char *strings;
      uint32_t count, size;
    } environment;
  };
};

enum frame_result { FRAME_COMPLETE, FRAME_PARTIAL, FRAME_UNUSABLE };

/* Decodes the frame at the front. `used` is its whole length, when it is complete; of an unusable one only the id is told. */
enum frame_result frame_decode(const char *bytes, size_t length, struct request *request, size_t *used);

#endif
