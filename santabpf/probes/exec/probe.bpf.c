/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * exec_failed: execvp() tries the directories of PATH one by one, so most errors are followed by a success. A failed
 * call that a search may go on after is kept, by thread, until it is certain how the search ended: the same name was
 * started (then exec.misses counts what was kept), another was, the thread ended, or it tries something else, or the
 * same again after SEARCH_NS. Errors that end a search are told at once.
 */
#define SEARCH_NS 100000000ULL
#define NAME_BYTES 128

struct exec_miss {
	u64 last_ns;
	u32 name; /* hash of what follows the last / */
	u32 tries;
	s32 error;
	u32 pad;
	char filename[NAME_BYTES];
};
BPF_TABLE("lru_hash", u64, u64, exec_calls, 4096); /* thread -> its filename, in user memory */
BPF_TABLE("lru_hash", u64, struct exec_miss, exec_misses, 4096);

static __always_inline u32 name_hash(const char *path)
{
	u32 hash = 5381;
	for (int i = 0; i < NAME_BYTES; i++) {
		char c = path[i];
		if (!c)
			break;
		hash = c == '/' ? 5381 : hash * 33 + c;
	}
	return hash;
}

static __always_inline void tell_failed(u64 task, struct exec_miss *miss)
{
	struct exec_failed_record *r = exec_failed_reserve();
	if (!r)
		return;
	u64 parent = task_parent(task);
	r->failed_ns = miss->last_ns;
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = bpf_get_current_uid_gid();
	r->errno = miss->error;
	r->tries = miss->tries;
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
	__builtin_memcpy(r->filename, miss->filename, NAME_BYTES);
	exec_failed_submit(r);
}

/* ENOENT ENOEXEC EACCES ENODEV ENOTDIR ETIMEDOUT ESTALE: glibc goes on with the next directory, or with a shell. */
static __always_inline int may_go_on(s32 error)
{
	return error == 2 || error == 8 || error == 13 || error == 19 || error == 20 || error == 110 || error == 116;
}

static __always_inline int call_starts(u64 filename)
{
	u64 task = bpf_get_current_task();
	if (is_armed() && is_in_scope(task))
		exec_calls.update(&task, &filename);
	return 0;
}

static __always_inline int call_ends(long result)
{
	u64 task = bpf_get_current_task();
	u64 *filename = exec_calls.lookup(&task);
	if (!filename)
		return 0;
	struct exec_miss now = {.last_ns = bpf_ktime_get_ns(), .tries = 1, .error = -result};
	if (result < 0)
		bpf_probe_read_user_str(now.filename, NAME_BYTES, (void *)*filename);
	exec_calls.delete(&task);
	if (result >= 0)
		return 0;
	now.name = name_hash(now.filename);
	struct exec_miss *kept = exec_misses.lookup(&task);
	if (kept && (kept->name != now.name || now.last_ns - kept->last_ns > SEARCH_NS)) {
		tell_failed(task, kept);
		kept = 0;
	}
	if (kept) {
		now.tries += kept->tries;
		if (kept->error == 13 && now.error != 13 && may_go_on(now.error)) { /* the first EACCES is the answer */
			now.error = kept->error;
			__builtin_memcpy(now.filename, kept->filename, NAME_BYTES);
		}
	}
	if (may_go_on(now.error)) {
		exec_misses.update(&task, &now);
	} else {
		tell_failed(task, &now);
		exec_misses.delete(&task);
	}
	return 0;
}

#if HAS_SYS_ENTER_EXECVE && HAS_SYS_EXIT_EXECVE
TRACEPOINT_PROBE(syscalls, sys_enter_execve) { return call_starts((u64)args->filename); }
TRACEPOINT_PROBE(syscalls, sys_exit_execve) { return call_ends(args->ret); }
#endif
#if HAS_SYS_ENTER_EXECVEAT && HAS_SYS_EXIT_EXECVEAT
TRACEPOINT_PROBE(syscalls, sys_enter_execveat) { return call_starts((u64)args->filename); }
TRACEPOINT_PROBE(syscalls, sys_exit_execveat) { return call_ends(args->ret); }
#endif
#if HAS_SCHED_PROCESS_EXIT
RAW_TRACEPOINT_PROBE(sched_process_exit)
{
	u64 task = ctx->args[0];
	struct exec_miss *kept = exec_misses.lookup(&task);
	if (!kept)
		return 0;
	tell_failed(task, kept);
	exec_misses.delete(&task);
	return 0;
}
#endif

/* What the search that ends with this success had missed; or another program's failure, which is told now. */
static __always_inline u32 take_misses(u64 task, const char *filename)
{
	struct exec_miss *kept = exec_misses.lookup(&task);
	if (!kept)
		return 0;
	u32 misses = kept->tries;
	if (kept->name != name_hash(filename) && kept->error != 8) { /* ENOEXEC: a script without #!, now run by a shell */
		tell_failed(task, kept);
		misses = 0;
	}
	exec_misses.delete(&task);
	return misses;
}

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
	r->cgroup_id = note_cgroup(group);
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = bpf_get_current_uid_gid();
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
#if OFF_BPRM_FILENAME != OFF_ABSENT
	bpf_probe_read_kernel_str(r->filename, sizeof(r->filename), (void *)read_u64(ctx->args[2] + OFF_BPRM_FILENAME));
#endif
	r->misses = take_misses(task, r->filename);
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
