// SPDX-License-Identifier: GPL-2.0
/*
 * On-CPU samples: a perf event of the CPU's clock interrupts, and what runs is written with its
 * stacks into one ring buffer. Filters come first; every tick ends in exactly one counter of
 *
 *   ticks = idle + own + filtered + taken        taken = delivered + lost
 */
#include "kernel.bpf.h"
#include "sample.bpf.h"
#include "unwind.bpf.h"
#include "unwind_owner.bpf.h"

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
	struct interrupted_regs regs;
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

#define USER32_CS 0x23
#define NO_SYSCALL ((u64)-1)

static __always_inline bool is_user_mode(struct perf_event_context *context)
{
	return !is_kernel_address(context->regs.ip);
}

/* Sets the walk's start. Returns STEP_MORE or the result of a stack without a user part. */
static __always_inline int start_walk(struct walk *walk, const struct interrupted_regs *regs)
{
	if ((regs->cs & 0xffff) == USER32_CS)
		return RESULT_COMPAT;
	if ((regs->cs & 3) != 3 || regs->ip == 0 || is_kernel_address(regs->ip))
		return RESULT_NO_REGISTERS;
	walk->ip = regs->ip;
	walk->sp = regs->sp;
	walk->fp = regs->bp;
	walk->registers[0] = regs->ax;
	walk->registers[1] = regs->dx;
	walk->registers[2] = regs->cx;
	walk->registers[3] = regs->bx;
	walk->registers[4] = regs->si;
	walk->registers[5] = regs->di;
	walk->registers[8] = regs->r8;
	walk->registers[9] = regs->r9;
	walk->registers[10] = regs->r10;
	walk->registers[11] = regs->r11;
	walk->registers[12] = regs->r12;
	walk->registers[13] = regs->r13;
	walk->registers[14] = regs->r14;
	walk->registers[15] = regs->r15;
	return STEP_MORE;
}

static __always_inline bool is_in_syscall(const struct interrupted_regs *regs,
					  const struct pt_regs *kernels)
{
	return regs->orig_ax != NO_SYSCALL;
}

#else

#define PSR_MODE32_BIT 0x10

static __always_inline bool is_user_mode(struct perf_event_context *context)
{
	return !is_kernel_address(context->regs.pc);
}

static __always_inline int start_walk(struct walk *walk, const struct interrupted_regs *regs)
{
	if (regs->pstate & PSR_MODE32_BIT)
		return RESULT_COMPAT;
	if ((regs->pstate & 0xf) || regs->pc == 0 || is_kernel_address(regs->pc))
		return RESULT_NO_REGISTERS;
	walk->ip = regs->pc;
	walk->sp = regs->sp;
	walk->fp = regs->regs[REGISTER_FP];
	for (int number = 0; number < REGISTER_SP; number++)
		walk->registers[number] = regs->regs[number];
	return STEP_MORE;
}

static __always_inline bool is_in_syscall(const struct interrupted_regs *regs,
					  const struct pt_regs *kernels)
{
	return kernels->syscallno >= 0;
}

#endif

/* The registers that the task has in user space. */
static __always_inline int user_registers(struct perf_event_context *context,
					  struct task_struct *task, struct scratch *scratch)
{
	struct interrupted_regs *regs = &scratch->regs;
	struct walk *walk = &scratch->walk;
	struct pt_regs *kernels;
	int result;

	walk->has_registers = 1;
	walk->lookup_back = 0;
	if (is_user_mode(context)) {
		/* Word by word: the context may only be read so. */
#pragma clang loop unroll(full)
		for (unsigned int word = 0; word < sizeof(*regs) / sizeof(u64); word++)
			((u64 *)regs)[word] = ((volatile u64 *)&context->regs)[word];
		return start_walk(walk, regs);
	}
	kernels = (struct pt_regs *)bpf_task_pt_regs(task);
	if (bpf_probe_read_kernel(regs, sizeof(*regs), kernels))
		return RESULT_NO_REGISTERS;
	result = start_walk(walk, regs);
	/* It will return to behind the instruction, which may be its function's last. */
	if (result == STEP_MORE && is_in_syscall(regs, kernels))
		walk->lookup_back = CALL_BACK;
	return result;
}

/* Walks the user stack from scratch->walk into the sample; returns the number of frames. */
__noinline int walk_user_stack(struct scratch *scratch)
{
	int result = RESULT_TRUNCATED;
	u32 count;

	if (!scratch)
		return 0;
	scratch->sample.frames[0] = scratch->walk.ip;
	count = 1;
	for (int i = 0; i < USER_FRAMES_MAX; i++) {
		int step = unwind_step(&scratch->walk);

		if (step != STEP_MORE) {
			result = step;
			break;
		}
		if (count >= USER_FRAMES_MAX)
			break;
		scratch->sample.frames[count++] = scratch->walk.ip;
	}
	scratch->sample.header.result = walk_result(&scratch->walk, result);
	return count;
}

static __always_inline u32 user_stack(struct perf_event_context *context, struct task_struct *task,
				      struct scratch *scratch)
{
	u32 tgid = scratch->sample.header.tgid;
	int result;

	if (task->flags & (PF_KTHREAD | PF_IO_WORKER) || !task->mm) {
		scratch->sample.header.result = RESULT_KERNEL_THREAD;
		return 0;
	}
	scratch->walk.owner = find_owner(tgid);
	scratch->walk.switches = 0;
	scratch->walk.guess = 0;
	/* Of another process, maybe. */
	scratch->walk.mapping.end = scratch->walk.mapping.start;
	result = user_registers(context, task, scratch);
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

/* Another program runs in the process: what was loaded for the one before means nothing now. */
SEC("tp_btf/sched_process_exec")
int on_exec(u64 *arguments)
{
	struct task_struct *task = (struct task_struct *)arguments[0];
	forget_owner(task->tgid);
	return 0;
}

/* The child of a chosen process is chosen before it runs for the first time. */
static __always_inline void choose_child(u32 parent_tgid, u32 child_tgid, u64 started)
{
	struct counters *counters;

	if (!bpf_map_lookup_elem(&pids, &parent_tgid))
		return;
	if (bpf_map_update_elem(&pids, &child_tgid, &started, BPF_ANY) == 0)
		return;
	counters = this_cpu_counters();
	if (counters)
		counters->pids_full++;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *arguments)
{
	struct task_struct *parent = (struct task_struct *)arguments[0];
	struct task_struct *child = (struct task_struct *)arguments[1];
	u32 parent_tgid = parent->tgid;
	u32 child_tgid = child->tgid;

	if (child_tgid == parent_tgid)
		return 0;
	choose_child(parent_tgid, child_tgid, child->start_boottime);
	inherit_owner(parent_tgid, child_tgid);
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
	forget_owner(tgid);
	known = bpf_map_lookup_elem(&pids, &tgid);
	if (known && (*known == 0 || *known == started))
		bpf_map_delete_elem(&pids, &tgid);
	return 0;
}
