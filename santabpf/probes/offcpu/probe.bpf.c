/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A thread blocks when it is switched out although it may not run on, until it is switched in again. Only at the first of
 * these is it the current one, so that its stacks can be taken: there they are taken, for every block, and kept by thread.
 * Args of sched_switch are (preempted, prev, next) and, newer, the state that prev left in.
 */
#define FRAME_BYTES 32 /* struct bpf_stack_build_id */
#define STATE_SLEEPS 1
#define STATE_DISK 2
#define STATE_STOPPED 4
#define STATE_TRACED 8
#define STATE_DEAD 0x80
#define STATE_NOLOAD 0x400 /* a thread of the kernel's that only waits for work */

struct block {
	u64 since_ns; /* 0: it runs, or could */
	u32 state;
	u32 cut;
	u64 kernel_stack[32];
	char user_frames[32 * FRAME_BYTES];
};
/* Made once for each thread: copying 1.3 KB into a new entry at each block would cost more than the stacks do. */
BPF_HASH(offcpu_blocks, u32, struct block, 8192);
BPF_PERCPU_ARRAY(offcpu_zero, struct block, 1);

static __always_inline struct block *block_of(u32 tid)
{
	struct block *found = offcpu_blocks.lookup(&tid);
	if (found)
		return found;
	u32 slot = 0;
	struct block *zero = offcpu_zero.lookup(&slot);
	if (!zero)
		return 0;
	offcpu_blocks.insert(&tid, zero);
	found = offcpu_blocks.lookup(&tid);
	if (!found)
		santa_count(OFFCPU_TOTAL_MAP_FULL);
	return found;
}

static __always_inline void take_stacks(struct block *b, void *ctx, u64 task)
{
	b->cut = 0;
	int bytes = bpf_get_stack(ctx, b->kernel_stack, sizeof(b->kernel_stack), 0);
	if (bytes < 0)
		b->kernel_stack[0] = STACK_UNREADABLE;
	b->cut |= bytes == sizeof(b->kernel_stack);
	if (!read_u64(task + OFF_TASK_MM)) { /* a thread of the kernel's */
		*(s32 *)b->user_frames = 0;
		return;
	}
	bytes = bpf_get_stack(ctx, b->user_frames, sizeof(b->user_frames), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	if (bytes < 0)
		*(s32 *)b->user_frames = FRAMES_UNREADABLE;
	b->cut |= bytes == sizeof(b->user_frames);
}

static __always_inline void put_state(char *to, u32 state)
{
	to[0] = state & STATE_SLEEPS ? 'S' : state & STATE_DISK ? 'D' : state & STATE_STOPPED ? 'T'
		: state & STATE_TRACED ? 't' : '?';
}

static __always_inline void now_key(struct offcpu_now_key *key, u64 task)
{
	key->start_ns = task_start(task);
	key->tgid = task_tgid(task);
	key->tid = task_tid(task);
}

static __always_inline int is_told_now(u32 state)
{
	return (state & STATE_DISK) || TELL_SLEEPERS;
}

static __always_inline void tell_now(struct block *b, u64 task)
{
	struct offcpu_now_key key = {};
	now_key(&key, task);
	struct offcpu_now_value *now = offcpu_now_at(&key);
	if (!now)
		return;
	now->since_ns = b->since_ns;
	put_state(now->state, b->state);
	task_comm(now->comm, task);
	bpf_probe_read_kernel(now->kernel_stack, sizeof(now->kernel_stack), b->kernel_stack);
}

static __always_inline void leaves(void *ctx, u64 prev, u32 state)
{
	u64 now = bpf_ktime_get_ns(); /* before the stacks, which take some µs */
	u32 tid = task_tid(prev);
	if (!tid || (state & (STATE_DEAD | STATE_NOLOAD)) || !is_in_scope(prev))
		return;
	struct block *b = block_of(tid);
	if (!b)
		return;
	take_stacks(b, ctx, prev);
	b->state = state;
	b->since_ns = now;
	if (is_told_now(state))
		tell_now(b, prev);
}

static __always_inline void report(struct block *b, u64 next, u64 blocked)
{
	struct offcpu_record *r = offcpu_reserve();
	if (!r)
		return;
	r->start_ns = task_start(next);
	r->blocked_ns = blocked;
	r->tgid = task_tgid(next);
	r->tid = task_tid(next);
	r->cpu = bpf_get_smp_processor_id();
	r->cut = b->cut;
	put_state(r->state, b->state);
	task_comm(r->comm, next);
	bpf_probe_read_kernel(r->kernel_stack, sizeof(r->kernel_stack), b->kernel_stack);
	bpf_probe_read_kernel(r->user_frames, sizeof(r->user_frames), b->user_frames);
	offcpu_submit(r);
}

static __always_inline void comes(u64 next)
{
	u32 tid = task_tid(next);
	struct block *b = tid ? offcpu_blocks.lookup(&tid) : 0;
	if (!b || !b->since_ns)
		return;
	u64 blocked = bpf_ktime_get_ns() - b->since_ns;
	b->since_ns = 0;
	struct offcpu_total_key key = {};
	key.start_ns = task_start(next);
	key.tgid = task_tgid(next);
	put_state(key.state, b->state);
	struct offcpu_total_value *total = offcpu_total_at(&key);
	if (total) {
		total->blocks++;
		total->blocked_ns += blocked;
	}
	if (is_told_now(b->state)) {
		struct offcpu_now_key gone = {};
		now_key(&gone, next);
		offcpu_now_remove(&gone);
	}
	if (blocked >= MIN_BLOCK_NS)
		report(b, next, blocked);
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	if (!is_armed())
		return 0;
	u64 prev = ctx->args[1];
	u32 state = left_in(ctx);
	if (!(ctx->args[0] & 1) && state)
		leaves(ctx, prev, state);
	comes(ctx->args[2]);
	return 0;
}

/* Thread ids are given anew. */
RAW_TRACEPOINT_PROBE(sched_process_free)
{
	u64 task = ctx->args[0];
	u32 tid = task_tid(task);
	struct block *b = offcpu_blocks.lookup(&tid);
	if (b)
		offcpu_blocks.delete(&tid);
	return 0;
}
