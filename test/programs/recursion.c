// Spends a given CPU time at the bottom of a recursion of a given depth.
//
//   recursion DEPTH CPU_SECONDS
//
// The stack is main, DEPTH × descend, spin.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noipa))

static volatile unsigned long sink;

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

KEEP static unsigned long spin(double until) {
  unsigned long value = 1;
  while (thread_cpu_seconds() < until)
    for (int i = 0; i < 50000; i++) value = value * 31 + i;
  return value;
}

// The addition after the call keeps it from becoming a jump.
KEEP static unsigned long descend(long depth, double until) {
  return (depth > 1 ? descend(depth - 1, until) : spin(until)) + 1;
}

int main(int argc, char **argv) {
  const long depth = argc > 1 ? atol(argv[1]) : 10;
  const double seconds = argc > 2 ? atof(argv[2]) : 1;
  sink = descend(depth, seconds);
  printf("{\"pid\":%d,\"depth\":%ld,\"cpuNanos\":%.0f}\n", getpid(), depth,
         thread_cpu_seconds() * 1e9);
  return 0;
}
