// Keeps a CPU busy in a comparison that the C library's qsort calls.
//
//   deep_sort DEPTH [SECONDS]
//
//   main → DEPTH × descend → qsort → the library's own recursion → compare → spin
//
// It ends itself after SECONDS, 60 when not given.

#include <stdlib.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone, noipa))

// Sorted by halves, these are seven calls deep.
#define NUMBERS 128
// A slice is some 10 µs, so that a sort has many of them at all of its depths.
#define SLICE_ROUNDS 10000

static volatile unsigned long sink;
static int numbers[NUMBERS];

KEEP static unsigned long spin(void) {
  unsigned long value = 1;
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    value = value * 31 + i;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}

KEEP static int compare(const void *a, const void *b) {
  sink += spin();
  return *(const int *)a - *(const int *)b;
}

KEEP static void sort(void) {
  for (int i = 0; i < NUMBERS; i++) numbers[i] = i * 37 % NUMBERS;
  qsort(numbers, NUMBERS, sizeof *numbers, compare);
  sink += numbers[0];
}

// The additions after the calls keep them from becoming jumps.
KEEP static unsigned long descend(long depth) {
  if (depth > 1) return descend(depth - 1) + 1;
  sort();
  return sink + 1;
}

int main(int argc, char **argv) {
  const long depth = argc > 1 ? atol(argv[1]) : 10;
  alarm(argc > 2 ? atoi(argv[2]) : 60);
  for (;;) sink += descend(depth);
}
