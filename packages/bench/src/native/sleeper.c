/* The smallest process that stays: it waits for a signal. */
#include <unistd.h>

int main(void) {
  for (;;) pause();
}
