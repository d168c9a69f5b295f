// C parts of the consensus program: static functions, cold parts, tables of functions, aliases.

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step {
  const char *name;
  uint64_t (*run)(uint64_t);
};

static inline uint64_t rotate(uint64_t value, unsigned by) {
  return value << by | value >> (64 - by);
}

static inline __attribute__((always_inline)) uint64_t spread(uint64_t value) {
  value ^= rotate(value, 25);
  value *= 0x9e3779b97f4a7c15u;
  return value ^ rotate(value, 47);
}

static uint64_t step_add(uint64_t value) { return spread(value + 1); }
static uint64_t step_flip(uint64_t value) { return spread(~value); }
static uint64_t step_turn(uint64_t value) { return rotate(spread(value), 9); }

static const struct step steps[] = {
    {"add", step_add},
    {"flip", step_flip},
    {"turn", step_turn},
};

// Large enough that a compiler makes variants of it for some arguments.
static __attribute__((noinline)) uint64_t fold(const char *text, uint64_t seed, int ways) {
  for (const char *at = text; *at != '\0'; at++) {
    switch ((*at ^ ways) & 7) {
      case 0: seed = spread(seed) + (unsigned char)*at; break;
      case 1: seed ^= rotate(seed, 3); break;
      case 2: seed = seed * 31 + (unsigned char)*at; break;
      case 3: seed += spread((unsigned char)*at); break;
      case 4: seed = ~seed; break;
      case 5: seed -= 7; break;
      default: seed = rotate(seed, 17) ^ (unsigned char)*at;
    }
  }
  return seed;
}

static __attribute__((cold, noinline)) void report(const char *text) {
  fprintf(stderr, "not a number: %s\n", text);
}

uint64_t plain_mix(uint64_t seed, const char *text) {
  seed = fold(text, seed, 0);
  for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
    if (strcmp(steps[at].name, text) == 0) seed = steps[at].run(seed);
  }
  return steps[seed % 3].run(seed);
}

uint64_t plain_mix_again(uint64_t, const char *) __attribute__((alias("plain_mix")));

int plain_parse(const char *text, long *value) {
  while (isspace((unsigned char)*text)) text++;
  char *end;
  errno = 0;
  *value = strtol(text, &end, 0);
  if (__builtin_expect(errno != 0 || end == text, 0)) {
    report(text);
    if (getenv("STRICT") != NULL) abort();
    return -1;
  }
  return 0;
}

// Left away by --gc-sections: its debug information then has no place.
uint64_t plain_unused(uint64_t seed) {
  for (int round = 0; round < 9; round++) seed = spread(step_turn(seed) + fold("unused", seed, 1));
  return seed;
}
