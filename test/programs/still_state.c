// Stands still with registers and memory that another program has chosen: x86-64 only.
//
//   still_state IMAGE
//
// The file IMAGE is mapped at MEMORY, shared: what is written into it later shows there. It begins
// with 16 words for the registers, by their DWARF numbers. Then the program runs in a loop of one
// instruction at LEAF, in a range of no-operations that begins at CODE.

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MEMORY 0x10000000
#define CODE 0x20000000
#define CODE_BYTES 0x40000
#define LEAF (CODE + 0x100)

__attribute__((used)) static const unsigned long leaf = LEAF;

static int is_mapped(const char *image) {
  struct stat status;
  const int fd = open(image, O_RDWR);
  if (fd < 0 || fstat(fd, &status) != 0) return 0;
  const int flags = MAP_FIXED | MAP_POPULATE;
  void *memory = mmap((void *)MEMORY, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | flags,
                      fd, 0);
  unsigned char *code = mmap((void *)CODE, CODE_BYTES, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (memory == MAP_FAILED || code == MAP_FAILED) return 0;
  memset(code, 0x90, CODE_BYTES);
  memcpy((void *)LEAF, "\xeb\xfe", 2);
  return mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC) == 0;
}

int main(int argc, char **argv) {
  if (argc != 2 || !is_mapped(argv[1])) {
    perror("still_state");
    return 1;
  }
  __asm__ volatile(
      "mov %0, %%r15\n"
      "mov 0x00(%%r15), %%rax\n"
      "mov 0x08(%%r15), %%rdx\n"
      "mov 0x10(%%r15), %%rcx\n"
      "mov 0x18(%%r15), %%rbx\n"
      "mov 0x20(%%r15), %%rsi\n"
      "mov 0x28(%%r15), %%rdi\n"
      "mov 0x30(%%r15), %%rbp\n"
      "mov 0x38(%%r15), %%rsp\n"
      "mov 0x40(%%r15), %%r8\n"
      "mov 0x48(%%r15), %%r9\n"
      "mov 0x50(%%r15), %%r10\n"
      "mov 0x58(%%r15), %%r11\n"
      "mov 0x60(%%r15), %%r12\n"
      "mov 0x68(%%r15), %%r13\n"
      "mov 0x70(%%r15), %%r14\n"
      "mov 0x78(%%r15), %%r15\n"
      "jmp *leaf(%%rip)\n"
      :
      : "i"(MEMORY)
      : "memory");
  __builtin_unreachable();
}
