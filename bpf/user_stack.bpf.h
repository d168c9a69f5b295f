/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user part of a stack by its chain of frame pointers, on both architectures:
 *
 *   fp ──▶ +0  the caller's fp
 *          +8  the return address into the caller
 *
 * A function that has not built its frame yet, or has taken it down, is recognised by its
 * instructions, so that its caller is not lost. Reads are of the fault-free kind: a page that
 * is not in memory ends the walk.
 */
#ifndef OBSFORGE_USER_STACK_BPF_H
#define OBSFORGE_USER_STACK_BPF_H

#include "kernel.bpf.h"
#include "sample.bpf.h"

/* Steps back to a lower address: a handler on its own signal stack, a coroutine. More is a loop. */
#define STACK_SWITCHES_MAX 2

/* Below this nothing is ever mapped: the chain ended. */
#define FRAME_ADDRESS_MIN 4096

/*
 * The C library's start code calls main without frame pointers. A chain that breaks so near to
 * the base of the first thread's stack has come to main; 272 bytes on glibc 2.36.
 */
#define START_CODE_BYTES_MAX 512

struct walk {
	u64 ip;
	u64 sp;
	u64 fp;
	/* arm64: the link register of the interrupted function. */
	u64 lr;
	/* The last frame that was read, and the base of the first thread's stack. */
	u64 frame;
	u64 stack_base;
	u32 switches;
	u32 unused;
};

static __always_inline bool is_kernel_address(u64 address)
{
	return (s64)address < 0;
}

#if defined(__TARGET_ARCH_x86)

#define USER32_CS 0x23

static __always_inline u64 code_address(u64 address)
{
	return address;
}

/*
 * Where the return address of the innermost function stands while it has no frame, or 0:
 *   endbr64                     at its first instruction: on top of the stack
 *   push %rbp; mov %rsp,%rbp    nothing done yet: on top of the stack
 *              mov %rsp,%rbp    after the push: one above
 *   ret                         the frame is gone: on top of the stack
 */
static __always_inline u64 frameless_return_slot(const struct walk *walk)
{
	u8 code[8];

	if (bpf_probe_read_user(code, sizeof(code), (void *)(walk->ip - 1)))
		return 0;
	if (code[1] == 0xc3)
		return walk->sp;
	if (code[1] == 0xf3 && code[2] == 0x0f && code[3] == 0x1e && code[4] == 0xfa)
		return walk->sp;
	if (code[1] == 0x55 && code[2] == 0x48 && code[3] == 0x89 && code[4] == 0xe5)
		return walk->sp;
	if (code[0] == 0x55 && code[1] == 0x48 && code[2] == 0x89 && code[3] == 0xe5)
		return walk->sp + 8;
	return 0;
}

/* The caller of a function without a frame; its fp is the register's. 0 when there is a frame. */
static __always_inline u64 frameless_caller(const struct walk *walk)
{
	u64 slot = frameless_return_slot(walk), caller = 0;

	if (slot && bpf_probe_read_user(&caller, sizeof(caller), (void *)slot))
		return 0;
	return caller;
}

#else

#define PSR_MODE32_BIT 0x10

/* Return addresses may be signed: the signature fills the bits above the address. */
static __always_inline u64 code_address(u64 address)
{
	return address & 0x0000ffffffffffffULL;
}

/*
 *   paciasp; stp x29, x30, [sp, #-n]!    nothing done yet: in the link register
 *   ret                                  the frame is gone: in the link register
 */
static __always_inline u64 frameless_caller(const struct walk *walk)
{
	u32 code;

	if (bpf_probe_read_user(&code, sizeof(code), (void *)walk->ip))
		return 0;
	if (code == 0xd503233f || code == 0xd65f03c0 || (code & 0xffc07fff) == 0xa9807bfd)
		return code_address(walk->lr);
	return 0;
}

#endif

/*
 * One step outwards: `walk` goes from a frame to its caller. Returns STEP_MORE, or the
 * enum sample_result with which the stack ends.
 */
__noinline int walk_step(struct walk *walk)
{
	u64 frame[2];
	u64 fp;

	if (!walk)
		return RESULT_NO_REGISTERS;
	fp = walk->fp;
	if (fp == 0)
		return RESULT_COMPLETE;
	if (fp < FRAME_ADDRESS_MIN || (fp & 7) || is_kernel_address(fp))
		return walk->stack_base - walk->frame <= START_CODE_BYTES_MAX ?
			       RESULT_COMPLETE :
			       RESULT_NOT_A_FRAME;
	if (bpf_probe_read_user(frame, sizeof(frame), (void *)fp))
		return RESULT_UNREADABLE;
	frame[1] = code_address(frame[1]);
	if (frame[1] == 0)
		return RESULT_COMPLETE;
	if (frame[1] < FRAME_ADDRESS_MIN || is_kernel_address(frame[1]))
		return RESULT_NOT_A_FRAME;
	if (frame[0] && frame[0] <= fp && walk->switches++ >= STACK_SWITCHES_MAX)
		return RESULT_NOT_A_FRAME;
	walk->frame = fp;
	walk->fp = frame[0];
	walk->ip = frame[1];
	return STEP_MORE;
}

#endif
