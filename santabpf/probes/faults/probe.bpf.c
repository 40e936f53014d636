/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The file is the one that this very fault asked for: between that and its end no other fault of the thread was counted.
 * The args of mm_filemap_fault are (mapping, index). A fault has been added to the thread's own counts before it is told.
 */
#define NO_DEVICE 0xffffffff

static __always_inline u64 faults_so_far(u64 task)
{
	return read_u64(task + OFF_TASK_MINOR) + read_u64(task + OFF_TASK_MAJOR);
}

struct faults_asked { u64 task, faults, inode; };
/* Per CPU would not do: a thread may wait for its page and go on on another. */
BPF_TABLE("lru_hash", u32, struct faults_asked, faults_asked, 8192);

#if HAS_MM_FILEMAP_FAULT
RAW_TRACEPOINT_PROBE(mm_filemap_fault)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct faults_asked now = {.task = task, .faults = faults_so_far(task)};
	now.inode = read_u64(ctx->args[0] + OFF_MAPPING_HOST);
	struct faults_asked *asked = faults_asked.lookup(&tid);
	if (asked)
		*asked = now;
	else
		faults_asked.update(&tid, &now);
	return 0;
}
#endif

/* The first of the names that an inode has in memory. */
static __always_inline void inode_name(char *to, u64 inode)
{
#if OFF_INODE_ALIASES != OFF_ABSENT && OFF_DENTRY_ALIAS != OFF_ABSENT && OFF_DENTRY_NAME != OFF_ABSENT
	u64 first = read_u64(inode + OFF_INODE_ALIASES);
	if (first)
		bpf_probe_read_kernel_str(to, 32, (void *)read_u64(first - OFF_DENTRY_ALIAS + OFF_DENTRY_NAME));
#endif
}

int perf_event__page_faults_maj(struct bpf_perf_event_data *ctx)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	struct faults_key key = {.start_ns = task_start(task), .tgid = task_tgid(task), .tells_files = HAS_MM_FILEMAP_FAULT};
	key.major = key.minor = NO_DEVICE;
	u64 inode = 0;
#if HAS_MM_FILEMAP_FAULT
	u32 tid = bpf_get_current_pid_tgid();
	struct faults_asked *asked = faults_asked.lookup(&tid);
	if (asked && asked->task == task && asked->faults + 1 == faults_so_far(task)) {
		inode = asked->inode;
		u32 device = read_u32(read_u64(inode + OFF_INODE_SB) + OFF_SB_DEV);
		key.inode = read_u64(inode + OFF_INODE_NUMBER);
		key.major = device >> 20;
		key.minor = device & 0xfffff;
	}
#endif
	struct faults_value *value = faults_at(&key);
	if (!value)
		return 0;
	if (!value->faults) {
		bpf_get_current_comm(value->comm, sizeof(value->comm));
		if (inode)
			inode_name(value->name, inode);
	}
	value->faults++;
	return 0;
}
