/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Begin and end run in the task that frees. The first arg of each end of a reclaim is how many pages it freed. */
#define DIRECT 0
#define MEMCG 1
#define COMPACTION 2

/* Thread and kind -> since when. */
struct reclaim_who { u32 tid, kind; };
BPF_HASH(reclaim_since, struct reclaim_who, u64, 8192);

static __always_inline int begin(u32 kind)
{
	struct reclaim_who who = {.tid = bpf_get_current_pid_tgid(), .kind = kind};
	if (!is_armed() || !who.tid || !is_in_scope(bpf_get_current_task()))
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (reclaim_since.update(&who, &now))
		santa_count(RECLAIM_MAP_FULL);
	return 0;
}

static __always_inline int end(u32 kind, u64 pages)
{
	struct reclaim_who who = {.tid = bpf_get_current_pid_tgid(), .kind = kind};
	u64 *since = reclaim_since.lookup(&who);
	if (!since)
		return 0;
	u64 spent = bpf_ktime_get_ns() - *since;
	reclaim_since.delete(&who);
	u64 task = bpf_get_current_task();
	struct reclaim_key key = {};
	key.start_ns = task_start(task);
	key.cgroup_id = note_cgroup(task_cgroup(task));
	key.tgid = task_tgid(task);
	if (kind == DIRECT)
		__builtin_memcpy(key.kind, "direct", 7);
	else if (kind == MEMCG)
		__builtin_memcpy(key.kind, "memcg", 6);
	else
		__builtin_memcpy(key.kind, "compaction", 11);
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	struct reclaim_value *value = reclaim_at(&key);
	if (value) {
		value->times++;
		value->spent_ns += spent;
		value->freed_pages += pages;
	}
	return 0;
}

RAW_TRACEPOINT_PROBE(mm_vmscan_direct_reclaim_begin) { return begin(DIRECT); }
RAW_TRACEPOINT_PROBE(mm_vmscan_direct_reclaim_end) { return end(DIRECT, ctx->args[0]); }
#if HAS_MM_VMSCAN_MEMCG_RECLAIM_BEGIN && HAS_MM_VMSCAN_MEMCG_RECLAIM_END
RAW_TRACEPOINT_PROBE(mm_vmscan_memcg_reclaim_begin) { return begin(MEMCG); }
RAW_TRACEPOINT_PROBE(mm_vmscan_memcg_reclaim_end) { return end(MEMCG, ctx->args[0]); }
#endif
#if HAS_MM_COMPACTION_BEGIN && HAS_MM_COMPACTION_END
RAW_TRACEPOINT_PROBE(mm_compaction_begin) { return begin(COMPACTION); }
RAW_TRACEPOINT_PROBE(mm_compaction_end) { return end(COMPACTION, 0); }
#endif
