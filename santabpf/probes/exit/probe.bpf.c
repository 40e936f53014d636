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

/*
 * The scheduler adds up a thread's runtime when it leaves the CPU and at each tick, so at its end up to 4 ms (at 250
 * ticks a second) are not in the sum yet: most of the life of a short job. What is missing is the time since its
 * run queue's clock was last read, and that clock is sched_clock(), which BPF can't read. But it differs from
 * CLOCK_MONOTONIC only by an offset that drifts by some 0.001 %, and it has just been read whenever a new process is
 * woken: there the offset is learned, to within a microsecond.
 */
#if OFF_TASK_CFS_RQ != OFF_ABSENT && OFF_CFS_RQ_RQ != OFF_ABSENT && OFF_RQ_CLOCK != OFF_ABSENT
BPF_ARRAY(exit_clock_offset, u64, 1);

static __always_inline u64 run_queue(u64 task) { return read_u64(read_u64(task + OFF_TASK_CFS_RQ) + OFF_CFS_RQ_RQ); }

RAW_TRACEPOINT_PROBE(sched_wakeup_new)
{
	u32 slot = 0;
	u64 offset = bpf_ktime_get_ns() - read_u64(run_queue(ctx->args[0]) + OFF_RQ_CLOCK);
	exit_clock_offset.update(&slot, &offset);
	return 0;
}

static __always_inline u64 not_yet_counted(u64 task)
{
	u32 slot = 0;
	u64 *offset = exit_clock_offset.lookup(&slot);
	if (!offset || !*offset)
		return 0;
	u64 queue = run_queue(task);
	s64 since_clock = bpf_ktime_get_ns() - *offset - read_u64(queue + OFF_RQ_CLOCK);
	s64 since_count = read_u64(queue + OFF_RQ_CLOCK_TASK) - read_u64(task + OFF_TASK_EXEC_START);
	s64 ns = since_clock + since_count;
	return ns > 0 && ns < 1000000000 ? ns : 0;
}
#else
static __always_inline u64 not_yet_counted(u64 task) { return 0; }
#endif

/* Threads that are gone, this one, and the leader, which stays until the last thread ends. */
static __always_inline u64 process_cpu(u64 task, u64 leader)
{
	u64 ns = read_u64(read_u64(task + OFF_TASK_SIGNAL) + OFF_SIGNAL_RUNTIME) + read_u64(task + OFF_TASK_RUNTIME);
	ns += not_yet_counted(task);
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
	r->cgroup_id = note_cgroup(group);
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = bpf_get_current_uid_gid();
	r->signal = code & 0x7f;
	r->code = r->signal ? 0 : (code >> 8) & 0xff;
	r->core_dumped = (code & 0x80) != 0;
	task_comm(r->comm, leader);
	task_comm(r->pcomm, parent);
	exit_submit(r);
	return 0;
}
