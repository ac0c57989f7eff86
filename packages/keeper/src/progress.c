#define _GNU_SOURCE
#include "progress.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "system.h"

/* Written once; what is counted lies in the file alone, which forks do not get. */
static _Atomic uint64_t *begun;

int progress_open(void) {
  int file = memfd_create("nursery-progress", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  void *memory = MAP_FAILED;
  /* Nobody can cut it off below the mapping, which would kill the keeper. */
  if (ftruncate(file, sizeof *begun) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    memory = mmap(NULL, sizeof *begun, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (memory == MAP_FAILED) {
    close(file);
    return -1;
  }
  madvise(memory, sizeof *begun, MADV_DONTFORK);
  begun = memory;
  return move_fd(file, 16);
}

void progress_begin(size_t bytes) {
  if (begun != NULL) atomic_fetch_add(begun, bytes);
}
