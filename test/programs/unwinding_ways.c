// Keeps a CPU busy in one known call chain, whose frames are hard to unwind in one way each.
//
//   unwinding_ways WAY [SECONDS [FILE [OTHER_FILE]]]
//
// The ways are at the end. It ends itself after SECONDS, 60 when not given. FILE and OTHER_FILE are
// unwinding_library.c as a shared library, for the ways "late" and "reload", or for "exec" the
// program that takes this one's place. These three wait for SIGUSR1 before they go on.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone, noipa))

// A slice is some 100 µs, so that frames are made and left often.
#define SLICE_ROUNDS 100000
#define OWN_STACK_BYTES (256 * 1024)

static volatile unsigned long sink;
static char *file_path, *other_file_path;

KEEP static unsigned long spin(void) {
  unsigned long value = 1;
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    value = value * 31 + i;
    __asm__ volatile("" : "+r"(value));
  }
  return value;
}

// The additions after the calls keep them from becoming jumps.
KEEP static unsigned long descend(long depth) {
  volatile char bytes[24];
  bytes[depth % 24] = 1;
  return (depth > 1 ? descend(depth - 1) : spin()) + bytes[0];
}

static void recursion_40(void) {
  for (;;) sink += descend(40);
}

static void recursion_400(void) {
  for (;;) sink += descend(400);
}

static void recursion_1000(void) {
  for (;;) sink += descend(1000);
}

// Moves its stack pointer by pushes and by a subtraction, and keeps no frame pointer.
#define PUSHING_LEAF(name, CFI)                                                  \
  __asm__(                                                                       \
      ".text\n .p2align 4\n .type " #name ",@function\n" #name ":\n"             \
      CFI(".cfi_startproc\n")                                                    \
      " mov $20000, %ecx\n"                                                      \
      "1: push %rbx\n" CFI(".cfi_adjust_cfa_offset 8\n .cfi_offset rbx, -16\n")  \
      " push %rbp\n" CFI(".cfi_adjust_cfa_offset 8\n .cfi_offset rbp, -24\n")    \
      " imul $31, %rcx, %rbp\n"                                                  \
      " push %r12\n" CFI(".cfi_adjust_cfa_offset 8\n .cfi_offset r12, -32\n")    \
      " imul $31, %rbp, %rbx\n"                                                  \
      " sub $4000, %rsp\n" CFI(".cfi_adjust_cfa_offset 4000\n")                  \
      " imul $31, %rbx, %r12\n imul $31, %r12, %rbx\n"                           \
      " mov %rbx, 16(%rsp)\n"                                                    \
      " add $4000, %rsp\n" CFI(".cfi_adjust_cfa_offset -4000\n")                 \
      " imul $31, %rbx, %r12\n"                                                  \
      " pop %r12\n" CFI(".cfi_adjust_cfa_offset -8\n .cfi_restore r12\n")        \
      " imul $31, %rbx, %rbp\n"                                                  \
      " pop %rbp\n" CFI(".cfi_adjust_cfa_offset -8\n .cfi_restore rbp\n")        \
      " pop %rbx\n" CFI(".cfi_adjust_cfa_offset -8\n .cfi_restore rbx\n")        \
      " dec %ecx\n jne 1b\n mov $1, %eax\n ret\n"                                \
      CFI(".cfi_endproc\n")                                                      \
      " .size " #name ",.-" #name "\n");                                         \
  unsigned long name(void)
#define WITH_CFI(text) text
#define WITHOUT_CFI(text)

#if defined(__x86_64__)
PUSHING_LEAF(pushing_leaf, WITH_CFI);
PUSHING_LEAF(bare_pushing_leaf, WITHOUT_CFI);
#else
KEEP static unsigned long pushing_leaf(void) { return spin(); }
KEEP static unsigned long bare_pushing_leaf(void) { return spin(); }
#endif

KEEP static unsigned long calls_pushing(void) {
  return pushing_leaf() + 1;
}

KEEP static unsigned long calls_bare_pushing(void) {
  return bare_pushing_leaf() + 1;
}

static void pushes(void) {
  for (;;) sink += calls_pushing();
}

static void bare_pushes(void) {
  for (;;) sink += calls_bare_pushing();
}

// Eight arguments: some are on the stack, which the frame realigns.
KEEP static unsigned long aligned(long a, long b, long c, long d, long e, long f, long g, long h) {
  __attribute__((aligned(64))) volatile long words[16] = {a, b, c, d, e, f, g, h};
  if (a < 3) return aligned(a + 1, b, c, d, e, f, g, h) + words[7];
  return spin() + words[a];
}

static void over_aligned(void) {
  for (;;) sink += aligned(1, 2, 3, 4, 5, 6, 7, 8);
}

KEEP static unsigned long dynamic(long count) {
  volatile char *bytes = __builtin_alloca(count);
  bytes[count - 1] = 1;
  return (count > 100 ? dynamic(count / 2) : spin()) + bytes[count - 1];
}

static void alloca_frames(void) {
  for (;;) sink += dynamic(1000);
}

// Its end is farther away than 16 bits say in words.
KEEP static unsigned long large(void) {
  volatile char bytes[1000000];
  bytes[0] = 1;
  return spin() + bytes[0];
}

static void large_frame(void) {
  for (;;) sink += large();
}

// A frame that is realigned and of a size known only when it runs.
KEEP static unsigned long aligned_dynamic(long count) {
  __attribute__((aligned(128))) volatile long words[16] = {count};
  volatile char *bytes = __builtin_alloca(count);
  bytes[count - 1] = 1;
  return (count > 100 ? aligned_dynamic(count / 2) : spin()) + words[0] + bytes[count - 1];
}

static void aligned_alloca(void) {
  for (;;) sink += aligned_dynamic(1000);
}

// Defined in the shared library, called through the procedure linkage table.
extern unsigned long tiny(unsigned long value) __attribute__((weak));
extern unsigned long tiny_of_nine(long, long, long, long, long, long, long, long, unsigned long)
    __attribute__((weak));

KEEP static unsigned long calls_through_plt(void) {
  unsigned long value = 1;
  for (int i = 0; i < SLICE_ROUNDS; i++) {
    value += tiny(value);
    value += tiny_of_nine(1, 2, 3, 4, 5, 6, 7, 8, value);
  }
  return value;
}

static void plt(void) {
  for (;;) sink += calls_through_plt();
}

KEEP static unsigned long compare_work(void) {
  return spin() + 1;
}

static int compare(const void *a, const void *b) {
  sink += compare_work();
  return *(const int *)a - *(const int *)b;
}

KEEP static void sorts(void) {
  int numbers[8] = {4, 3, 2, 1, 8, 7, 6, 5};
  qsort(numbers, 8, sizeof *numbers, compare);
  sink += numbers[0];
}

static void sort(void) {
  for (;;) sorts();
}

KEEP static unsigned long handler_work(void) {
  unsigned long sum = 0;
  for (int i = 0; i < 20; i++) sum += spin();
  return sum;
}

static void on_signal(int number) {
  sink += handler_work() + number;
}

KEEP static unsigned long interrupted(void) {
  return spin() + 1;
}

// Half of the time is the handler's.
static void with_signals(int flags, unsigned long (*work)(void)) {
  const struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags | SA_RESTART};
  sigaction(SIGPROF, &action, NULL);
  const struct timeval interval = {0, 8000};
  const struct itimerval timer = {interval, interval};
  setitimer(ITIMER_PROF, &timer, NULL);
  for (;;) sink += work();
}

static void signal_handler(void) {
  with_signals(0, interrupted);
}

// The frame that is interrupted has a part of its registers on the stack, or all of them.
static void signal_in_pushes(void) {
  with_signals(0, calls_pushing);
}

static void signal_on_other_stack(void) {
  static char other[65536];
  const stack_t stack = {.ss_sp = other, .ss_size = sizeof other};
  sigaltstack(&stack, NULL);
  with_signals(SA_ONSTACK, interrupted);
}

KEEP static unsigned long child_work(void) {
  unsigned long sum = 0;
  for (int i = 0; i < 8000; i++) sum += spin();
  return sum;
}

KEEP static unsigned long parent_work(void) {
  unsigned long sum = 0;
  for (int i = 0; i < 8000; i++) sum += spin();
  return sum;
}

// The child works on its parent's stack, in its parent's memory.
KEEP static void vforks(void) {
  const pid_t child = vfork();
  if (child == 0) {
    sink += child_work();
    _exit(0);
  }
  sink += parent_work();
  waitpid(child, NULL, 0);
}

static void vfork_children(void) {
  for (;;) vforks();
}

KEEP static unsigned long asks_clock(void) {
  struct timespec now = {0};
  for (int i = 0; i < SLICE_ROUNDS; i++) clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_nsec;
}

static void vdso(void) {
  for (;;) sink += asks_clock();
}

KEEP static unsigned long reads_zeros(int zero) {
  static char bytes[65536];
  return read(zero, bytes, sizeof bytes) + bytes[0];
}

// In the kernel nearly all of the time: the registers are those that it entered with.
static void system_calls(void) {
  FILE *zero = fopen("/dev/zero", "r");
  for (;;) sink += reads_zeros(fileno(zero));
}

KEEP static unsigned long thread_work(void) {
  return descend(3) + 1;
}

static void *in_thread(void *argument) {
  for (;;) sink += thread_work();
  return argument;
}

static void thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, NULL);
  pthread_join(thread, NULL);
}

static int in_clone(void *argument) {
  for (;;) sink += thread_work();
  return argument != NULL;
}

static char *own_stack_top(void) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
  char *stack = mmap(NULL, OWN_STACK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  return stack + OWN_STACK_BYTES;
}

#define THREAD_FLAGS \
  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static void cloned_thread(void) {
  clone(in_clone, own_stack_top(), THREAD_FLAGS, NULL);
  for (;;) pause();
}

// musl has no contexts.
#ifdef __GLIBC__
static ucontext_t main_context, coroutine_context;

static void in_coroutine(void) {
  for (;;) {
    sink += thread_work();
    swapcontext(&coroutine_context, &main_context);
  }
}

// A stack of its own on a thread that has another.
static void coroutine(void) {
  getcontext(&coroutine_context);
  coroutine_context.uc_stack.ss_sp = own_stack_top() - OWN_STACK_BYTES;
  coroutine_context.uc_stack.ss_size = OWN_STACK_BYTES;
  makecontext(&coroutine_context, in_coroutine, 0);
  for (;;) {
    sink += descend(3);
    swapcontext(&main_context, &coroutine_context);
  }
}
#else
static void coroutine(void) {
  for (;;) sink += thread_work();
}
#endif

static volatile sig_atomic_t is_told;

static void on_told(int number) {
  is_told = number;
}

KEEP static void until_told(void) {
  while (!is_told) sink += descend(3);
}

KEEP static void work_in(void *library, long slices) {
  unsigned long (*late_outer)(void) = (unsigned long (*)(void))dlsym(library, "late_outer");
  for (long i = 0; i < slices; i++) sink += late_outer();
}

static void late(void) {
  until_told();
  work_in(dlopen(file_path, RTLD_NOW), __LONG_MAX__);
}

// The second library is where the first one was.
static void reload(void) {
  void *library = dlopen(file_path, RTLD_NOW);
  while (!is_told) work_in(library, 1);
  dlclose(library);
  work_in(dlopen(other_file_path, RTLD_NOW), __LONG_MAX__);
}

static void exec(void) {
  until_told();
  execl(file_path, file_path, "sort", NULL);
}

static const struct {
  const char *name;
  void (*run)(void);
} ways[] = {
    {"recursion_40", recursion_40},
    {"recursion_400", recursion_400},
    {"recursion_1000", recursion_1000},
    {"pushes", pushes},
    {"bare_pushes", bare_pushes},
    {"over_aligned", over_aligned},
    {"alloca", alloca_frames},
    {"large_frame", large_frame},
    {"aligned_alloca", aligned_alloca},
    {"plt", plt},
    {"sort", sort},
    {"signal_handler", signal_handler},
    {"signal_in_pushes", signal_in_pushes},
    {"signal_on_other_stack", signal_on_other_stack},
    {"vfork", vfork_children},
    {"vdso", vdso},
    {"system_calls", system_calls},
    {"thread", thread},
    {"cloned_thread", cloned_thread},
    {"coroutine", coroutine},
    {"late", late},
    {"reload", reload},
    {"exec", exec},
};

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  alarm(argc > 2 ? atoi(argv[2]) : 60);
  signal(SIGUSR1, on_told);
  file_path = argc > 3 ? argv[3] : NULL;
  other_file_path = argc > 4 ? argv[4] : NULL;
  for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
    if (strcmp(argv[1], ways[way].name) == 0) ways[way].run();
  }
  return 2;
}
