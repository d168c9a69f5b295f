// Needs no library and no headers, so that it is compiled for machines that are not this one:
// 32 bits, and the other byte order.

typedef unsigned long long u64;

struct cell {
  u64 value;
  const struct cell *next;
};

static volatile u64 sink;
static struct cell cells[64];

static inline u64 rotate(u64 value, unsigned by) { return value << by | value >> (64 - by); }

static inline u64 spread(u64 value) {
  value ^= rotate(value, 25);
  value *= 0x9e3779b97f4a7c15u;
  return value ^ rotate(value, 47);
}

static __attribute__((noinline)) u64 fold(const char *text, u64 seed) {
  for (const char *at = text; *at != '\0'; at++) {
    switch (*at & 7) {
      case 0: seed = spread(seed) + (unsigned char)*at; break;
      case 1: seed ^= rotate(seed, 3); break;
      case 2: seed = seed * 31 + (unsigned char)*at; break;
      case 3: seed += spread((unsigned char)*at); break;
      case 4: seed = ~seed; break;
      default: seed = rotate(seed, 17) ^ (unsigned char)*at;
    }
  }
  return seed;
}

static __attribute__((noinline)) u64 sum(const struct cell *cell) {
  u64 total = 0;
  for (; cell != 0; cell = cell->next) total += spread(cell->value);
  return total;
}

static __attribute__((noinline)) void sort(u64 *values, int count) {
  for (int end = count - 1; end > 0; end--) {
    for (int at = 0; at < end; at++) {
      if (values[at] <= values[at + 1]) continue;
      u64 value = values[at];
      values[at] = values[at + 1];
      values[at + 1] = value;
    }
  }
}

static u64 depth(u64 value, int left) {
  if (left == 0) return fold("leaf", value);
  return depth(spread(value), left - 1) ^ depth(value + 1, left / 2);
}

__attribute__((noinline)) u64 work(u64 seed) {
  u64 values[32];
  for (int at = 0; at < 32; at++) values[at] = seed = spread(seed + (u64)at);
  sort(values, 32);
  for (int at = 0; at < 64; at++) {
    cells[at].value = values[at & 31];
    cells[at].next = at == 0 ? 0 : &cells[at - 1];
  }
  return sum(&cells[63]) + depth(seed, 6) + fold("work", seed);
}

void _start(void) {
  for (u64 seed = 1;; seed++) sink = work(seed);
}
