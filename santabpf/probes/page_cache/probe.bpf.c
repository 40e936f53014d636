/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (folio), before folios (page); of mm_filemap_get_pages (mapping, first page, last page). */
#define PF_MEMALLOC 0x00000800 /* include/linux/sched.h: it is freeing memory */
#define MAGIC_BDEV 0x62646576 /* include/uapi/linux/magic.h */
#define MAGIC_TMPFS 0x01021994
#define COUNTS_READS (HAS_SYS_ENTER_READ && HAS_SYS_EXIT_READ && HAS_SYS_ENTER_PREAD64 && HAS_SYS_EXIT_PREAD64 && \
	OFF_FILE_INODE != OFF_ABSENT && OFF_FILE_FLAGS != OFF_ABSENT && OFF_FILE_POS != OFF_ABSENT && \
	OFF_INODE_MODE != OFF_ABSENT && OFF_TASK_FILES != OFF_ABSENT && OFF_FILES_FDT != OFF_ABSENT && \
	OFF_FDT_FD != OFF_ABSENT)

#define COUNTS_MISSES (OFF_FOLIO_INDEX != OFF_ABSENT && OFF_TASK_READS != OFF_ABSENT && OFF_TASK_WRITES != OFF_ABSENT)
#define COUNTS_RETURNS (OFF_FOLIO_INDEX != OFF_ABSENT && OFF_INODE_SIZE != OFF_ABSENT && OFF_INODE_NUMBER != OFF_ABSENT && \
	OFF_INODE_GENERATION != OFF_ABSENT)

/*
 * Of a page that a read asked for, and that the same call had to add, nobody had thought before: it was missed. How many
 * calls the thread has done tells whether it is the same. And a read that is done in several goes asks each time for all
 * that is left: that has been counted already.
 */
struct page_cache_thread {
	u64 inode, first, end, pages, calls; /* what it added last */
	u64 read_inode, read_first, read_last, read_calls; /* what it looked up last, of more than a page */
};
BPF_TABLE("lru_hash", u32, struct page_cache_thread, page_cache_threads, 8192);

static __always_inline struct page_cache_thread *this_thread(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	return page_cache_threads.lookup(&tid);
}

static __always_inline struct page_cache_thread *this_thread_or_new(void)
{
	struct page_cache_thread *known = this_thread(), fresh = {};
	if (known)
		return known;
	u32 tid = bpf_get_current_pid_tgid();
	page_cache_threads.update(&tid, &fresh);
	return page_cache_threads.lookup(&tid);
}

static __always_inline u64 calls_so_far(void)
{
#if COUNTS_MISSES
	u64 task = bpf_get_current_task();
	return read_u64(task + OFF_TASK_READS) + read_u64(task + OFF_TASK_WRITES);
#else
	return 0;
#endif
}

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
#if !COUNTS_MISSES || (!HAS_MM_FILEMAP_GET_PAGES && !COUNTS_READS)
	if (value)
		value->missed_pages = ~0ULL;
#endif
#if !COUNTS_RETURNS
	if (value)
		value->returned_pages = ~0ULL;
#endif
	return value;
}

/* This thread adds pages from this one on. */
static __always_inline void adds(u64 inode, u64 first, u64 pages)
{
	struct page_cache_thread *t = this_thread_or_new();
	u64 calls = calls_so_far();
	if (!t)
		return;
	if (t->inode != inode || t->calls != calls || t->end > first) {
		t->inode = inode;
		t->calls = calls;
		t->first = first;
		t->pages = 0;
	}
	t->end = first + pages;
	t->pages += pages;
}

/* How many of the pages from first to last that call of this thread has added; each is told once. */
static __always_inline u64 missed(struct page_cache_thread *t, u64 inode, u64 first, u64 last, u64 calls)
{
	if (!t || t->inode != inode || t->calls != calls)
		return 0;
	u64 from = t->first > first ? t->first : first, to = t->end <= last ? t->end : last + 1;
	if (to <= from)
		return 0;
	u64 pages = to - from < t->pages ? to - from : t->pages;
	t->first = to; /* what lies behind is read ahead */
	t->pages -= pages;
	return pages;
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

#if COUNTS_RETURNS
/*
 * What was evicted is remembered until something else needs its place, and until it returns. Pages that follow each other
 * in a file have places that do, so they are never in each other's way. Who has a place is told by 64 bits: where they are
 * the same, so is the page.
 */
#define EVICTIONS 262144 /* 1 GiB of pages */
#define SOON_NS 600000000000ULL
#define FOLIO_MAX 64 /* pages of one folio that are looked at: of a larger one each second, each fourth, ... */
struct page_cache_eviction { u64 page, ts_ns; };
BPF_ARRAY(page_cache_evictions, struct page_cache_eviction, EVICTIONS);

/* Of a file, not of its place in memory, which the next one may be given. */
static __always_inline u64 file_bits(u64 inode)
{
	u64 bits = (read_u64(inode + OFF_INODE_SB) ^ read_u32(inode + OFF_INODE_GENERATION)) * 0x9e3779b97f4a7c15ULL;
	bits = (bits ^ bits >> 32 ^ read_u64(inode + OFF_INODE_NUMBER)) * 0xbf58476d1ce4e5b9ULL;
	return bits ^ bits >> 32;
}

static __always_inline u64 page_bits(u64 file, u64 index) { return file + index * 0x94d049bb133111ebULL; }

static __always_inline struct page_cache_eviction *place_of(u64 file, u64 index)
{
	u32 slot = (file + index) & (EVICTIONS - 1);
	return page_cache_evictions.lookup(&slot);
}

/* How many pages of a folio each one stands for that is looked at. */
static __always_inline u64 stands_for(u64 pages) { return pages > FOLIO_MAX ? pages / FOLIO_MAX : 1; }

static __always_inline void evicts(u64 inode, u64 first, u64 pages)
{
	u64 file = file_bits(inode), now = bpf_ktime_get_ns(), each = stands_for(pages);
#pragma unroll
	for (u32 i = 0; i < FOLIO_MAX; i++) {
		u64 index = first + i * each;
		if (i >= pages)
			break;
		struct page_cache_eviction *place = place_of(file, index);
		if (!place)
			break;
		place->page = page_bits(file, index);
		place->ts_ns = now;
	}
}

/* How many of these pages had been evicted not long ago. What is written past the end of its file is new. */
static __always_inline u64 returned(u64 inode, u64 first, u64 pages)
{
	u64 file = file_bits(inode), count = 0, each = stands_for(pages);
#pragma unroll
	for (u32 i = 0; i < FOLIO_MAX; i++) {
		u64 index = first + i * each;
		if (i >= pages)
			break;
		struct page_cache_eviction *place = place_of(file, index);
		if (!place)
			break;
		if (place->page != page_bits(file, index))
			continue;
		place->page = 0;
		if (index << 12 < read_u64(inode + OFF_INODE_SIZE) && bpf_ktime_get_ns() - place->ts_ns < SOON_NS)
			count += each;
	}
	return count;
}
#endif

RAW_TRACEPOINT_PROBE(mm_filemap_add_to_page_cache)
{
	if (!is_armed())
		return 0;
	u64 folio = ctx->args[0], inode = folio_inode(folio), pages = folio_pages(folio);
	struct page_cache_value *value = cache_of(inode);
	if (!value)
		return 0;
	value->added_pages += pages;
#if OFF_FOLIO_INDEX != OFF_ABSENT
	u64 first = read_u64(folio + OFF_FOLIO_INDEX);
#endif
#if COUNTS_MISSES
	adds(inode, first, pages);
#endif
#if COUNTS_RETURNS
	value->returned_pages += returned(inode, first, pages);
#endif
	return 0;
}

RAW_TRACEPOINT_PROBE(mm_filemap_delete_from_page_cache)
{
	if (!is_armed())
		return 0;
	u64 folio = ctx->args[0], inode = folio_inode(folio), pages = folio_pages(folio);
	struct page_cache_value *value = cache_of(inode);
	if (!value)
		return 0;
	if (!(read_u32(bpf_get_current_task() + OFF_TASK_FLAGS) & PF_MEMALLOC)) {
		value->removed_pages += pages;
		return 0;
	}
	value->evicted_pages += pages;
#if COUNTS_RETURNS
	evicts(inode, read_u64(folio + OFF_FOLIO_INDEX), pages);
#endif
	return 0;
}

#if HAS_MM_FILEMAP_GET_PAGES
RAW_TRACEPOINT_PROBE(mm_filemap_get_pages)
{
	if (!is_armed())
		return 0;
	u64 inode = read_u64(ctx->args[0] + OFF_MAPPING_HOST), first = ctx->args[1], last = ctx->args[2];
	u64 calls = calls_so_far();
#if OFF_INODE_SIZE != OFF_ABSENT
	u64 size = read_u64(inode + OFF_INODE_SIZE);
	if (size && last > (size - 1) >> 12)
		last = (size - 1) >> 12; /* a buffer may be larger than the file */
#endif
	if (last < first)
		return 0;
	struct page_cache_value *value = cache_of(inode);
	if (!value)
		return 0;
	struct page_cache_thread *t = this_thread();
#if COUNTS_MISSES
	value->missed_pages += missed(t, inode, first, last, calls);
#endif
	int goes_on = t && t->read_inode == inode && t->read_last == last && t->read_calls == calls && t->read_first < first;
	if (!goes_on)
		value->looked_up_pages += last - first + 1;
	if (last > first && !t)
		t = this_thread_or_new();
	if (t && (last > first || goes_on)) {
		t->read_inode = inode;
		t->read_first = first;
		t->read_last = last;
		t->read_calls = calls;
	}
	return 0;
}
#elif COUNTS_READS
/* Where the kernel does not tell of lookups: the pages that a read of a regular file returned bytes of. */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define O_DIRECT 040000
struct page_cache_call { u64 inode, position, calls; };
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
	struct page_cache_call call = {.inode = inode, .calls = calls_so_far()};
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
	u64 inode = call->inode, calls = call->calls;
	u64 first = call->position >> 12, last = (call->position + bytes - 1) >> 12;
	page_cache_calls.delete(&tid);
	struct page_cache_value *value = bytes > 0 ? cache_of(inode) : 0;
	if (!value)
		return 0;
	value->looked_up_pages += last - first + 1;
#if COUNTS_MISSES
	value->missed_pages += missed(this_thread(), inode, first, last, calls);
#endif
	return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_read) { return read_begins(args->fd, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_read) { return read_ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pread64) { return read_begins(args->fd, args->pos, 1); }
TRACEPOINT_PROBE(syscalls, sys_exit_pread64) { return read_ends(args->ret); }
#endif
