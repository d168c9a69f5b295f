/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whose mappings a process is walked by: an owner is one number for each program that was ever
 * loaded, so that a child which outlives its parent's program is never walked by those of the next.
 */
#ifndef OBSFORGE_UNWIND_OWNER_BPF_H
#define OBSFORGE_UNWIND_OWNER_BPF_H

#include "kernel.bpf.h"

/* Allocated at once: kernels before 6.1 refuse anything else in programs of perf events. */
#define PROCESSES_MAX 8192

/* Processes that user space has loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, u32);
	__type(value, u32);
} processes SEC(".maps");

/*
 * Their descendants that run the same program and were not sampled yet. Nothing but this program
 * writes here, and one that forks without end pushes out no others than these.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PROCESSES_MAX);
	__type(key, u32);
	__type(value, u32);
} children SEC(".maps");

/* 0 when there is none. */
static __always_inline u32 find_owner(u32 tgid)
{
	u32 *owner = bpf_map_lookup_elem(&processes, &tgid);

	if (!owner)
		owner = bpf_map_lookup_elem(&children, &tgid);
	return owner ? *owner : 0;
}

/* A child has its parent's mappings, until it runs another program or has some of its own. */
static __always_inline void inherit_owner(u32 parent_tgid, u32 child_tgid)
{
	u32 owner = find_owner(parent_tgid);

	if (owner)
		bpf_map_update_elem(&children, &child_tgid, &owner, BPF_ANY);
}

static __always_inline void forget_owner(u32 tgid)
{
	bpf_map_delete_elem(&processes, &tgid);
	bpf_map_delete_elem(&children, &tgid);
}

#endif
