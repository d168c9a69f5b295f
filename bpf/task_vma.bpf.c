// SPDX-License-Identifier: GPL-2.0
/*
 * What runs on this host and what it has mapped, read once at the start and after lost records:
 * two iterators, each a stream of binary records that user space reads from a file descriptor.
 * src/linux/task-vma.ts is the other side of both layouts.
 *
 * No vmlinux.h: only the fields that are read are declared, and CO-RE finds them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define VM_EXEC 0x4ul
#define PATH_BYTES_MAX 4096
#define COMM_BYTES 16

char LICENSE[] SEC("license") = "GPL";

struct seq_file;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct path {
	void *mnt;
	void *dentry;
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

typedef struct {
	void *vdso;
} mm_context_t;

struct mm_struct {
	mm_context_t context;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	unsigned long vm_flags;
	struct mm_struct *vm_mm;
	struct file *vm_file;
};

struct task_struct {
	unsigned int flags;
	int exit_state;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	__u64 start_time;
	char comm[COMM_BYTES];
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

struct task_record {
	__u32 pid; /* of the process */
	__u32 tid;
	__u32 parent_pid;
	__u32 flags; /* PF_* */
	__u64 start_ns; /* CLOCK_MONOTONIC */
	char comm[COMM_BYTES];
};

enum vma_kind {
	VMA_ANONYMOUS = 0,
	VMA_FILE = 1,
	VMA_VDSO = 2,
};

struct vma_record {
	__u64 start;
	__u64 end;
	__u64 page_offset; /* in pages */
	__u64 inode;
	__u32 pid;
	__u32 device; /* the kernel's dev_t: major << 20 | minor */
	__u32 kind;
	__u32 path_bytes; /* with the NUL; padded to 8 in the stream */
	char path[PATH_BYTES_MAX];
};

#define VMA_HEADER_BYTES __builtin_offsetof(struct vma_record, path)

/* One reader at a time: an iterator's descriptor belongs to the one thread that opened it. */
struct vma_record vma_scratch;

SEC("iter/task")
int iterate_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_record record = {};

	/* A zombie runs nothing, and its end was told already. */
	if (!task || task->exit_state)
		return 0;
	record.pid = task->tgid;
	record.tid = task->pid;
	record.parent_pid = task->real_parent->tgid;
	record.flags = task->flags;
	record.start_ns = task->start_time;
	bpf_core_read(record.comm, sizeof(record.comm), &task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

SEC("iter/task_vma")
int iterate_vmas(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct vma_record *record = &vma_scratch;
	struct file *file;
	__u64 path_bytes = 0;
	long result;

	if (!task || !vma || !(vma->vm_flags & VM_EXEC))
		return 0;
	record->start = vma->vm_start;
	record->end = vma->vm_end;
	record->page_offset = vma->vm_pgoff;
	record->pid = task->tgid;
	record->inode = 0;
	record->device = 0;
	record->kind = VMA_ANONYMOUS;
	file = vma->vm_file;
	if (file) {
		record->kind = VMA_FILE;
		record->inode = file->f_inode->i_ino;
		record->device = file->f_inode->i_sb->s_dev;
		result = bpf_d_path(&file->f_path, record->path, PATH_BYTES_MAX);
		if (result > 0 && result <= PATH_BYTES_MAX)
			path_bytes = result;
	} else if (vma->vm_start == (unsigned long)vma->vm_mm->context.vdso) {
		record->kind = VMA_VDSO;
	}
	record->path_bytes = path_bytes;
	path_bytes = (path_bytes + 7) & ~7ull;
	if (path_bytes > PATH_BYTES_MAX)
		return 0;
	bpf_seq_write(ctx->meta->seq, record, VMA_HEADER_BYTES + path_bytes);
	return 0;
}
