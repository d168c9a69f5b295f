/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A walk along the user part of a stack: its state, and the step by frame pointers, on both
 * architectures:
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
#include "unwind_table.bpf.h"

/* Steps back to a lower address: a handler on its own signal stack, a coroutine. More is a loop. */
#define STACK_SWITCHES_MAX 2

/* Below this nothing is ever mapped: the chain ended. */
#define FRAME_ADDRESS_MIN 4096

/* A power of two, so that a number can be bounded by a mask. By their DWARF numbers. */
#if defined(__TARGET_ARCH_x86)
#define REGISTERS 16
#define REGISTER_FP 6
#define REGISTER_SP 7
#else
#define REGISTERS 32
#define REGISTER_FP 29
#define REGISTER_LR 30
#define REGISTER_SP 31
#endif

struct walk {
	u64 ip;
	u64 sp;
	u64 fp;
	/* Of the mappings that hold for the process; 0 when none do. */
	u32 owner;
	u32 switches;
	/* All registers are known: in the innermost frame, and in what a signal interrupted. */
	u8 has_registers;
	/* The address is looked up so far back: in the call that it returns from. */
	u8 lookup_back;
	/* enum sample_result of the first step that was a guess; 0 while none was. */
	u8 guess;
	u8 unused[5];
	/* The mapping of the last address that was looked up. */
	struct mapping mapping;
	u64 registers[REGISTERS];
};

static __always_inline bool is_kernel_address(u64 address)
{
	return (s64)address < 0;
}

static __always_inline bool is_code_address(u64 address)
{
	return address >= FRAME_ADDRESS_MIN && !is_kernel_address(address);
}

#if defined(__TARGET_ARCH_x86)

/* Any place in the call instruction before the return address. */
#define CALL_BACK 1

static __always_inline u64 code_address(u64 address)
{
	return address;
}

/*
 * Where the return address of the innermost function stands while it has no frame, or 0:
 *   endbr64                     at its first instruction: on top of the stack
 *   push %rbp; mov %rsp,%rbp    nothing done yet: on top of the stack
 *              mov %rsp,%rbp    after the push: one above
 *   ret; ret n                  the frame is gone: on top of the stack
 */
static __always_inline u64 frameless_return_slot(const struct walk *walk)
{
	u8 code[8];

	if (bpf_probe_read_user(code, sizeof(code), (void *)(walk->ip - 1)))
		return 0;
	if (code[1] == 0xc3 || code[1] == 0xc2)
		return walk->sp;
	if (code[1] == 0xf3 && code[2] == 0x0f && code[3] == 0x1e && code[4] == 0xfa)
		return walk->sp;
	if (code[1] == 0x55 && code[2] == 0x48 && code[3] == 0x89 && code[4] == 0xe5)
		return walk->sp;
	if (code[0] == 0x55 && code[1] == 0x48 && code[2] == 0x89 && code[3] == 0xe5)
		return walk->sp + 8;
	return 0;
}

/* Steps out of a function that has no frame; false when it has one. Its fp is the caller's. */
static __always_inline bool frameless_step(struct walk *walk)
{
	u64 slot = frameless_return_slot(walk), caller = 0;

	if (!slot || bpf_probe_read_user(&caller, sizeof(caller), (void *)slot))
		return false;
	if (!is_code_address(caller))
		return false;
	walk->ip = caller;
	walk->sp = slot + 8;
	return true;
}

#else

#define CALL_BACK 4

/* Return addresses may be signed: the signature fills the bits above the address. */
static __always_inline u64 code_address(u64 address)
{
	return address & 0x0000ffffffffffffULL;
}

/*
 *   paciasp; stp x29, x30, [sp, #-n]!    nothing done yet: in the link register
 *   ret                                  the frame is gone: in the link register
 */
static __always_inline bool frameless_step(struct walk *walk)
{
	u64 caller = code_address(walk->registers[REGISTER_LR]);
	u32 code;

	if (bpf_probe_read_user(&code, sizeof(code), (void *)walk->ip))
		return false;
	if (code != 0xd503233f && code != 0xd65f03c0 && (code & 0xffc07fff) != 0xa9807bfd)
		return false;
	if (!is_code_address(caller))
		return false;
	walk->ip = caller;
	return true;
}

#endif

/* The walk is now in a function that called another one. */
static __always_inline void entered_caller(struct walk *walk)
{
	walk->has_registers = 0;
	walk->lookup_back = CALL_BACK;
}

/*
 * One step outwards by the frame pointer. Returns STEP_MORE, or the enum sample_result with which
 * the stack ends.
 */
static __always_inline int frame_pointer_step(struct walk *walk)
{
	u64 frame[2];
	u64 fp = walk->fp;

	if (walk->has_registers && frameless_step(walk)) {
		entered_caller(walk);
		return STEP_MORE;
	}
	if (fp == 0)
		return RESULT_COMPLETE;
	if (fp < FRAME_ADDRESS_MIN || (fp & 7) || is_kernel_address(fp))
		return RESULT_NOT_A_FRAME;
	if (bpf_probe_read_user(frame, sizeof(frame), (void *)fp))
		return RESULT_UNREADABLE;
	frame[1] = code_address(frame[1]);
	if (frame[1] == 0)
		return RESULT_COMPLETE;
	if (!is_code_address(frame[1]))
		return RESULT_NOT_A_FRAME;
	if (frame[0] && frame[0] <= fp && walk->switches++ >= STACK_SWITCHES_MAX)
		return RESULT_NOT_A_FRAME;
	walk->fp = frame[0];
	walk->sp = fp + sizeof(frame);
	walk->ip = frame[1];
	entered_caller(walk);
	return STEP_MORE;
}

#endif
