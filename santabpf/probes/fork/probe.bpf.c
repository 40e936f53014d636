/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One record for each new process; a new thread has another tid than tgid. Args are (parent thread, child). */
RAW_TRACEPOINT_PROBE(sched_process_fork)
{
	u64 parent = ctx->args[0], child = ctx->args[1];
	if (!is_armed() || task_tid(child) != task_tgid(child) || !is_born_in_scope(parent, child))
		return 0;
	struct fork_record *r = fork_reserve();
	if (!r)
		return 0;
	r->start_ns = task_start(child);
	r->pstart_ns = task_start(parent);
	r->tgid = task_tgid(child);
	r->ptgid = task_tgid(parent);
	r->ptid = task_tid(parent);
	r->uid = bpf_get_current_uid_gid();
	task_comm(r->comm, child);
	fork_submit(r);
	return 0;
}
