/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One record for each process, when its last thread ends: args are (task) or, newer, (task, group_dead). */
#if EXIT_ARGS < 2
/* Two threads that end at the same moment can both see that none is left; the second one is dropped here. */
struct exit_seen { u64 start; u64 tgid; };
BPF_TABLE("lru_hash", struct exit_seen, u8, exit_seen_map, 8192);
#endif

static __always_inline int is_last_thread(struct bpf_raw_tracepoint_args *ctx, u64 task)
{
#if EXIT_ARGS >= 2
	return ctx->args[1] & 1;
#else
	if (read_u32(read_u64(task + OFF_TASK_SIGNAL) + OFF_SIGNAL_LIVE))
		return 0;
	struct exit_seen key = {.start = task_start(task), .tgid = task_tgid(task)};
	u8 one = 1;
	return exit_seen_map.insert(&key, &one) == 0;
#endif
}

/* Threads that are gone, this one, and the leader, which stays until the last thread ends. */
static __always_inline u64 process_cpu(u64 task, u64 leader)
{
	u64 ns = read_u64(read_u64(task + OFF_TASK_SIGNAL) + OFF_SIGNAL_RUNTIME) + read_u64(task + OFF_TASK_RUNTIME);
	return leader == task ? ns : ns + read_u64(leader + OFF_TASK_RUNTIME);
}

RAW_TRACEPOINT_PROBE(sched_process_exit)
{
	u64 task = ctx->args[0];
	if (!is_armed() || !is_last_thread(ctx, task) || !is_in_scope(task))
		return 0;
	struct exit_record *r = exit_reserve();
	if (!r)
		return 0;
	u64 leader = task_leader(task);
	u64 parent = task_parent(task);
	u64 group = task_cgroup(task);
	s32 code = read_u32(task + OFF_TASK_EXIT_CODE);
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->lifetime_ns = bpf_ktime_get_boot_ns() - r->start_ns;
	r->cpu_ns = process_cpu(task, leader);
	r->cgroup_id = cgroup_id(group);
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = bpf_get_current_uid_gid();
	r->signal = code & 0x7f;
	r->code = r->signal ? 0 : (code >> 8) & 0xff;
	r->core_dumped = (code & 0x80) != 0;
	task_comm(r->comm, leader);
	task_comm(r->pcomm, parent);
	cgroup_name(r->cgroup, group);
	exit_submit(r);
	return 0;
}
