/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One record for each context switch. Args are (preempted, prev, next) and, newer, the state that prev left in. */

/* As the kernel's own tracepoint shows it: one bit, 0 for a thread that could have run on. */
static __always_inline u16 shown_state(u32 state)
{
	if (state & 0x80) /* TASK_DEAD */
		return 16;
	if ((state & 0x402) == 0x402) /* TASK_IDLE: a kernel thread with nothing to do */
		return 128;
	return state & 0x7f;
}

RAW_TRACEPOINT_PROBE(sched_switch)
{
	u64 prev = ctx->args[1], next = ctx->args[2];
	if (!is_armed() || !(is_in_scope(prev) || is_in_scope(next)))
		return 0;
	struct switches_record *r = switches_reserve();
	if (!r)
		return 0;
	u32 state = left_in(ctx);
	r->prev_tid = task_tid(prev);
	r->next_tid = task_tid(next);
	r->prev_state = (ctx->args[0] & 1) ? 0 : shown_state(state);
	r->cpu = bpf_get_smp_processor_id();
	switches_submit(r);
	return 0;
}
