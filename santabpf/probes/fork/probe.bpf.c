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
	r->cgroup_id = note_cgroup(task_cgroup(child));
	r->tgid = task_tgid(child);
	r->ptgid = task_tgid(parent);
	r->ptid = task_tid(parent);
	r->uid = bpf_get_current_uid_gid();
	task_comm(r->comm, child);
	fork_submit(r);
	return 0;
}

#define NOT_AN_ERROR 512 /* from ERESTARTSYS on: a signal came, and the kernel calls again by itself */

/* call: its name, as the bytes of one number. */
static __always_inline int fork_ends(long result, u64 call)
{
	u64 task = bpf_get_current_task();
	if (result >= 0 || -result >= NOT_AN_ERROR || !is_armed() || !is_in_scope(task))
		return 0;
	struct fork_failed_record *r = fork_failed_reserve();
	if (!r)
		return 0;
	r->start_ns = task_start(task);
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	r->uid = bpf_get_current_uid_gid();
	r->errno = -result;
	__builtin_memcpy(r->call, &call, sizeof(r->call));
	task_comm(r->comm, task);
	fork_failed_submit(r);
	return 0;
}

#if HAS_SYS_EXIT_CLONE
TRACEPOINT_PROBE(syscalls, sys_exit_clone) { return fork_ends(args->ret, 0x656e6f6c63); }
#endif
#if HAS_SYS_EXIT_CLONE3
TRACEPOINT_PROBE(syscalls, sys_exit_clone3) { return fork_ends(args->ret, 0x33656e6f6c63); }
#endif
#if HAS_SYS_EXIT_FORK
TRACEPOINT_PROBE(syscalls, sys_exit_fork) { return fork_ends(args->ret, 0x6b726f66); }
#endif
#if HAS_SYS_EXIT_VFORK
TRACEPOINT_PROBE(syscalls, sys_exit_vfork) { return fork_ends(args->ret, 0x6b726f6676); }
#endif
