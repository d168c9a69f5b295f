/** Bursts end when the clock is past the given seconds; between them the program sleeps. */
const BURST_ROUNDS = 2_000_000;
const SLEEP_NANOS = 50_000_000;

/** Distance from the code's start to the function in which the program spends its time. */
export const BURST_AT = 0x60;
/** Distance to the first byte behind the code. */
export const CODE_BYTES = 0xe0;

/**
 * Static machine code of x86-64 that works for a hundredth of the time until `seconds` have
 * passed, and then exits with 0. Its frame pointer leads to a frame that leads to itself, with a
 * return address that is code.
 */
export function spinningCode(seconds: number): Uint8Array {
  const code = new Uint8Array(CODE_BYTES).fill(0xcc);
  const start = [
    [0x48, 0x83, 0xec, 0x28], // sub rsp, 40
    ...clockToStack,
    [0x4c, 0x8b, 0x24, 0x24], // mov r12, [rsp]
    [0x49, 0x81, 0xc4, ...imm32(seconds)], // add r12, seconds
    [0x48, 0x8d, 0x6c, 0x24, 0x10], // lea rbp, [rsp + 16]
    [0x48, 0x89, 0x6d, 0x00], // mov [rbp], rbp
    [0x48, 0x8d, 0x05, ...imm32(0)], // lea rax, [rip]
    [0x48, 0x89, 0x45, 0x08], // mov [rbp + 8], rax
  ].flat();
  const call = [0xe8, ...imm32(BURST_AT - start.length - 5)];
  code.set([...start, ...call]);
  const burst = [
    [0xb9, ...imm32(BURST_ROUNDS)], // mov ecx, rounds
    [0xff, 0xc9, 0x75, 0xfc], // dec ecx; jnz
    [0x48, 0xc7, 0x44, 0x24, 0x10, ...imm32(0)], // mov qword [rsp + 16], 0
    [0x48, 0xc7, 0x44, 0x24, 0x18, ...imm32(SLEEP_NANOS)], // mov qword [rsp + 24], ns
    [0x48, 0x8d, 0x7c, 0x24, 0x10], // lea rdi, [rsp + 16]
    [0x31, 0xf6], // xor esi, esi
    [0xb8, ...imm32(SYS_nanosleep), 0x0f, 0x05], // syscall
    ...clockToStack,
    [0x4c, 0x39, 0x24, 0x24], // cmp [rsp], r12
  ].flat();
  const again = [0x7c, -(burst.length + 2) & 0xff]; // jl to the burst
  const exit = [0x31, 0xff, 0xb8, ...imm32(SYS_exit), 0x0f, 0x05]; // exit(0)
  code.set([0x48, 0x83, 0xec, 0x28, ...burst, ...again, ...exit], BURST_AT);
  return code;
}

const SYS_nanosleep = 35;
const SYS_exit = 60;
const SYS_clock_gettime = 228;

/** clock_gettime(CLOCK_MONOTONIC, rsp). */
const clockToStack: readonly number[][] = [
  [0xbf, ...imm32(1)], // mov edi, 1
  [0x48, 0x89, 0xe6], // mov rsi, rsp
  [0xb8, ...imm32(SYS_clock_gettime), 0x0f, 0x05], // syscall
];

function imm32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}
