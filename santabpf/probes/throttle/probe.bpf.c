/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A cgroup that has used up its CPU limit shows as a thread that is switched out though it could run on, and whose
 * queue, or since 6.18 which itself, is marked as throttled. Args of sched_switch are (preempted, prev, next) and,
 * newer, the state that prev left in.
 */
#define NO_LIMIT (~0ULL) /* RUNTIME_INF, kernel/sched/sched.h */
#define GROUP_DEPTH 12   /* how far up a cgroup with a limit is looked for */

/* Since when a thread is throttled; the lowest bit says that the CPU went idle. */
BPF_ARRAY(throttle_since, u64, SINCE_SLOTS);

/* The group of the cpu controller that the scheduler sees, whatever the cgroup version. */
static __always_inline u64 group_node(u64 group)
{
	u64 cgroup = group ? read_u64(group + OFF_GROUP_CGROUP) : 0;
	return cgroup ? read_u64(cgroup + OFF_CGROUP_KN) : 0;
}

/* The nearest group with a limit, from this one upwards; 0 where there is none. */
static __always_inline u64 limited_group(u64 group)
{
#pragma unroll
	for (int i = 0; i < GROUP_DEPTH; i++) {
		if (!group)
			break;
		if (read_u64(group + OFF_GROUP_QUOTA) != NO_LIMIT)
			return group;
		group = read_u64(group + OFF_GROUP_PARENT);
	}
	return 0;
}

/* OFF_TASK_PID stands in for a task_struct.throttled that is not there. */
static __always_inline int is_throttled(u64 task)
{
#if OFF_TASK_THROTTLED != OFF_TASK_PID
	return read_u32(task + OFF_TASK_THROTTLED) & 1;
#else
	return read_u32(read_u64(task + OFF_TASK_CFS_RQ) + OFF_QUEUE_THROTTLED) != 0;
#endif
}

static __always_inline void begins(u64 prev, u64 cpu_went_idle)
{
	if (!is_throttled(prev) || !is_in_scope(prev))
		return;
	u32 tid = task_tid(prev), slot = tid % SINCE_SLOTS;
	u64 *waits = throttle_since.lookup(&slot);
	if (!waits || !tid) /* 0 is idle */
		return;
	if (*waits && !is_since_of(*waits, tid))
		santa_count(THROTTLE_MAP_FULL);
	*waits = since(tid, bpf_ktime_get_ns(), cpu_went_idle);
}

static __always_inline void add_up(u64 task, u64 cgroup, u64 wait)
{
	struct throttle_sum_key key = {.cgroup_id = cgroup};
	task_comm(key.comm, task);
	struct throttle_sum_value *sum = throttle_sum_at(&key);
	if (sum) {
		sum->waits++;
		sum->wait_sum_ns += wait;
	}
}

static __always_inline void report_wait(u64 task, u64 group, u64 cgroup, u64 wait, u8 cpu_went_idle)
{
	struct throttle_record *r = throttle_reserve();
	if (!r)
		return;
	u64 limited = limited_group(group);
	if (!limited) /* the limit has just been lifted */
		limited = group;
	r->start_ns = task_start(task);
	r->wait_ns = wait;
	r->quota_ns = read_u64(limited + OFF_GROUP_QUOTA);
	r->period_ns = read_u64(limited + OFF_GROUP_PERIOD);
	r->group_throttled_ns = read_u64(limited + OFF_GROUP_THROTTLED_NS);
	r->group_throttled = read_u32(limited + OFF_GROUP_THROTTLED);
	r->cgroup_id = cgroup;
	r->limited_cgroup_id = note_cgroup_of(CPU_TREE, group_node(limited));
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	r->cpu = bpf_get_smp_processor_id();
	r->cpu_went_idle = cpu_went_idle;
	task_comm(r->comm, task);
	throttle_submit(r);
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	u64 prev = ctx->args[1], next = ctx->args[2];
	if (!is_armed())
		return 0;
	u32 tid = task_tid(next), slot = tid % SINCE_SLOTS;
	u32 state = left_in(ctx);
	if ((ctx->args[0] & 1) || state == 0)
		begins(prev, tid == 0);
	u64 *waits = throttle_since.lookup(&slot);
	if (!waits || !is_since_of(*waits, tid))
		return 0;
	u64 began = *waits;
	*waits = 0;
	u64 wait = (bpf_ktime_get_ns() & SINCE_NS) - (began & SINCE_NS);
	u64 group = read_u64(next + OFF_TASK_GROUP);
	u64 cgroup = note_cgroup_of(CPU_TREE, group_node(group));
	add_up(next, cgroup, wait);
	if (wait >= MIN_WAIT_NS)
		report_wait(next, group, cgroup, wait, began & 1);
	return 0;
}
