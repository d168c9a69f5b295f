// A known chain of calls for a given CPU time: main, work, DEPTH × descend, then a leaf that
// computes; with `everything` also leaves that the kernel and the vdso work for, and threads of
// their own that do the same, one at a time: another CPU stays free.
//
//   calls DEPTH CPU_SECONDS compute|everything
//
// Built with and without frame pointers. Link with -pthread.

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

enum { READ_BYTES = 1 << 16, ROUNDS_PER_LOOK = 64 };

#define TURN_SECONDS 0.2

static volatile unsigned long sink;
static int zero_fd;
static long depth;

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

KEEP static unsigned long compute(unsigned long value) {
  for (int i = 0; i < 20000; i++) value = value * 31 + i;
  sink = value;
  return value + 1;
}

KEEP static unsigned long ask_kernel(unsigned long value) {
  static _Thread_local char bytes[READ_BYTES];
  if (read(zero_fd, bytes, sizeof bytes) < 0) abort();
  sink = bytes[value % sizeof bytes];
  return value + 1;
}

KEEP static unsigned long ask_clock(unsigned long value) {
  struct timespec now = {0};
  for (int i = 0; i < 20; i++) clock_gettime(CLOCK_MONOTONIC, &now);
  sink = now.tv_nsec;
  return value + 1;
}

typedef unsigned long (*leaf)(unsigned long);

// The addition after the call keeps it from becoming a jump.
KEEP static unsigned long descend(long levels, leaf call) {
  unsigned long value = levels > 1 ? descend(levels - 1, call) : call(sink);
  sink = value;
  return value + levels;
}

KEEP static void work(int everything) {
  const double until = thread_cpu_seconds() + TURN_SECONDS;
  do {
    for (int i = 0; i < ROUNDS_PER_LOOK; i++) descend(depth, compute);
    for (int i = 0; everything && i < ROUNDS_PER_LOOK; i++) {
      descend(depth, ask_kernel);
      descend(depth, ask_clock);
    }
  } while (thread_cpu_seconds() < until);
  sink++;
}

KEEP static void *in_thread(void *argument) {
  work(1);
  sink++;
  return argument;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  depth = atol(argv[1]);
  const double turns = atof(argv[2]) / TURN_SECONDS;
  const int everything = strcmp(argv[3], "everything") == 0;
  zero_fd = open("/dev/zero", O_RDONLY);
  for (int turn = 0; turn < turns; turn++) {
    pthread_t thread;
    if (!everything || turn % 2 == 0) {
      work(everything);
    } else if (pthread_create(&thread, NULL, in_thread, NULL) != 0 ||
               pthread_join(thread, NULL) != 0) {
      return 1;
    }
  }
  return 0;
}
