// Spends SECONDS of CPU time in before(), then execs the file NEXT, which spends as much in
// after().
//
//   exec_over SECONDS NEXT
//
// NEXT is another copy of this file: two programs, one process.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) static void before(double until) {
  unsigned long value = 1;
  while (thread_cpu_seconds() < until)
    for (int i = 0; i < 50000; i++) value = value * 31 + i;
  sink = value;
}

__attribute__((noinline)) static void after(double until) {
  unsigned long value = 2;
  while (thread_cpu_seconds() < until)
    for (int i = 0; i < 50000; i++) value = value * 37 + i;
  sink = value;
}

int main(int argc, char **argv) {
  const double until = thread_cpu_seconds() + (argc > 1 ? atof(argv[1]) : 1);
  if (argc < 3) {
    after(until);
    printf("{\"pid\":%d}\n", getpid());
    return 0;
  }
  before(until);
  execl(argv[2], argv[2], argv[1], (char *)NULL);
  return 1;
}
