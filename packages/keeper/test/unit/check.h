/*
 * Tests in C. A program of them lists the names of its tests when it is run without arguments, and runs those that it is given;
 * the first check that fails says where and ends it.
 */
#ifndef NURSERY_CHECK_H
#define NURSERY_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                          \
  do {                                                                       \
    if (!(what)) {                                                           \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);     \
      exit(1);                                                               \
    }                                                                        \
  } while (0)

struct test {
  const char *name;
  void (*run)(void);
};

static inline int run_tests(const struct test *tests, size_t count, int argc, char **argv) {
  for (size_t i = 0; i < count; i++) {
    if (argc < 2) puts(tests[i].name);
    for (int at = 1; at < argc; at++) {
      if (strcmp(argv[at], tests[i].name) == 0) tests[i].run();
    }
  }
  return 0;
}

#define RUN_TESTS(tests, argc, argv) run_tests(tests, sizeof tests / sizeof *tests, argc, argv)

/* The same numbers in every run: xorshift. */
static inline uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

#endif
