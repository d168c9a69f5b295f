// Maps its own code again and again, in ranges that cost an agent much to note, and works for a
// hundredth of the time.
//
//   many_mappings COUNT SECONDS
//
// Prints how many ranges there are once they are.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096ul
// From an odd page on, of an odd number of pages: 16 prefixes of the address.
#define PAGES 511ul
#define STEP (1024 * PAGE)
#define FIRST 0x100000001000ul

static volatile unsigned long sink;

int main(int argc, char **argv) {
  const long count = argc > 1 ? atol(argv[1]) : 1000;
  const double seconds = argc > 2 ? atof(argv[2]) : 1;
  const int file = open("/proc/self/exe", O_RDONLY);
  long mapped = 0;
  for (long i = 0; i < count; i++) {
    void *at = (void *)(FIRST + (unsigned long)i * STEP);
    const int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
    if (mmap(at, PAGES * PAGE, PROT_READ | PROT_EXEC, flags, file, 0) == at) mapped++;
  }
  printf("%ld\n", mapped);
  fflush(stdout);
  for (long round = 0; round < seconds * 20; round++) {
    for (long i = 0; i < 500000; i++) sink = sink * 31 + i;
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
}
