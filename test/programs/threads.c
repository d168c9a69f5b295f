// COUNT threads named worker-N, each of which spends CPU_SECONDS of CPU time. Link with -pthread.
//
//   threads COUNT CPU_SECONDS
//
// Prints the thread id, the name and the CPU time of each.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 256 };

struct worker {
  pthread_t thread;
  int number;
  long tid;
  double seconds;
  double spent;
};

static struct worker workers[THREADS_MAX];
static volatile unsigned long sink;

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) static void spin(double until) {
  unsigned long value = 1;
  while (thread_cpu_seconds() < until)
    for (int i = 0; i < 50000; i++) value = value * 31 + i;
  sink = value;
}

static void *work(void *argument) {
  struct worker *self = argument;
  char name[16];
  snprintf(name, sizeof name, "worker-%d", self->number);
  pthread_setname_np(pthread_self(), name);
  self->tid = syscall(SYS_gettid);
  spin(self->seconds);
  self->spent = thread_cpu_seconds();
  return NULL;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 2;
  const double seconds = argc > 2 ? atof(argv[2]) : 1;
  if (count > THREADS_MAX) count = THREADS_MAX;
  for (int i = 0; i < count; i++) {
    workers[i].number = i;
    workers[i].seconds = seconds;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 1;
  }
  printf("{\"pid\":%d,\"threads\":[", getpid());
  for (int i = 0; i < count; i++) {
    pthread_join(workers[i].thread, NULL);
    printf("%s{\"tid\":%ld,\"name\":\"worker-%d\",\"cpuNanos\":%.0f}", i > 0 ? "," : "",
           workers[i].tid, i, workers[i].spent * 1e9);
  }
  printf("]}\n");
  return 0;
}
