/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The record of one sample, as src/receivers/ebpf/sample-record.ts reads it. Little endian,
 * without padding: `frames` holds the user's addresses, then the kernel's, leaf first in both.
 */
#ifndef OBSFORGE_SAMPLE_BPF_H
#define OBSFORGE_SAMPLE_BPF_H

#include "kernel.bpf.h"

#define USER_FRAMES_MAX 512
/* What bpf_get_stack gives at most: sysctl kernel.perf_event_max_stack. */
#define KERNEL_FRAMES_MAX 127

enum sample_kind {
	KIND_ON_CPU = 0,
};

/* How the user part of the stack ended. */
enum sample_result {
	/* At the outermost frame, which has no caller. */
	RESULT_COMPLETE = 0,
	/* There is no user part: a kernel thread. */
	RESULT_KERNEL_THREAD = 1,
	/* At USER_FRAMES_MAX. */
	RESULT_TRUNCATED = 2,
	/* The frame's memory could not be read. */
	RESULT_UNREADABLE = 3,
	/* The frame pointer does not point to a frame, in code that shall have them. */
	RESULT_NOT_A_FRAME = 4,
	/* A 32-bit task; its stacks are not walked. */
	RESULT_COMPAT = 5,
	/* The task has no user registers (yet). */
	RESULT_NO_REGISTERS = 6,
	/* The process is new: its unwind tables are not loaded, and its frame pointers lead nowhere. */
	RESULT_PENDING = 7,
	/* The address is in no known mapping, and the frame pointer leads nowhere. */
	RESULT_NO_MAPPING = 8,
	/* The file's table says nothing, or that it cannot be told, of the address. */
	RESULT_NO_RULE = 9,
	/* The rule needs a register that only the innermost frame has. */
	RESULT_NO_REGISTER = 10,
	/* The caller would lie at or below its callee on the stack, or outside of user space. */
	RESULT_BAD_FRAME = 11,
	RESULT_COUNT = 12,
};

#define STEP_MORE (-1)

/* The kernel part has KERNEL_FRAMES_MAX frames and may go on. */
#define SAMPLE_KERNEL_TRUNCATED 1
/* The CPU was in user mode. */
#define SAMPLE_USER_MODE 2

struct sample_header {
	u64 time_ns;
	u64 cgroup_id;
	u64 value;
	u32 tgid;
	u32 tid;
	u32 cpu;
	u8 kind;
	u8 result;
	u16 flags;
	u16 user_count;
	u16 kernel_count;
	u32 unused;
	char thread_comm[TASK_COMM_LEN];
	char process_comm[TASK_COMM_LEN];
};

struct sample {
	struct sample_header header;
	u64 frames[USER_FRAMES_MAX + KERNEL_FRAMES_MAX];
};

#endif
