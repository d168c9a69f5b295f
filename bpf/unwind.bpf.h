/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One step outwards on a user stack, by the rule that the unwind table of the file has for the
 * address, or by the frame pointer where it says so and where there is none. The reference is
 * src/symbols/cfi/unwind-step.ts; the bits of a row are drawn in unwind-rows.ts beside it.
 */
#ifndef OBSFORGE_UNWIND_BPF_H
#define OBSFORGE_UNWIND_BPF_H

#include "user_stack.bpf.h"

enum cfa_kind {
	CFA_SPECIAL = 0,
	CFA_REGISTER = 1,
	CFA_DEREF = 2,
	CFA_PLT = 3,
	CFA_RA_REGISTER = 4,
	CFA_INDEXED = 5,
	CFA_FAR = 6,
	CFA_LEAF = 7,
};

enum special_rule {
	SPECIAL_CANNOT = 0,
	SPECIAL_END = 1,
	SPECIAL_FRAME_POINTER = 2,
	SPECIAL_SIGNAL = 3,
	SPECIAL_GAP = 4,
};

#define KIND_BITS 3
#define KIND_MASK 7
#define WORD 8

/* A row without its address. */
struct rule {
	u8 cfa_kind;
	u8 cfa_register;
	u8 fp_kind;
	u8 fp_extra;
	s16 cfa_words;
	s16 fp_words;
};

static __always_inline struct rule rule_of(u64 row)
{
	return (struct rule){
		.cfa_kind = (row >> 16) & KIND_MASK,
		.cfa_register = (row >> (16 + KIND_BITS)) & 31,
		.fp_kind = (row >> 24) & KIND_MASK,
		.fp_extra = (row >> (24 + KIND_BITS)) & 31,
		.cfa_words = (s16)(row >> 32),
		.fp_words = (s16)(row >> 48),
	};
}

static __always_inline bool read_word(u64 address, u64 *word)
{
	return bpf_probe_read_user(word, sizeof(*word), (void *)address) == 0;
}

/* The compiler must not see where the mask does nothing, because the verifier does not. */
static __always_inline u64 register_at(const struct walk *walk, u32 number)
{
	asm volatile("" : "+r"(number));
	return walk->registers[number & (REGISTERS - 1)];
}

/* False when the register is not known in this frame. */
static __always_inline bool get_register(const struct walk *walk, u8 number, u64 *value)
{
	if (number == REGISTER_SP)
		*value = walk->sp;
	else if (number == REGISTER_FP)
		*value = walk->fp;
	else if (walk->has_registers && number < REGISTERS)
		*value = register_at(walk, number);
	else
		return false;
	return true;
}

/* The caller's stack pointer. Returns STEP_MORE or how the stack ends. */
static __always_inline int find_cfa(const struct walk *walk, const struct rule *rule, u64 *cfa)
{
	u64 offset = (s64)rule->cfa_words * WORD;
	u64 value;

	if (rule->cfa_kind == CFA_RA_REGISTER) {
		*cfa = walk->sp + offset;
		return STEP_MORE;
	}
	if (rule->cfa_kind == CFA_PLT) {
		*cfa = walk->sp + offset + ((walk->ip & 15) >= rule->cfa_register ? WORD : 0);
		return STEP_MORE;
	}
	if (!get_register(walk, rule->cfa_register, &value))
		return RESULT_NO_REGISTER;
	if (rule->cfa_kind == CFA_FAR) {
		*cfa = value + (((u64)rule->fp_extra << 16) | (u16)rule->cfa_words) * WORD;
		return STEP_MORE;
	}
	if (rule->cfa_kind == CFA_DEREF)
		value += offset;
	else if (rule->cfa_kind == CFA_INDEXED)
		value = walk->sp + offset + value * WORD;
	else {
		*cfa = value + offset;
		return STEP_MORE;
	}
	if (!read_word(value, cfa))
		return RESULT_UNREADABLE;
#if defined(__TARGET_ARCH_x86)
	*cfa += (u64)rule->fp_extra * WORD;
#endif
	return STEP_MORE;
}

#if defined(__TARGET_ARCH_x86)

enum fp_kind {
	FP_SAME = 0,
	FP_AT_CFA = 1,
	FP_AT_FP = 2,
	FP_AT_SP = 3,
	FP_IN_REGISTER = 4,
	FP_UNDEFINED = 5,
};

/* The caller's frame pointer. False when it cannot be read. */
static __always_inline bool find_fp(const struct walk *walk, const struct rule *rule, u64 cfa,
				    u64 *fp)
{
	u64 offset = (s64)rule->fp_words * WORD;

	*fp = 0;
	if (rule->fp_kind == FP_SAME)
		*fp = walk->fp;
	else if (rule->fp_kind == FP_AT_CFA)
		return read_word(cfa + offset, fp);
	else if (rule->fp_kind == FP_AT_FP)
		return read_word(walk->fp + offset, fp);
	else if (rule->fp_kind == FP_AT_SP)
		return read_word(walk->sp + offset, fp);
	else if (rule->fp_kind == FP_IN_REGISTER && walk->has_registers)
		*fp = register_at(walk, rule->fp_extra);
	return true;
}

/* The caller's address and frame pointer. Returns STEP_MORE or how the stack ends. */
static __always_inline int find_caller(const struct walk *walk, const struct rule *rule, u64 cfa,
				       u64 *ip, u64 *fp)
{
	if (rule->cfa_kind == CFA_RA_REGISTER) {
		if (!walk->has_registers)
			return RESULT_NO_REGISTER;
		*ip = register_at(walk, rule->cfa_register);
	} else if (!read_word(cfa - WORD, ip)) {
		return RESULT_UNREADABLE;
	}
	return find_fp(walk, rule, cfa, fp) ? STEP_MORE : RESULT_UNREADABLE;
}

/* struct sigcontext of <asm/sigcontext.h>, up to ip; the frame's rule says where its sp stands. */
struct signal_registers {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 di, si, bp, bx, dx, ax, cx, sp, ip;
};

/* Into what a signal interrupted. */
static __always_inline int signal_step(struct walk *walk, const struct rule *rule)
{
	u64 sp_at = walk->sp + (s64)rule->cfa_words * WORD;
	struct signal_registers regs;

	if (bpf_probe_read_user(&regs, sizeof(regs),
				(void *)(sp_at - __builtin_offsetof(struct signal_registers, sp))))
		return RESULT_UNREADABLE;
	if (!is_code_address(regs.ip))
		return RESULT_BAD_FRAME;
	walk->ip = regs.ip;
	walk->sp = regs.sp;
	walk->fp = regs.bp;
	walk->registers[0] = regs.ax;
	walk->registers[1] = regs.dx;
	walk->registers[2] = regs.cx;
	walk->registers[3] = regs.bx;
	walk->registers[4] = regs.si;
	walk->registers[5] = regs.di;
	walk->registers[8] = regs.r8;
	walk->registers[9] = regs.r9;
	walk->registers[10] = regs.r10;
	walk->registers[11] = regs.r11;
	walk->registers[12] = regs.r12;
	walk->registers[13] = regs.r13;
	walk->registers[14] = regs.r14;
	walk->registers[15] = regs.r15;
	walk->has_registers = 1;
	walk->lookup_back = 0;
	return STEP_MORE;
}

#else

enum ra_kind {
	RA_LR = 0,
	RA_AT_CFA = 1,
	RA_FRAME = 2,
	RA_LR_FP = 3,
};

/* The caller's address and frame pointer. Returns STEP_MORE or how the stack ends. */
static __always_inline int find_caller(const struct walk *walk, const struct rule *rule, u64 cfa,
				       u64 *ip, u64 *fp)
{
	u64 at = cfa + (s64)rule->fp_words * WORD;
	s64 fp_words = rule->fp_extra < 16 ? rule->fp_extra : (s64)rule->fp_extra - 32;

	*fp = walk->fp;
	*ip = 0;
	if (rule->fp_kind == RA_LR || rule->fp_kind == RA_LR_FP) {
		/* A caller's link register was overwritten by the call that it made. */
		if (!walk->has_registers)
			return RESULT_NO_REGISTER;
		*ip = walk->registers[REGISTER_LR];
		if (rule->fp_kind == RA_LR_FP && !read_word(at, fp))
			return RESULT_UNREADABLE;
		return STEP_MORE;
	}
	if (rule->fp_kind != RA_AT_CFA && rule->fp_kind != RA_FRAME)
		return RESULT_NO_RULE;
	if (!read_word(at, ip))
		return RESULT_UNREADABLE;
	if (rule->cfa_kind == CFA_FAR)
		fp_words = -1;
	if (rule->fp_kind == RA_FRAME && !read_word(at + fp_words * WORD, fp))
		return RESULT_UNREADABLE;
	return STEP_MORE;
}

/* Into what a signal interrupted: x0 to x30, sp and pc stand one after another. */
static __always_inline int signal_step(struct walk *walk, const struct rule *rule)
{
	u64 at = walk->sp + (s64)rule->cfa_words * WORD;
	u64 ip;

	if (bpf_probe_read_user(walk->registers, sizeof(walk->registers), (void *)at) ||
	    !read_word(at + REGISTERS * WORD, &ip))
		return RESULT_UNREADABLE;
	if (!is_code_address(ip))
		return RESULT_BAD_FRAME;
	walk->ip = ip;
	walk->fp = walk->registers[REGISTER_FP];
	walk->sp = walk->registers[REGISTER_SP];
	walk->has_registers = 1;
	walk->lookup_back = 0;
	return STEP_MORE;
}

#endif

static __always_inline int special_step(struct walk *walk, const struct rule *rule)
{
	switch (rule->cfa_register) {
	case SPECIAL_END:
		return RESULT_COMPLETE;
	case SPECIAL_FRAME_POINTER:
		return frame_pointer_step(walk);
	case SPECIAL_SIGNAL:
		return signal_step(walk, rule);
	case SPECIAL_GAP:
		/* In the innermost frame a register that is zero means nothing. */
		return walk->fp || walk->has_registers ? RESULT_NO_RULE : RESULT_COMPLETE;
	default:
		return RESULT_NO_RULE;
	}
}

static __always_inline int rule_step(struct walk *walk, const struct rule *rule)
{
	u64 cfa, ip, fp;
	int result;

	if (rule->cfa_kind == CFA_SPECIAL)
		return special_step(walk, rule);
	if (rule->cfa_kind == CFA_LEAF && !walk->has_registers)
		return frame_pointer_step(walk);
	result = find_cfa(walk, rule, &cfa);
	if (result != STEP_MORE)
		return result;
	result = find_caller(walk, rule, cfa, &ip, &fp);
	if (result != STEP_MORE)
		return result;
	ip = code_address(ip);
	/* How some start code ends the chain. A zero alone may be anything. */
	if (ip == 0 && fp == 0)
		return RESULT_COMPLETE;
	/* Only a leaf that has pushed nothing has its caller's stack pointer. */
	if (cfa < walk->sp || (cfa == walk->sp && !walk->has_registers) || !is_code_address(ip))
		return RESULT_BAD_FRAME;
	walk->ip = ip;
	walk->sp = cfa;
	walk->fp = fp;
	entered_caller(walk);
	return STEP_MORE;
}

/*
 * A step where no table says how. It is a guess: frame pointers that seem to end may be something
 * else, and no thread begins in such code, so that no stack ends well here. What fails after a
 * guess fails because of it.
 */
static __always_inline int guessed_step(struct walk *walk, u8 reason)
{
	if (!walk->guess)
		walk->guess = reason;
	return frame_pointer_step(walk) == STEP_MORE ? STEP_MORE : walk->guess;
}

/*
 * How a stack ends that ends with `result`. Code in memory without a file keeps frame pointers,
 * if it comes to the thread's start by them; where a table should have been, frames are missing.
 */
static __always_inline u8 walk_result(const struct walk *walk, u8 result)
{
	if (!walk->guess || result == RESULT_TRUNCATED)
		return result;
	if (walk->guess == RESULT_NOT_A_FRAME && result == RESULT_COMPLETE)
		return result;
	return walk->guess;
}

/*
 * One step outwards: `walk` goes from a frame to its caller. Returns STEP_MORE, or the
 * enum sample_result with which the stack ends.
 */
__noinline int unwind_step(struct walk *walk)
{
	u64 address;
	struct rule rule;

	if (!walk)
		return RESULT_NO_REGISTERS;
	address = walk->ip - walk->lookup_back;
	if (!walk->owner || !find_mapping(walk->owner, address, &walk->mapping))
		return guessed_step(walk, walk->owner ? RESULT_NO_MAPPING : RESULT_PENDING);
	if (walk->mapping.table == TABLE_NONE)
		return guessed_step(walk, walk->mapping.page_count ? RESULT_PENDING :
								     RESULT_NOT_A_FRAME);
	rule = rule_of(find_row(&walk->mapping, address));
	return rule_step(walk, &rule);
}

#endif
