// The shared library of unwinding_ways.c.

#define KEEP __attribute__((noinline, noclone, noipa))
#define SLICE_ROUNDS 100000

unsigned long tiny(unsigned long value) {
  return value + 1;
}

unsigned long tiny_of_nine(long a, long b, long c, long d, long e, long f, long g, long h,
                           unsigned long value) {
  return value + a + b + c + d + e + f + g + h;
}

KEEP unsigned long late_leaf(void) {
  unsigned long value = 1;
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    value = value * 31 + i;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}

// The additions after the calls keep them from becoming jumps.
KEEP unsigned long late_inner(long depth) {
  return (depth > 1 ? late_inner(depth - 1) : late_leaf()) + 1;
}

unsigned long late_outer(void) {
  return late_inner(5) + 1;
}
