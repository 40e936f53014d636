/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A bio is submitted (block_bio_queue), becomes a request (block_io_start) or part of one, which is issued to the driver,
 * maybe more than once, and completed, maybe in parts. Each is known by its address, which no other has meanwhile.
 * Args are (request) and (bio); in 5.10 (queue, request) and (queue, bio).
 *
 * Who waits is seen from the other end: completing a request wakes, there and then, those who slept until it was done.
 */
#define PF_WQ_WORKER 0x00000020 /* include/linux/sched.h */
#define PF_KTHREAD 0x00200000
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_NOLOAD 0x0400 /* asleep like that, but idle */
#define WAKES_NS 1000000ULL /* completing takes some microseconds; in a guest whose host is busy, longer */
#define OP_FLUSH 2 /* include/linux/blk_types.h, enum req_op */
#define THROTTLE_QUEUE 0x646c746f7268746bULL /* "kthrotld", block/blk-throttle.c */

struct block_io_begun {
	u64 submitted; /* 0 where that is not known */
	u64 made, issued, start_ns, bytes, sector;
	s32 tgid;
	u8 in_scope, by_kernel, throttled, pad;
	char comm[16];
};
BPF_HASH(block_io_flying, u64, struct block_io_begun, 16384);
/*
 * Bio -> when it was submitted; 0 where a cgroup's limit held it back before, and nobody saw for how long. The end of one
 * that was merged into another's request is not told, so that the oldest make room.
 */
BPF_TABLE("lru_hash", u64, u64, block_io_bios, 16384);

static __always_inline u32 request_op(u64 rq) { return read_u32(rq + OFF_RQ_FLAGS) & 0xff; }
static __always_inline int is_for_the_driver(u32 op) { return op == 34 || op == 35; }

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
	else if (is_for_the_driver(op))
		__builtin_memcpy(to, "driver\0", 8);
	else
		__builtin_memcpy(to, "other\0\0", 8);
}

/* Does it submit what a cgroup's limit held back? */
static __always_inline int is_throttle_worker(u64 task)
{
	if (!(read_u32(task + OFF_TASK_FLAGS) & PF_WQ_WORKER))
		return 0;
	u64 worker = read_u64(read_u64(task + OFF_TASK_KTHREAD) + OFF_KTHREAD_DATA);
	return read_u64(read_u64(read_u64(worker + OFF_WORKER_PWQ) + OFF_PWQ_WQ) + OFF_WQ_NAME) == THROTTLE_QUEUE;
}

RAW_TRACEPOINT_PROBE(block_bio_queue)
{
	if (!is_armed())
		return 0;
	u64 bio = ctx->args[BIO_ARGS - 1];
	u64 now = is_throttle_worker(bpf_get_current_task()) ? 0 : bpf_ktime_get_ns();
	if (block_io_bios.update(&bio, &now))
		santa_count(BLOCK_IO_MAP_FULL);
	return 0;
}

/* A disk that works on bios, or nobody, has done with it; of one that became a request this is not told. */
RAW_TRACEPOINT_PROBE(block_bio_complete)
{
	u64 bio = ctx->args[1];
	block_io_bios.delete(&bio);
	return 0;
}

/* A part that is split off is new, whatever lay there before. */
RAW_TRACEPOINT_PROBE(block_split)
{
	u64 part = ctx->args[SPLIT_ARGS - 2];
	block_io_bios.delete(&part);
	return 0;
}

/* Since when its first bio is on its way. What is split off a large one leads to that (bio_chain, block/bio.c). */
static __always_inline void find_submitted(struct block_io_begun *b, u64 rq)
{
	u64 bio = read_u64(rq + OFF_RQ_BIO);
	if (!bio || is_for_the_driver(request_op(rq))) {
		b->submitted = b->made;
		return;
	}
	u64 *queued = block_io_bios.lookup(&bio);
	u64 whole = queued ? 0 : read_u64(bio + OFF_BIO_PRIVATE);
	if (whole)
		queued = block_io_bios.lookup(&whole);
	if (!queued)
		return;
	b->submitted = *queued;
	b->throttled = !*queued;
	if (!whole)
		block_io_bios.delete(&bio);
}

/* Who runs now made this request, unless it only submits what others had to wait with. */
static __always_inline void made_here(u64 rq, u64 issued)
{
	u64 task = bpf_get_current_task();
	struct block_io_begun b = {.issued = issued};
#if HAS_BLOCK_IO_START
	b.made = bpf_ktime_get_ns(); /* the request's own time is set only after this */
#else
	b.made = read_u64(rq + OFF_RQ_START);
#endif
	find_submitted(&b, rq);
	b.bytes = read_u32(rq + OFF_RQ_BYTES);
	b.sector = read_u64(rq + OFF_RQ_SECTOR);
	b.in_scope = is_in_scope(task);
	if (!b.throttled) {
		b.by_kernel = (read_u32(task + OFF_TASK_FLAGS) & PF_KTHREAD) != 0;
		b.start_ns = task_start(task);
		b.tgid = task_tgid(task);
		bpf_get_current_comm(b.comm, sizeof(b.comm));
	}
	if (block_io_flying.update(&rq, &b))
		santa_count(BLOCK_IO_HIST_MAP_FULL);
}

#if HAS_BLOCK_IO_START
RAW_TRACEPOINT_PROBE(block_io_start)
{
	if (is_armed())
		made_here(ctx->args[0], 0);
	return 0;
}
#elif HAS_BLOCK_RQ_INSERT
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
#if !HAS_BLOCK_IO_START
		made_here(rq, now);
		return 0;
#endif
	}
	/* A flush is the block layer's own, for all who wait for it; another was made before the arming. */
	struct block_io_begun b = {.issued = now, .in_scope = SANTA_SCOPE == SCOPE_NODE};
	if (request_op(rq) == OP_FLUSH)
		b.submitted = read_u64(rq + OFF_RQ_START);
	b.bytes = read_u32(rq + OFF_RQ_BYTES);
	b.sector = request_op(rq) == OP_FLUSH ? -1 : read_u64(rq + OFF_RQ_SECTOR);
	if (block_io_flying.update(&rq, &b))
		santa_count(BLOCK_IO_HIST_MAP_FULL);
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

static __always_inline s64 queued_for(struct block_io_begun *b)
{
	if (!b->submitted)
		return -1;
	return b->submitted < b->issued ? b->issued - b->submitted : 0;
}

static __always_inline void report_request(u64 rq, struct block_io_begun *b, u64 device_ns, s32 status)
{
	struct block_io_record *r = block_io_reserve();
	if (!r)
		return;
	r->start_ns = b->start_ns;
	r->device_ns = device_ns;
	r->queue_ns = queued_for(b);
	r->sector = b->sector;
	r->data_bytes = b->bytes;
	r->tgid = b->tgid;
	r->error = status_errno(status);
	r->is_failed = status != 0;
	r->by_kernel = b->by_kernel;
	r->throttled = b->throttled;
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), b->comm);
	request_disk(r->disk, rq);
	op_name(r->op, request_op(rq));
	block_io_submit(r);
}

/* The request that this CPU is just completing, if any: whom it wakes now, slept for it. */
struct block_io_ending {
	u64 rq; /* 0 for none */
	u64 at; /* since when: some requests do not tell when they are through */
	u64 device_ns, bytes, sector;
	s64 queue_ns;
	s32 status;
	u32 op;
	u64 throttled;
};
BPF_PERCPU_ARRAY(block_io_endings, struct block_io_ending, 1);

/* Thread -> since when it sleeps, undisturbed by signals, and how often it had left its CPU: to tell this time from others. */
struct block_io_sleep {
	u64 since, times;
};
BPF_TABLE("lru_hash", u64, struct block_io_sleep, block_io_asleep, 16384);

static __always_inline u64 times_left(u64 task)
{
	return read_u64(task + OFF_TASK_SLEEPS) + read_u64(task + OFF_TASK_PREEMPTED);
}

/* One that is about to sleep is woken, too: what is known is then an earlier sleep of its. */
static __always_inline int is_on_cpu(u64 task)
{
#if OFF_TASK_ON_CPU != OFF_ABSENT
	return read_u32(task + OFF_TASK_ON_CPU) != 0;
#else
	return 0;
#endif
}

static __always_inline void wakes_from_now(u64 rq, struct block_io_begun *b, u64 device_ns, s32 status)
{
	u32 slot = 0;
	struct block_io_ending *e = block_io_endings.lookup(&slot);
	if (!e)
		return;
	e->rq = rq;
	e->at = bpf_ktime_get_ns();
	e->device_ns = device_ns;
	e->queue_ns = queued_for(b);
	e->bytes = b->bytes;
	e->sector = b->sector;
	e->status = status;
	e->op = request_op(rq);
	e->throttled = b->throttled;
}

static __always_inline void wakes_no_more(void)
{
	u32 slot = 0;
	struct block_io_ending *e = block_io_endings.lookup(&slot);
	if (e)
		e->rq = 0;
}

#if HAS_BLOCK_RQ_ERROR
/* Before this, the kernel has written of the error to the console, which may be a slow one; after it, it wakes. */
RAW_TRACEPOINT_PROBE(block_rq_error)
{
	u32 slot = 0;
	struct block_io_ending *e = block_io_endings.lookup(&slot);
	if (e)
		e->at = bpf_ktime_get_ns();
	return 0;
}
#endif

#if HAS_BLOCK_IO_DONE
RAW_TRACEPOINT_PROBE(block_io_done)
{
	wakes_no_more();
	return 0;
}
#endif

/* Args are (preempted, prev, next) and, newer, the state that prev left in. */
RAW_TRACEPOINT_PROBE(sched_switch)
{
	u64 prev = ctx->args[1];
	u32 state = left_in(ctx);
#if !HAS_BLOCK_IO_DONE
	wakes_no_more(); /* whoever completed it has gone on to something else */
#endif
	if ((ctx->args[0] & 1) || (state & (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)) != TASK_UNINTERRUPTIBLE)
		return 0;
	struct block_io_sleep sleep = {.since = bpf_ktime_get_ns(), .times = times_left(prev)};
	block_io_asleep.update(&prev, &sleep);
	return 0;
}

#if HAS_SCHED_WAKING
static __always_inline void report_wait(u64 task, struct block_io_ending *e, u64 waited_ns)
{
	struct block_io_waits_record *r = block_io_waits_reserve();
	if (!r)
		return;
	r->start_ns = task_start(task);
	r->waited_ns = waited_ns;
	r->device_ns = e->device_ns;
	r->queue_ns = e->queue_ns;
	r->sector = e->sector;
	r->data_bytes = e->bytes;
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	r->error = status_errno(e->status);
	r->is_failed = e->status != 0;
	r->throttled = e->throttled;
	task_comm(r->comm, task);
	request_disk(r->disk, e->rq);
	op_name(r->op, e->op);
	block_io_waits_submit(r);
}

RAW_TRACEPOINT_PROBE(sched_waking)
{
	u64 task = ctx->args[0];
	u32 slot = 0;
	struct block_io_ending *e = block_io_endings.lookup(&slot);
	if (!e || !e->rq)
		return 0;
	struct block_io_sleep *sleep = block_io_asleep.lookup(&task);
	if (!sleep || sleep->times != times_left(task) || is_on_cpu(task))
		return 0;
	u64 now = bpf_ktime_get_ns(), waited_ns = now - sleep->since;
	if (now - e->at > WAKES_NS)
		return 0;
	if ((e->status || waited_ns >= MIN_TOTAL_NS) && is_in_scope(task))
		report_wait(task, e, waited_ns);
	return 0;
}
#endif

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
	wakes_from_now(rq, b, device_ns, status);
	if (b->in_scope) {
		s64 queue_ns = queued_for(b);
		u64 known_ns = queue_ns > 0 ? queue_ns : 0;
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
			value->queue_sum_ns += known_ns;
		}
		if (status || device_ns + known_ns >= MIN_TOTAL_NS)
			report_request(rq, b, device_ns, status);
	}
	block_io_flying.delete(&rq);
	return 0;
}
