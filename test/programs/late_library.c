// Spends SECONDS of CPU time in the function late_work of LIBRARY, which it loads as it runs.
//
//   late_library SECONDS LIBRARY
//
// LIBRARY is this file, compiled with -DLIBRARY -shared -fPIC.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef LIBRARY

static volatile unsigned long sink;

void late_work(double seconds) {
  struct timespec now;
  unsigned long value = 1;
  do {
    for (int i = 0; i < 50000; i++) value = value * 31 + i;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  } while (now.tv_sec + now.tv_nsec / 1e9 < seconds);
  sink = value;
}

#else

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  // Long enough for the process to be known before it loads anything.
  usleep(500 * 1000);
  void *library = dlopen(argv[2], RTLD_NOW);
  if (library == NULL) return 1;
  void (*late_work)(double) = (void (*)(double))dlsym(library, "late_work");
  if (late_work == NULL) return 1;
  late_work(atof(argv[1]));
  printf("{\"pid\":%d}\n", getpid());
  return 0;
}

#endif
