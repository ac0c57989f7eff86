/*
 * A worker: answers each line of standard input by the same line, at once.
 *
 * answerer <passes> <microseconds>: before an answer it goes so often over each byte of the line, which is work of a cost that grows with
 * the line, and waits so long for each 1000 bytes of it, as somebody does who asks elsewhere.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

static uint32_t work(const char *line, size_t size, long passes) {
  uint32_t hash = 2166136261u;
  for (long pass = 0; pass < passes; pass++)
    for (size_t index = 0; index < size; index++) hash = (hash ^ (unsigned char)line[index]) * 16777619u;
  return hash;
}

static void wait_for(size_t size, long microseconds) {
  if (microseconds == 0) return;
  long long nanoseconds = (long long)microseconds * (long long)size;
  struct timespec left = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  while (nanosleep(&left, &left) == -1) continue;
}

static void answer(const char *line, size_t size) {
  while (size > 0) {
    ssize_t written = write(1, line, size);
    if (written <= 0) exit(1);
    line += written;
    size -= (size_t)written;
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long passes = strtol(argv[1], NULL, 10);
  long microseconds = strtol(argv[2], NULL, 10);
  volatile uint32_t result;
  size_t held = 0;
  for (;;) {
    ssize_t count = read(0, buffer + held, sizeof buffer - held);
    if (count <= 0) return held == 0 && count == 0 ? 0 : 1;
    held += (size_t)count;
    char *line = buffer;
    for (char *end; (end = memchr(line, '\n', held)) != NULL; line = end + 1) {
      size_t size = (size_t)(end + 1 - line);
      result = work(line, size, passes);
      wait_for(size, microseconds);
      answer(line, size);
      held -= size;
    }
    (void)result;
    memmove(buffer, line, held);
  }
}
