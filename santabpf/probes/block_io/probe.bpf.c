/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A request is made (block_io_start), issued to the driver, maybe more than once, and completed, maybe in parts.
 * It is known by its address, which no other has while it is in flight. Args are (request); in 5.10 (queue, request).
 */
#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define OP_FLUSH 2 /* include/linux/blk_types.h, enum req_op */

struct block_io_begun {
	u64 made, issued, start_ns, bytes, sector;
	s32 tgid;
	u32 by_kernel;
	char comm[16];
};
BPF_HASH(block_io_flying, u64, struct block_io_begun, 16384);

static __always_inline u32 request_op(u64 rq) { return read_u32(rq + OFF_RQ_FLAGS) & 0xff; }

static __always_inline void request_disk(char *to, u64 rq)
{
#if OFF_Q_DISK != OFF_ABSENT
	u64 disk = read_u64(read_u64(rq + OFF_RQ_DISK) + OFF_Q_DISK); /* by its queue */
#else
	u64 disk = read_u64(rq + OFF_RQ_DISK);
#endif
	if (disk)
		bpf_probe_read_kernel_str(to, 32, (void *)(disk + OFF_DISK_NAME));
}

static __always_inline void op_name(char *to, u32 op)
{
	if (op == 0)
		__builtin_memcpy(to, "read\0\0\0", 8);
	else if (op == 1)
		__builtin_memcpy(to, "write\0\0", 8);
	else if (op == OP_FLUSH)
		__builtin_memcpy(to, "flush\0\0", 8);
	else if (op == 3 || op == 5)
		__builtin_memcpy(to, "discard", 8);
	else if (op == 9)
		__builtin_memcpy(to, "zeroes\0", 8);
	else if (op == 34 || op == 35)
		__builtin_memcpy(to, "driver\0", 8);
	else
		__builtin_memcpy(to, "other\0\0", 8);
}

/* Who runs now made this request. */
static __always_inline void made_here(u64 rq, u64 issued)
{
	u64 task = bpf_get_current_task();
	if (!is_in_scope(task))
		return;
	struct block_io_begun b = {.issued = issued};
#if START_ARGS != OFF_ABSENT
	b.made = bpf_ktime_get_ns(); /* the request's own time is set only after this */
#else
	b.made = read_u64(rq + OFF_RQ_START);
#endif
	b.bytes = read_u32(rq + OFF_RQ_BYTES);
	b.sector = read_u64(rq + OFF_RQ_SECTOR);
	b.start_ns = task_start(task);
	b.tgid = task_tgid(task);
	b.by_kernel = (read_u32(task + OFF_TASK_FLAGS) & PF_KTHREAD) != 0;
	bpf_get_current_comm(b.comm, sizeof(b.comm));
	if (block_io_flying.update(&rq, &b))
		santa_count(BLOCK_IO_HIST_MAP_FULL);
}

#if START_ARGS != OFF_ABSENT
RAW_TRACEPOINT_PROBE(block_io_start)
{
	if (is_armed())
		made_here(ctx->args[0], 0);
	return 0;
}
#else
RAW_TRACEPOINT_PROBE(block_rq_insert)
{
	u64 rq = ctx->args[ISSUE_ARGS - 1];
	/* Inserted again by whoever runs the queue, it stays the one's that made it. */
	struct block_io_begun *known = block_io_flying.lookup(&rq);
	if (is_armed() && !(known && known->made && known->made == read_u64(rq + OFF_RQ_START)))
		made_here(rq, 0);
	return 0;
}
#endif

RAW_TRACEPOINT_PROBE(block_rq_issue)
{
	if (!is_armed())
		return 0;
	u64 rq = ctx->args[ISSUE_ARGS - 1];
	u64 now = bpf_ktime_get_ns();
	struct block_io_begun *known = block_io_flying.lookup(&rq);
	if (request_op(rq) != OP_FLUSH) {
		if (known) {
			if (!known->issued) { /* others may have been merged into it */
				known->bytes = read_u32(rq + OFF_RQ_BYTES);
				known->sector = read_u64(rq + OFF_RQ_SECTOR);
			}
			known->issued = now;
			return 0;
		}
#if START_ARGS == OFF_ABSENT
		made_here(rq, now);
		return 0;
#endif
	}
#if SANTA_SCOPE == SCOPE_NODE
	/* A flush is the block layer's own, for all who wait for it; another was made before the arming. */
	struct block_io_begun b = {.issued = now, .made = read_u64(rq + OFF_RQ_START)};
	b.bytes = read_u32(rq + OFF_RQ_BYTES);
	b.sector = request_op(rq) == OP_FLUSH ? -1 : read_u64(rq + OFF_RQ_SECTOR);
	if (block_io_flying.update(&rq, &b))
		santa_count(BLOCK_IO_HIST_MAP_FULL);
#endif
	return 0;
}

/* Until 5.15 an errno below 0, since then a blk_status_t: block/blk-core.c, blk_errors. Those from 14 on moved. */
static __always_inline s32 status_errno(s32 status)
{
	if (status <= 0)
		return -status;
	switch (status) {
	case 1: return 95; /* NOTSUPP */
	case 2: return 110; /* TIMEOUT */
	case 3: return 28; /* NOSPC */
	case 4: return 67; /* TRANSPORT */
	case 5: return 121; /* TARGET */
	case 6: return 52; /* RESV_CONFLICT */
	case 7: return 61; /* MEDIUM */
	case 8: return 84; /* PROTECTION */
	case 9: return 12; /* RESOURCE */
	case 10: return 5; /* IOERR */
	case 12: return 11; /* AGAIN */
	case 13: return 16; /* DEV_RESOURCE */
	}
	return -1;
}

static __always_inline void report_request(u64 rq, struct block_io_begun *b, u64 device_ns, s64 queue_ns, s32 status)
{
	struct block_io_record *r = block_io_reserve();
	if (!r)
		return;
	r->start_ns = b->start_ns;
	r->device_ns = device_ns;
	r->queue_ns = queue_ns;
	r->sector = b->sector;
	r->data_bytes = b->bytes;
	r->tgid = b->tgid;
	r->error = status_errno(status);
	r->is_failed = status != 0;
	r->by_kernel = b->by_kernel;
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), b->comm);
	request_disk(r->disk, rq);
	op_name(r->op, request_op(rq));
	block_io_submit(r);
}

RAW_TRACEPOINT_PROBE(block_rq_complete)
{
	u64 rq = ctx->args[0];
	struct block_io_begun *b = block_io_flying.lookup(&rq);
	if (!b)
		return 0;
	s32 status = ctx->args[1] & 0xff;
	if ((s32)ctx->args[1] < 0)
		status = ctx->args[1];
	u32 left = read_u32(rq + OFF_RQ_BYTES), done = ctx->args[2];
	if (!status && left > done)
		return 0; /* the rest is still to come */
	if (!b->issued) { /* an fsync without data: done by a flush, never issued itself */
		block_io_flying.delete(&rq);
		return 0;
	}
	u64 device_ns = bpf_ktime_get_ns() - b->issued;
	s64 queue_ns = !b->made ? -1 : b->made < b->issued ? b->issued - b->made : 0;
	u64 total_ns = device_ns + (queue_ns > 0 ? queue_ns : 0);
	struct block_io_hist_key key = {};
	request_disk(key.disk, rq);
	op_name(key.op, request_op(rq));
	u32 slot = device_ns < 2 ? 0 : bpf_log2l(device_ns) - 1;
	key.device_ns = slot < 40 ? slot : 39;
	struct block_io_hist_value *value = block_io_hist_at(&key);
	if (value) {
		value->requests++;
		value->failed += status != 0;
		value->data_bytes += b->bytes;
		value->device_sum_ns += device_ns;
		value->queue_sum_ns += queue_ns > 0 ? queue_ns : 0;
	}
	if (status || total_ns >= MIN_TOTAL_NS)
		report_request(rq, b, device_ns, queue_ns, status);
	block_io_flying.delete(&rq);
	return 0;
}
