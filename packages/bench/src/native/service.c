/*
 * The service that every supervisor of the benchmarks runs: it tells that it runs, then waits for a signal.
 *
 * To the FIFO that NURSERY_BENCH_FEED names it writes 16 bytes: its pid, and the nanoseconds of CLOCK_MONOTONIC, each in 8 bytes of
 * this machine's order. So few are written in one piece, and the time is right however late somebody reads it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  const char *path = getenv("NURSERY_BENCH_FEED");
  if (path == NULL) return 2;
  int feed = open(path, O_WRONLY | O_CLOEXEC);
  if (feed == -1) return 1;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t record[2] = {(uint64_t)getpid(), (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
  if (write(feed, record, sizeof record) != sizeof record) return 1;
  close(feed);
  for (;;) pause();
}
