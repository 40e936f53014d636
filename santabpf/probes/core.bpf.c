/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What all probes of a recording share: the gate that opens them together, the processes of a tree scope, and the
 * paths of the cgroups that were met.
 */
struct santa_cgroup { /* as in prelude.bpf.c */
	char names[768];
	u32 depth;
	u32 state;
};
BPF_TABLE_PUBLIC("array", u32, u64, santa_armed, 1);
BPF_TABLE_PUBLIC("hash", u32, u64, santa_tree, SANTA_TREE_ENTRIES);
BPF_TABLE_PUBLIC("hash", u64, struct santa_cgroup, santa_cgroups, SANTA_CGROUPS);
/* Slot 0: how many were put into santa_cgroups in all; slot 1: how many found no room there. */
BPF_TABLE_PUBLIC("array", u32, u64, santa_cgroups_met, 2);
/* Slot 0: processes that found no room in santa_tree. */
BPF_ARRAY(santa_tree_full, u64, 1);

#if SANTA_SCOPE == 1
static __always_inline u64 read_u64(u64 at)
{
	u64 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), (void *)at);
	return value;
}

/* A child of a process in the tree is in the tree. */
RAW_TRACEPOINT_PROBE(sched_process_fork)
{
	u64 child = ctx->args[1];
	u32 parent = bpf_get_current_pid_tgid() >> 32;
	u32 tgid = read_u64(child + OFF_TASK_TGID), tid = read_u64(child + OFF_TASK_PID);
	if (tgid != tid || !santa_tree.lookup(&parent))
		return 0;
	u64 start = read_u64(child + OFF_TASK_START);
	if (santa_tree.update(&tgid, &start)) {
		u32 slot = 0;
		u64 *full = santa_tree_full.lookup(&slot);
		if (full)
			__sync_fetch_and_add(full, 1);
	}
	return 0;
}

/* Its number may be given to another process once it is gone; that one is told apart by its start. */
RAW_TRACEPOINT_PROBE(sched_process_free)
{
	u64 task = ctx->args[0];
	u32 tgid = read_u64(task + OFF_TASK_TGID), tid = read_u64(task + OFF_TASK_PID);
	u64 *start = santa_tree.lookup(&tgid);
	if (tgid == tid && start && (*start == 0 || *start == read_u64(task + OFF_TASK_START)))
		santa_tree.delete(&tgid);
	return 0;
}
#endif
