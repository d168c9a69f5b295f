// Copies its own stack at a known place, for a reader that unwinds the copy.
//
//   stack_copy recursion | sort | signal | fault | other_stack | thread | aligned | dynamic | large
//
// Output: pc, sp, fp as 64-bit words; for each stack its start, its byte count and its bytes,
// ended by a start of 0; then the text of /proc/self/maps.

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noipa))

static volatile unsigned long sink;

static void put(const void *bytes, size_t count) {
  for (const char *at = bytes; count > 0;) {
    const ssize_t written = write(STDOUT_FILENO, at, count);
    if (written <= 0) _exit(1);
    at += written;
    count -= written;
  }
}

// The mappings of the stack that is used now and of the main thread's.
static void put_stacks(uint64_t sp) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  unsigned long start, end;
  while (fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
    const int is_used = sp >= start && sp < end;
    if (!is_used && !strstr(line, "[stack]")) continue;
    const uint64_t from = is_used ? sp : start;
    const uint64_t words[2] = {from, end - from};
    put(words, sizeof words);
    put((const void *)from, words[1]);
  }
  fclose(maps);
}

static void put_maps(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (fgets(line, sizeof line, maps)) put(line, strlen(line));
  fclose(maps);
}

KEEP static void capture(void) {
  uint64_t registers[3];
#if defined(__x86_64__)
  __asm__ volatile(
      "lea 0(%%rip), %%rax\n mov %%rax, 0(%0)\n mov %%rsp, 8(%0)\n mov %%rbp, 16(%0)" ::"r"(
          registers)
      : "rax", "memory");
#else
  __asm__ volatile(
      "adr x9, .\n str x9, [%0]\n mov x9, sp\n str x9, [%0, #8]\n str x29, [%0, #16]" ::"r"(
          registers)
      : "x9", "memory");
#endif
  const uint64_t none = 0;
  put(registers, sizeof registers);
  put_stacks(registers[1]);
  put(&none, sizeof none);
  put_maps();
  _exit(0);
}

// The additions after the calls keep them from becoming jumps.
KEEP static unsigned long descend(long depth) {
  volatile char bytes[24];
  bytes[depth % 24] = 1;
  if (depth == 1) capture();
  return (depth > 1 ? descend(depth - 1) : 1UL) + bytes[0];
}

KEEP static int compare(const void *a, const void *b) {
  sink += descend(2);
  return *(const int *)a - *(const int *)b;
}

KEEP static void sort(void) {
  int numbers[4] = {4, 3, 2, 1};
  qsort(numbers, 4, sizeof *numbers, compare);
  sink += numbers[0];
}

static void on_signal(int number) {
  sink += descend(2) + number;
}

KEEP static void fault(volatile int *place) {
  *place = 1;
  sink++;
}

KEEP static void on_other_stack(void) {
  static char other[65536];
  const stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
  const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
  sigaltstack(&stack, NULL);
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  sink++;
}

static void *in_thread(void *argument) {
  sink += descend(3);
  return argument;
}

KEEP static void with_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, NULL);
  pthread_join(thread, NULL);
}

// Eight arguments: some are on the stack, which the frame realigns.
KEEP static unsigned long aligned(long a, long b, long c, long d, long e, long f, long g, long h) {
  __attribute__((aligned(64))) volatile long words[16] = {a, b, c, d, e, f, g, h};
  if (a < 3) return aligned(a + 1, b, c, d, e, f, g, h) + words[7];
  return descend(2) + words[a];
}

KEEP static unsigned long dynamic(long count) {
  volatile char *bytes = __builtin_alloca(count);
  bytes[count - 1] = 1;
  return (count > 100 ? dynamic(count / 2) : descend(2)) + bytes[count - 1];
}

KEEP static unsigned long large(void) {
  volatile char bytes[1000000];
  bytes[0] = 1;
  return descend(2) + bytes[0];
}

int main(int argc, char **argv) {
  const char *way = argc > 1 ? argv[1] : "recursion";
  signal(SIGUSR1, on_signal);
  signal(SIGSEGV, on_signal);
  if (!strcmp(way, "recursion")) sink += descend(40);
  if (!strcmp(way, "sort")) sort();
  if (!strcmp(way, "signal")) raise(SIGUSR1);
  if (!strcmp(way, "fault")) fault(NULL);
  if (!strcmp(way, "other_stack")) on_other_stack();
  if (!strcmp(way, "thread")) with_thread();
  if (!strcmp(way, "aligned")) sink += aligned(1, 2, 3, 4, 5, 6, 7, 8);
  if (!strcmp(way, "dynamic")) sink += dynamic(1000);
  if (!strcmp(way, "large")) sink += large();
  return 1;
}
