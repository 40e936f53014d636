/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (folio), before folios (page); of mm_filemap_get_pages (mapping, first page, last page). */
#define PF_MEMALLOC 0x00000800 /* include/linux/sched.h: it is freeing memory */
#define MAGIC_BDEV 0x62646576 /* include/uapi/linux/magic.h */
#define MAGIC_TMPFS 0x01021994
#define COUNTS_READS (HAS_SYS_ENTER_READ && HAS_SYS_EXIT_READ && HAS_SYS_ENTER_PREAD64 && HAS_SYS_EXIT_PREAD64 && \
	OFF_FILE_INODE != OFF_ABSENT && OFF_FILE_FLAGS != OFF_ABSENT && OFF_FILE_POS != OFF_ABSENT && \
	OFF_INODE_MODE != OFF_ABSENT && OFF_TASK_FILES != OFF_ABSENT && OFF_FILES_FDT != OFF_ABSENT && \
	OFF_FDT_FD != OFF_ABSENT)

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
	key.counts_lookups = HAS_MM_FILEMAP_GET_PAGES;
	struct page_cache_value *value = page_cache_at(&key);
#if !HAS_MM_FILEMAP_GET_PAGES && !COUNTS_READS
	if (value)
		value->looked_up_pages = ~0ULL; /* unknown */
#endif
	return value;
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

#if HAS_MM_FILEMAP_GET_PAGES
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
#elif COUNTS_READS
/* Where the kernel does not tell of lookups: the pages that a read of a regular file returned bytes of. */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define O_DIRECT 040000
struct page_cache_call { u64 inode, position; };
BPF_TABLE("lru_hash", u32, struct page_cache_call, page_cache_calls, 8192);

static __always_inline int read_begins(u32 fd, u64 position, int is_at_position)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u64 table = read_u64(read_u64(task + OFF_TASK_FILES) + OFF_FILES_FDT);
	u64 file = read_u64(read_u64(table + OFF_FDT_FD) + 8 * (u64)fd), inode = read_u64(file + OFF_FILE_INODE);
	if ((read_u32(inode + OFF_INODE_MODE) & S_IFMT) != S_IFREG || read_u32(file + OFF_FILE_FLAGS) & O_DIRECT)
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct page_cache_call call = {.inode = inode};
	call.position = is_at_position ? position : read_u64(file + OFF_FILE_POS);
	page_cache_calls.update(&tid, &call);
	return 0;
}

static __always_inline int read_ends(s64 bytes)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct page_cache_call *call = page_cache_calls.lookup(&tid);
	if (!call)
		return 0;
	u64 inode = call->inode, first = call->position;
	page_cache_calls.delete(&tid);
	struct page_cache_value *value = bytes > 0 ? cache_of(inode) : 0;
	if (value)
		value->looked_up_pages += ((first + bytes - 1) >> 12) - (first >> 12) + 1;
	return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_read) { return read_begins(args->fd, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_read) { return read_ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pread64) { return read_begins(args->fd, args->pos, 1); }
TRACEPOINT_PROBE(syscalls, sys_exit_pread64) { return read_ends(args->ret); }
#endif
