/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A thread waits for a CPU from being woken, or switched out while it could run on, until it is switched in.
 * Args of sched_switch are (preempted, prev, next) and, newer, the state that prev left in.
 */

#define NICE_0 120 /* static_prio of niceness 0: DEFAULT_PRIO, include/linux/sched/prio.h */

/* Since when a thread waits; the lowest bit says that it was switched out, not woken. */
BPF_ARRAY(runq_since, u64, SINCE_SLOTS);

static __always_inline void waits_from_now(u64 task, u64 now, u64 was_preempted)
{
	u32 tid = task_tid(task), slot = tid % SINCE_SLOTS;
	u64 *waits = runq_since.lookup(&slot);
	if (!waits || !tid || !is_in_scope(task)) /* 0 is idle, which waits for nothing */
		return;
	if (*waits && !is_since_of(*waits, tid))
		santa_count(RUNQ_MAP_FULL);
	*waits = since(tid, now, was_preempted);
}

RAW_TRACEPOINT_PROBE(sched_wakeup)
{
	if (is_armed())
		waits_from_now(ctx->args[0], bpf_ktime_get_ns(), 0);
	return 0;
}

RAW_TRACEPOINT_PROBE(sched_wakeup_new)
{
	if (is_armed())
		waits_from_now(ctx->args[0], bpf_ktime_get_ns(), 0);
	return 0;
}

static __always_inline void report_wait(u64 prev, u64 next, u64 wait, u8 was_preempted)
{
	struct runq_record *r = runq_reserve();
	if (!r)
		return;
	r->start_ns = task_start(next);
	r->wait_ns = wait;
	r->tgid = task_tgid(next);
	r->tid = task_tid(next);
	r->prev_tid = task_tid(prev);
	r->cpu = bpf_get_smp_processor_id();
	r->was_preempted = was_preempted;
	r->nice = (int)read_u32(next + OFF_TASK_STATIC_PRIO) - NICE_0;
	task_comm(r->comm, next);
	task_comm(r->prev_comm, prev);
	runq_submit(r);
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	u64 prev = ctx->args[1], next = ctx->args[2];
	if (!is_armed())
		return 0;
	u64 now = bpf_ktime_get_ns();
	u32 state = left_in(ctx);
	if ((ctx->args[0] & 1) || state == 0)
		waits_from_now(prev, now, 1);
	u32 tid = task_tid(next), slot = tid % SINCE_SLOTS;
	u64 *waits = runq_since.lookup(&slot);
	if (!waits || !is_since_of(*waits, tid))
		return 0;
	u64 began = *waits;
	*waits = 0;
	u64 wait = (now & SINCE_NS) - (began & SINCE_NS);
	struct runq_hist_value *sum = runq_hist_at(runq_hist_slot(wait));
	if (sum) {
		sum->waits++;
		sum->wait_sum_ns += wait;
	}
	if (wait >= MIN_WAIT_NS)
		report_wait(prev, next, wait, began & 1);
	return 0;
}
