// Spends nearly all of a given CPU time inside the kernel: reads of /dev/zero, 1 MiB each.
//
//   dev_zero CPU_SECONDS
//
// Prints its CPU time in all and the part that the kernel charged as system time.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

static double thread_cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) static long read_zeros(int fd, double until) {
  long bytes = 0;
  while (thread_cpu_seconds() < until) bytes += read(fd, buffer, sizeof buffer);
  return bytes;
}

int main(int argc, char **argv) {
  const double seconds = argc > 1 ? atof(argv[1]) : 1;
  const int fd = open("/dev/zero", O_RDONLY);
  if (fd < 0) {
    perror("/dev/zero");
    return 1;
  }
  const long bytes = read_zeros(fd, seconds);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"pid\":%d,\"cpuNanos\":%.0f,\"systemNanos\":%.0f,\"bytes\":%ld}\n", getpid(),
         thread_cpu_seconds() * 1e9,
         usage.ru_stime.tv_sec * 1e9 + usage.ru_stime.tv_usec * 1e3, bytes);
  return 0;
}
