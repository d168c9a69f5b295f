// A known chain of calls for a given CPU time: main, DEPTH × descend, then a leaf that computes,
// or that the kernel and the vdso work for; and the same in a thread of its own.
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

static volatile unsigned long sink;
static int zero_fd;
static long depth;
static double seconds;

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
  const double until = thread_cpu_seconds() + seconds;
  do {
    for (int i = 0; i < ROUNDS_PER_LOOK; i++) descend(depth, compute);
    for (int i = 0; everything && i < ROUNDS_PER_LOOK; i++) {
      descend(depth, ask_kernel);
      descend(depth, ask_clock);
    }
  } while (thread_cpu_seconds() < until);
}

KEEP static void *in_thread(void *argument) {
  work(1);
  sink++;
  return argument;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  depth = atol(argv[1]);
  seconds = atof(argv[2]);
  const int everything = strcmp(argv[3], "everything") == 0;
  zero_fd = open("/dev/zero", O_RDONLY);
  pthread_t thread;
  if (everything && pthread_create(&thread, NULL, in_thread, NULL) != 0) return 1;
  work(everything);
  if (everything) pthread_join(thread, NULL);
  return 0;
}
