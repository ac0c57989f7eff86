/* Writes <bytes> to standard output, <block> at a time: lines of text, so that any filter can follow. */
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t left = strtoull(argv[1], NULL, 10);
  size_t block = strtoull(argv[2], NULL, 10);
  char *buffer = malloc(block);
  if (buffer == NULL) return 1;
  for (size_t index = 0; index < block; index++) buffer[index] = index % 64 == 63 ? '\n' : (char)('a' + index % 26);
  while (left > 0) {
    ssize_t written = write(1, buffer, left < block ? left : block);
    if (written <= 0) return 1;
    left -= (size_t)written;
  }
  return 0;
}
