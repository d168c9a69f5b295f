/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few kernel types that the programs read, with the fields they read. Offsets are found at
 * load time from the running kernel's BTF, so order and size here mean nothing. Registers of an
 * interrupted context (struct interrupted_regs) are user-space ABI and stand at fixed offsets.
 */
#ifndef OBSFORGE_KERNEL_BPF_H
#define OBSFORGE_KERNEL_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __s16 s16;
typedef __s32 s32;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

#define TASK_COMM_LEN 16

/* task_struct.flags: no user space stands behind this task. */
#define PF_KTHREAD 0x00200000
/* A thread that the kernel runs in a process, for io_uring: it never was in user mode. */
#define PF_IO_WORKER 0x00000010

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mm_struct;

struct task_struct {
	u32 flags;
	int pid;
	int tgid;
	u64 start_boottime;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	char comm[TASK_COMM_LEN];
};

#if defined(__TARGET_ARCH_arm64)

/* Begins with struct interrupted_regs. */
struct pt_regs {
	int syscallno;
};

#elif !defined(__TARGET_ARCH_x86)
#error "unknown architecture: define __TARGET_ARCH_x86 or __TARGET_ARCH_arm64"
#endif

#pragma clang attribute pop

#if defined(__TARGET_ARCH_x86)

/* struct pt_regs of <asm/ptrace.h>, which is the kernel's own, too. */
struct interrupted_regs {
	u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	u64 orig_ax, ip, cs, flags, sp, ss;
};

#else

/* struct user_pt_regs of <asm/ptrace.h>. */
struct interrupted_regs {
	u64 regs[31];
	u64 sp, pc, pstate;
};

#endif

/* struct bpf_perf_event_data: the context of a perf_event program. */
struct perf_event_context {
	struct interrupted_regs regs;
	u64 sample_period;
	u64 addr;
};

#endif
