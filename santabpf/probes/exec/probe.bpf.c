/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One record for each successful execve: args are (task, old pid, linux_binprm). */
RAW_TRACEPOINT_PROBE(sched_process_exec)
{
	u64 task = ctx->args[0];
	if (!is_armed() || !is_in_scope(task))
		return 0;
	struct exec_record *r = exec_reserve();
	if (!r)
		return 0;
	u64 parent = task_parent(task);
	u64 group = task_cgroup(task);
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->cgroup_id = cgroup_id(group);
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = bpf_get_current_uid_gid();
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
	cgroup_name(r->cgroup, group);
#if OFF_BPRM_FILENAME != OFF_ABSENT
	bpf_probe_read_kernel_str(r->filename, sizeof(r->filename), (void *)read_u64(ctx->args[2] + OFF_BPRM_FILENAME));
#endif
	/* The kernel has just laid the arguments on the new stack, one after another, each with its NUL. */
	u64 mm = read_u64(task + OFF_TASK_MM);
	u64 first = read_u64(mm + OFF_MM_ARG_START), end = read_u64(mm + OFF_MM_ARG_END);
	u64 length = end - first;
	r->argv_bytes = length;
	if (length > sizeof(r->argv) - 1) {
		length = sizeof(r->argv) - 1;
		r->argv_truncated = 1;
	}
	bpf_probe_read_user(r->argv, length & (sizeof(r->argv) - 1), (void *)first);
	exec_submit(r);
	return 0;
}
