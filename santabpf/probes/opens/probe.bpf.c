/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* One record for each open that failed, was to be written, or was sensitive; the others are counted. The path is read when
 * the call is over. */
#define WRITES 3 /* O_WRONLY | O_RDWR */
#define CREATES 0100
#define CREAT_FLAGS 01101 /* O_CREAT | O_WRONLY | O_TRUNC, as creat(2) says */
#define LOOKED_AT 64

struct open_call { u64 path; u32 flags; u32 pad; };
BPF_TABLE("lru_hash", u32, struct open_call, open_calls, 16384);

static __always_inline int begins(u64 path, u32 flags)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct open_call call = {.path = path, .flags = flags};
	if (is_armed() && is_in_scope(bpf_get_current_task()))
		open_calls.update(&tid, &call);
	return 0;
}

static __always_inline int starts_with(const char *path, const char *with, int length)
{
#pragma unroll
	for (int i = 0; i < length; i++)
		if (path[i] != with[i])
			return 0;
	return 1;
}
#define STARTS(path, with) starts_with(path, with, sizeof(with) - 1)

static __always_inline int is_sensitive(const char *path, u32 flags)
{
	if (STARTS(path, "/etc/"))
		return STARTS(path, "/etc/shadow") || STARTS(path, "/etc/gshadow") || STARTS(path, "/etc/sudoers") ||
		       STARTS(path, "/etc/ssh/ssh_host_") || ((flags & WRITES) && (STARTS(path, "/etc/passwd") ||
		       STARTS(path, "/etc/group") || STARTS(path, "/etc/cron") || STARTS(path, "/etc/ssh/")));
	if (STARTS(path, "/root/.ssh/"))
		return 1;
	return STARTS(path, "/var/spool/cron/") && (flags & WRITES);
}

/* What is thrown away there changes nothing; shells open it all the time. */
static __always_inline int is_null(const char *path)
{
	return STARTS(path, "/dev/null") && !path[sizeof("/dev/null") - 1];
}

static __always_inline int ends(long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct open_call *call = open_calls.lookup(&tid);
	if (!call)
		return 0;
	u64 path = call->path;
	u32 flags = call->flags;
	open_calls.delete(&tid);
	u64 task = bpf_get_current_task();
	char start[LOOKED_AT] = {};
	bpf_probe_read_user_str(start, sizeof(start), (void *)path);
	int sensitive = is_sensitive(start, flags);
	int written = flags & (WRITES | CREATES) && !is_null(start);
	if (result >= 0 && !sensitive && !written) {
		struct opens_count_key key = {.start_ns = task_start(task), .tgid = task_tgid(task)};
		key.uid = bpf_get_current_uid_gid();
		bpf_get_current_comm(key.comm, sizeof(key.comm));
		struct opens_count_value *value = opens_count_at(&key);
		if (value)
			value->opened++;
		return 0;
	}
	struct opens_record *r = opens_reserve();
	if (!r)
		return 0;
	r->start_ns = task_start(task);
	r->tgid = task_tgid(task);
	r->tid = tid;
	r->error = result < 0 ? -result : 0;
	r->flags = flags;
	r->uid = bpf_get_current_uid_gid();
	r->sensitive = sensitive;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	bpf_probe_read_user_str(r->path, sizeof(r->path), (void *)path);
	opens_submit(r);
	return 0;
}

/* There is no open(2) and no creat(2) on newer kinds of machines. */
#if HAS_SYS_ENTER_OPEN && HAS_SYS_EXIT_OPEN
TRACEPOINT_PROBE(syscalls, sys_enter_open) { return begins((u64)args->filename, args->flags); }
TRACEPOINT_PROBE(syscalls, sys_exit_open) { return ends(args->ret); }
#endif
TRACEPOINT_PROBE(syscalls, sys_enter_openat) { return begins((u64)args->filename, args->flags); }
TRACEPOINT_PROBE(syscalls, sys_exit_openat) { return ends(args->ret); }
#if HAS_SYS_ENTER_CREAT && HAS_SYS_EXIT_CREAT
TRACEPOINT_PROBE(syscalls, sys_enter_creat) { return begins((u64)args->pathname, CREAT_FLAGS); }
ENDS_AS(creat, openat)
#endif
