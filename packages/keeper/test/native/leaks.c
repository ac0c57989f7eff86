/*
 * Looks for leaked memory where a helper ends, which the sanitizer does by itself only at a return from main. Linked with
 * `--wrap=_exit`.
 */
#include <sys/prctl.h>
#include <unistd.h>

int __lsan_do_recoverable_leak_check(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

void __wrap__exit(int status) {
  /*
   * 127 is a child before its exec, whose memory is the reaper's. A reaper cannot be looked into by an ordinary user: its threads
   * could not be stopped.
   */
  if (status != 127 && prctl(PR_GET_DUMPABLE) == 1 && __lsan_do_recoverable_leak_check() != 0) __real__exit(23);
  __real__exit(status);
}
