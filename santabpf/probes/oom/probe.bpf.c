/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * One record for each victim, in the context of the task whose allocation failed: args are (task, uid), or, older,
 * (thread id). The memory figures are read as get_mm_counter() and show_mem() read them.
 */
#define UNKNOWN (~0ULL)
#define MM_FILEPAGES 0 /* enum without a name in include/linux/mm_types_task.h; the same since 4.5 */
#define MM_ANONPAGES 1
#define MM_SWAPENTS 2
#define MM_SHMEMPAGES 3

/*
 * Since 6.2 (f1a7941243c1) rss_stat is a percpu_counter for each kind, whose lock stands before its count and whose
 * last member is a pointer; before, it was a struct mm_rss_stat: an atomic_long_t for each, the first at 0.
 */
static __always_inline u64 rss_bytes(u64 mm, u32 kind)
{
#if OFF_MM_RSS != OFF_ABSENT && OFF_RSS_COUNT != OFF_ABSENT && (OFF_RSS_COUNT == 0 || OFF_COUNTER_LAST != OFF_ABSENT)
	s64 pages = read_u64(mm + OFF_MM_RSS + OFF_RSS_COUNT + (OFF_RSS_COUNT ? OFF_COUNTER_LAST + 8 : 8) * kind);
	return pages > 0 ? (u64)pages * PAGE_SIZE : 0;
#else
	return UNKNOWN;
#endif
}

static __always_inline void fill_memory(struct oom_record *r, u64 task)
{
#if OFF_TASK_MM != OFF_ABSENT
	u64 mm = task ? read_u64(task + OFF_TASK_MM) : 0;
	if (!mm)
		return;
#if OFF_MM_TOTAL != OFF_ABSENT
	r->virtual_bytes = read_u64(mm + OFF_MM_TOTAL) * PAGE_SIZE;
#endif
#if OFF_MM_PGTABLES != OFF_ABSENT
	r->page_table_bytes = read_u64(mm + OFF_MM_PGTABLES);
#endif
	r->anon_rss_bytes = rss_bytes(mm, MM_ANONPAGES);
	r->file_rss_bytes = rss_bytes(mm, MM_FILEPAGES);
	r->shmem_rss_bytes = rss_bytes(mm, MM_SHMEMPAGES);
	r->swap_bytes = rss_bytes(mm, MM_SWAPENTS);
#endif
}

static __always_inline void fill_victim(struct oom_record *r, u64 task)
{
	u64 group = task_cgroup(task);
	r->start_ns = task_start(task);
	r->cgroup_id = note_cgroup(group);
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	task_comm(r->comm, task_leader(task));
#if OFF_TASK_SIGNAL != OFF_ABSENT && OFF_SIGNAL_ADJ != OFF_ABSENT
	s16 adjusted = 0;
	bpf_probe_read_kernel(&adjusted, sizeof(adjusted), (void *)(read_u64(task + OFF_TASK_SIGNAL) + OFF_SIGNAL_ADJ));
	r->oom_score_adj = adjusted;
#endif
	fill_memory(r, task);
}

RAW_TRACEPOINT_PROBE(mark_victim)
{
	u64 trigger = bpf_get_current_task();
#if OOM_ARGS != OFF_ABSENT
	int is_ours = is_in_scope(ctx->args[0]);
#else
	int is_ours = 0;
#endif
	if (!is_armed() || !(is_ours || is_in_scope(trigger)))
		return 0;
	struct oom_record *r = oom_reserve();
	if (!r)
		return 0;
	r->virtual_bytes = r->anon_rss_bytes = r->file_rss_bytes = UNKNOWN;
	r->shmem_rss_bytes = r->swap_bytes = r->page_table_bytes = UNKNOWN;
	r->uid = 0xffffffff;
	r->oom_score_adj = -2147483647 - 1;
	r->trigger_start_ns = task_start(trigger);
	r->trigger_tgid = bpf_get_current_pid_tgid() >> 32;
	task_comm(r->trigger_comm, trigger);
#if OOM_ARGS != OFF_ABSENT
	fill_victim(r, ctx->args[0]);
	r->uid = ctx->args[1];
#else
	r->tid = ctx->args[0];
#endif
	oom_submit(r);
	return 0;
}
