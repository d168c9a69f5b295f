// SPDX-License-Identifier: GPL-2.0
/*
 * On-CPU samples: a perf event of the CPU's clock interrupts, and what runs is written with its
 * stacks into one ring buffer. Filters come first; every tick ends in exactly one counter of
 *
 *   ticks = idle + own + filtered + taken        taken = delivered + lost
 */
#include "kernel.bpf.h"
#include "sample.bpf.h"
#include "user_stack.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Set before loading; the layout is that of src/receivers/ebpf/on-cpu-sampler.ts. */
const volatile struct {
	/* The profiler itself. */
	u32 own_tgid;
	/* Nothing is filtered. */
	u8 whole_host;
	u8 by_pid;
	u8 by_cgroup;
	u8 unused;
} config;

struct counters {
	u64 ticks;
	u64 idle;
	u64 own;
	u64 filtered;
	u64 taken;
	u64 delivered;
	u64 lost;
	/* The sums of the values of the three above. */
	u64 taken_value;
	u64 delivered_value;
	u64 lost_value;
	/* Children that were not followed because `pids` is full. */
	u64 pids_full;
	u64 results[RESULT_COUNT];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	/* Set before loading. */
	__uint(max_entries, 4096);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Process id → start_boottime of a followed child, 0 for one that the user named. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, u64);
} pids SEC(".maps");

/* The ids of cgroups whose tasks, and those of the cgroups below, are taken. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u8);
} cgroups SEC(".maps");

/* cgroup levels that are looked at; deeper trees than this are not seen in the wild. */
#define CGROUP_LEVELS_MAX 16

/* The record under construction and the walk's state: too large for the stack. */
struct scratch {
	struct walk walk;
	struct sample sample;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct counters *this_cpu_counters(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline bool in_chosen_cgroup(void)
{
	for (int level = 0; level < CGROUP_LEVELS_MAX; level++) {
		u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (id == 0)
			return false;
		if (bpf_map_lookup_elem(&cgroups, &id))
			return true;
	}
	return false;
}

static __always_inline bool is_chosen(u32 tgid)
{
	if (config.whole_host)
		return true;
	if (config.by_pid && bpf_map_lookup_elem(&pids, &tgid))
		return true;
	return config.by_cgroup && in_chosen_cgroup();
}

#if defined(__TARGET_ARCH_x86)

static __always_inline bool is_user_mode(struct perf_event_context *context)
{
	return !is_kernel_address(context->regs.ip);
}

/* Sets the walk's start. Returns STEP_MORE or the result of a stack without a user part. */
static __always_inline int user_registers(struct perf_event_context *context,
					  struct task_struct *task, struct walk *walk)
{
	u64 cs;

	if (is_user_mode(context)) {
		walk->ip = context->regs.ip;
		walk->sp = context->regs.sp;
		walk->fp = context->regs.bp;
		cs = *(volatile u64 *)&context->regs.cs;
	} else {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

		walk->ip = regs->ip;
		walk->sp = regs->sp;
		walk->fp = regs->bp;
		cs = regs->cs;
	}
	if ((cs & 0xffff) == USER32_CS)
		return RESULT_COMPAT;
	if ((cs & 3) != 3 || walk->ip == 0 || is_kernel_address(walk->ip))
		return RESULT_NO_REGISTERS;
	return STEP_MORE;
}

#else

static __always_inline bool is_user_mode(struct perf_event_context *context)
{
	return !is_kernel_address(context->regs.pc);
}

static __always_inline int user_registers(struct perf_event_context *context,
					  struct task_struct *task, struct walk *walk)
{
	u64 pstate;

	if (is_user_mode(context)) {
		walk->ip = context->regs.pc;
		walk->sp = context->regs.sp;
		walk->fp = context->regs.regs[29];
		walk->lr = context->regs.regs[30];
		pstate = *(volatile u64 *)&context->regs.pstate;
	} else {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

		walk->ip = regs->pc;
		walk->sp = regs->sp;
		walk->fp = regs->regs[29];
		walk->lr = regs->regs[30];
		pstate = regs->pstate;
	}
	if (pstate & PSR_MODE32_BIT)
		return RESULT_COMPAT;
	if ((pstate & 0xf) || walk->ip == 0 || is_kernel_address(walk->ip))
		return RESULT_NO_REGISTERS;
	return STEP_MORE;
}

#endif

/* Walks the user stack from scratch->walk into the sample; returns the number of frames. */
__noinline int walk_user_stack(struct scratch *scratch)
{
	int result = RESULT_TRUNCATED;
	u32 count;
	u64 caller;

	if (!scratch)
		return 0;
	scratch->sample.frames[0] = scratch->walk.ip;
	count = 1;
	caller = frameless_caller(&scratch->walk);
	if (caller >= FRAME_ADDRESS_MIN && !is_kernel_address(caller)) {
		scratch->sample.frames[1] = caller;
		count = 2;
	}
	for (int i = 0; i < USER_FRAMES_MAX; i++) {
		int step = walk_step(&scratch->walk);

		if (step != STEP_MORE) {
			result = step;
			break;
		}
		if (count >= USER_FRAMES_MAX)
			break;
		scratch->sample.frames[count++] = scratch->walk.ip;
	}
	scratch->sample.header.result = result;
	return count;
}

static __always_inline u32 user_stack(struct perf_event_context *context, struct task_struct *task,
				      struct scratch *scratch)
{
	int result;

	if (task->flags & PF_KTHREAD || !task->mm) {
		scratch->sample.header.result = RESULT_KERNEL_THREAD;
		return 0;
	}
	scratch->walk.switches = 0;
	scratch->walk.frame = 0;
	scratch->walk.stack_base = task->mm->start_stack;
	result = user_registers(context, task, &scratch->walk);
	if (result != STEP_MORE) {
		scratch->sample.header.result = result;
		return 0;
	}
	return walk_user_stack(scratch);
}

static __always_inline void name_task(struct sample_header *header, struct task_struct *task)
{
	bpf_get_current_comm(header->thread_comm, sizeof(header->thread_comm));
	bpf_probe_read_kernel(header->process_comm, sizeof(header->process_comm),
			      task->group_leader->comm);
}

static __always_inline long emit(struct perf_event_context *context, struct task_struct *task,
				 struct scratch *scratch)
{
	struct sample *sample = &scratch->sample;
	struct sample_header *header = &sample->header;
	u32 user_count = user_stack(context, task, scratch);
	u32 kernel_count = 0;
	u64 size;

	if (user_count > USER_FRAMES_MAX)
		user_count = USER_FRAMES_MAX;
	header->flags = 0;
	if (is_user_mode(context)) {
		header->flags |= SAMPLE_USER_MODE;
	} else {
		long bytes = bpf_get_stack(context, &sample->frames[user_count],
					   KERNEL_FRAMES_MAX * sizeof(u64), 0);

		if (bytes > 0)
			kernel_count = bytes / sizeof(u64);
		if (kernel_count >= KERNEL_FRAMES_MAX) {
			kernel_count = KERNEL_FRAMES_MAX;
			header->flags |= SAMPLE_KERNEL_TRUNCATED;
		}
	}
	header->user_count = user_count;
	header->kernel_count = kernel_count;
	size = sizeof(*header) + (u64)(user_count + kernel_count) * sizeof(u64);
	if (size > sizeof(*sample))
		size = sizeof(*sample);
	return bpf_ringbuf_output(&samples, sample, size, BPF_RB_NO_WAKEUP);
}

static __always_inline void take(struct perf_event_context *context, struct task_struct *task,
				 struct counters *counters)
{
	u64 ids = bpf_get_current_pid_tgid();
	u32 zero = 0;
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &zero);
	struct sample_header *header;
	u8 result;

	if (!scratch)
		return;
	header = &scratch->sample.header;
	header->time_ns = bpf_ktime_get_ns();
	header->cgroup_id = bpf_get_current_cgroup_id();
	header->value = context->sample_period;
	header->tgid = ids >> 32;
	header->tid = ids;
	header->cpu = bpf_get_smp_processor_id();
	header->kind = KIND_ON_CPU;
	header->unused = 0;
	name_task(header, task);

	counters->taken++;
	counters->taken_value += header->value;
	if (emit(context, task, scratch) == 0) {
		counters->delivered++;
		counters->delivered_value += header->value;
	} else {
		counters->lost++;
		counters->lost_value += header->value;
	}
	result = header->result;
	if (result < RESULT_COUNT)
		counters->results[result]++;
}

SEC("perf_event")
int on_cpu(struct perf_event_context *context)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct counters *counters = this_cpu_counters();
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (!counters)
		return 0;
	counters->ticks++;
	if (task->pid == 0) {
		counters->idle++;
	} else if (tgid == config.own_tgid) {
		counters->own++;
	} else if (!is_chosen(tgid)) {
		counters->filtered++;
	} else {
		take(context, task, counters);
	}
	return 0;
}

/* The child of a chosen process is chosen before it runs for the first time. */
SEC("tp_btf/sched_process_fork")
int on_fork(u64 *arguments)
{
	struct task_struct *parent = (struct task_struct *)arguments[0];
	struct task_struct *child = (struct task_struct *)arguments[1];
	u32 parent_tgid = parent->tgid;
	u32 child_tgid = child->tgid;
	u64 started = child->start_boottime;
	struct counters *counters;

	if (child_tgid == parent_tgid || !bpf_map_lookup_elem(&pids, &parent_tgid))
		return 0;
	if (bpf_map_update_elem(&pids, &child_tgid, &started, BPF_ANY) == 0)
		return 0;
	counters = this_cpu_counters();
	if (counters)
		counters->pids_full++;
	return 0;
}

/*
 * A process is forgotten when the kernel frees its leader: after its last sample, and before
 * its id can mean another process. The start time tells, should the id be in use again.
 */
SEC("tp_btf/sched_process_free")
int on_free(u64 *arguments)
{
	struct task_struct *task = (struct task_struct *)arguments[0];
	u32 tgid = task->tgid;
	u64 started = task->start_boottime;
	u64 *known;

	if (task->pid != task->tgid)
		return 0;
	known = bpf_map_lookup_elem(&pids, &tgid);
	if (known && (*known == 0 || *known == started))
		bpf_map_delete_elem(&pids, &tgid);
	return 0;
}
