// Asks for the time without a pause: the answer comes from the code that the kernel maps as [vdso].
//
//   vdso_clock CPU_SECONDS

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 1;
  struct timespec now;
  while (cpu_seconds() < seconds)
    for (int i = 0; i < 100000; i++) clock_gettime(CLOCK_MONOTONIC, &now);
  printf("{\"pid\":%d,\"cpuNanos\":%.0f}\n", getpid(), cpu_seconds() * 1e9);
  return 0;
}
