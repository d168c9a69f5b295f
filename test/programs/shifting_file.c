// Maps a copy of itself as code and changes the copy for as long as it runs: cuts it, lets it grow
// again, writes other bytes into it. Works for a hundredth of the time.
//
//   shifting_file FILE SECONDS
//
// Prints a line when it has begun.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char contents[1 << 20];

static unsigned long work(unsigned long value) {
  for (long i = 0; i < 100000; i++) value = value * 31 + i;
  return value;
}

int main(int argc, char **argv) {
  const double seconds = argc > 2 ? atof(argv[2]) : 1;
  const int self = open("/proc/self/exe", O_RDONLY);
  const ssize_t size = read(self, contents, sizeof contents);
  const int copy = open(argc > 1 ? argv[1] : "/tmp/shifting_file.copy", O_RDWR | O_CREAT, 0755);
  if (size <= 0 || copy < 0 || write(copy, contents, size) != size) return 1;
  void *mapped = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, copy, 0);
  if (mapped == MAP_FAILED) return 1;
  printf("%zd\n", size);
  fflush(stdout);

  volatile unsigned long sink = 1;
  for (long round = 0; round < seconds * 100; round++) {
    sink = work(sink);
    const off_t at = random() % size;
    contents[at] ^= 1 << (random() % 8);
    if (pwrite(copy, contents, size, 0) != size) return 1;
    if (round % 2 == 0 && ftruncate(copy, at) != 0) return 1;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
}
