/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (folio), before folios (page); of mm_filemap_get_pages (mapping, first page, last page). */
#define PF_MEMALLOC 0x00000800 /* include/linux/sched.h: it is freeing memory */
#define MAGIC_BDEV 0x62646576 /* include/uapi/linux/magic.h */
#define MAGIC_TMPFS 0x01021994

static __always_inline struct page_cache_value *cache_of(u64 inode)
{
	u64 task = bpf_get_current_task();
	if (!is_in_scope(task))
		return 0;
	u64 sb = read_u64(inode + OFF_INODE_SB), magic = read_u64(sb + OFF_SB_MAGIC);
	if (magic == MAGIC_TMPFS) /* memory, no cache of anything */
		return 0;
	u32 device = read_u32(sb + OFF_SB_DEV);
	struct page_cache_key key = {};
	key.start_ns = task_start(task);
	key.tgid = task_tgid(task);
	key.major = device >> 20;
	key.minor = device & 0xfffff;
	key.is_disk = magic == MAGIC_BDEV;
	key.counts_lookups = LOOKUP_ARGS != OFF_ABSENT;
	return page_cache_at(&key);
}

static __always_inline u64 folio_inode(u64 folio)
{
	return read_u64(read_u64(folio + OFF_FOLIO_MAPPING) + OFF_MAPPING_HOST);
}

static __always_inline u64 folio_pages(u64 folio)
{
#if OFF_FOLIO_PAGES != OFF_ABSENT && PG_HEAD != OFF_ABSENT && OFF_FOLIO_FLAGS != OFF_ABSENT
	if (read_u64(folio + OFF_FOLIO_FLAGS) & (1ULL << PG_HEAD))
		return read_u32(folio + OFF_FOLIO_PAGES);
#endif
	return 1;
}

RAW_TRACEPOINT_PROBE(mm_filemap_add_to_page_cache)
{
	if (!is_armed())
		return 0;
	struct page_cache_value *value = cache_of(folio_inode(ctx->args[0]));
	if (value)
		value->added_pages += folio_pages(ctx->args[0]);
	return 0;
}

RAW_TRACEPOINT_PROBE(mm_filemap_delete_from_page_cache)
{
	if (!is_armed())
		return 0;
	struct page_cache_value *value = cache_of(folio_inode(ctx->args[0]));
	if (!value)
		return 0;
	u64 pages = folio_pages(ctx->args[0]);
	if (read_u32(bpf_get_current_task() + OFF_TASK_FLAGS) & PF_MEMALLOC)
		value->evicted_pages += pages;
	else
		value->removed_pages += pages;
	return 0;
}

#if LOOKUP_ARGS != OFF_ABSENT
/* A read that is done in several goes asks each time for all that is left: that has been counted already. */
struct page_cache_read { u64 mapping, first, last, reads; };
BPF_TABLE("lru_hash", u32, struct page_cache_read, page_cache_reads, 8192);

static __always_inline u64 reads_so_far(void)
{
#if OFF_TASK_READS != OFF_ABSENT
	return read_u64(bpf_get_current_task() + OFF_TASK_READS);
#else
	return 0;
#endif
}

RAW_TRACEPOINT_PROBE(mm_filemap_get_pages)
{
	if (!is_armed())
		return 0;
	u64 mapping = ctx->args[0], inode = read_u64(mapping + OFF_MAPPING_HOST);
	struct page_cache_read now = {.mapping = mapping, .first = ctx->args[1], .last = ctx->args[2]};
	now.reads = reads_so_far();
#if OFF_INODE_SIZE != OFF_ABSENT
	u64 size = read_u64(inode + OFF_INODE_SIZE);
	if (size && now.last > (size - 1) >> 12)
		now.last = (size - 1) >> 12; /* a buffer may be larger than the file */
#endif
	if (now.last < now.first)
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct page_cache_read *before = page_cache_reads.lookup(&tid);
	if (before && before->mapping == mapping && before->last == now.last && before->reads == now.reads &&
	    before->first < now.first) {
		before->first = now.first;
		return 0;
	}
	struct page_cache_value *value = cache_of(inode);
	if (!value)
		return 0;
	value->looked_up_pages += now.last - now.first + 1;
	if (now.last > now.first)
		page_cache_reads.update(&tid, &now);
	return 0;
}
#endif
