/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A call is looked at where it begins, while its file is sure to be there, and counted where it ends. */
#define TYPE_BITS 0170000 /* include/uapi/linux/stat.h: S_IFMT, S_IFREG */
#define REGULAR 0100000
#define RESTARTS 512 /* include/linux/errno.h: from here on an error is the kernel's own affair */
enum { OP_READ, OP_WRITE, OP_FSYNC, OP_FDATASYNC, OP_SYNC_RANGE, OP_SYNCFS };

struct file_io_call { u64 since, task, file, inode, number; u32 device, op; };
/* Thread -> the call it is in; since is 0 when it is in none. Entries stay: that is cheaper than to make new ones. */
BPF_TABLE("lru_hash", u32, struct file_io_call, file_io_calls, 16384);

static __always_inline u64 file_of(u64 task, u32 fd)
{
	u64 table = read_u64(read_u64(task + OFF_TASK_FILES) + OFF_FILES_FDT);
#if OFF_FDT_FD == OFF_FDT_MAX + 8
	u64 both[2] = {};
	bpf_probe_read_kernel(both, sizeof(both), (void *)(table + OFF_FDT_MAX));
	return fd < (u32)both[0] ? read_u64(both[1] + 8ULL * fd) : 0;
#else
	return fd < read_u32(table + OFF_FDT_MAX) ? read_u64(read_u64(table + OFF_FDT_FD) + 8ULL * fd) : 0;
#endif
}

/* What is wanted of an inode and its file system; where it lies as near as in all kernels so far, in one read each. */
struct inode_head { u64 sb, number; u32 mode; };

static __always_inline struct inode_head inode_head(u64 inode)
{
	struct inode_head head = {};
#if OFF_INODE_MODE < 80 && OFF_INODE_SB <= 72 && OFF_INODE_NUMBER <= 72
	u64 near[10] = {};
	bpf_probe_read_kernel(near, sizeof(near), (void *)inode);
	head.mode = *(u16 *)((char *)near + OFF_INODE_MODE);
	head.sb = near[OFF_INODE_SB / 8];
	head.number = near[OFF_INODE_NUMBER / 8];
#else
	bpf_probe_read_kernel(&head.mode, 2, (void *)(inode + OFF_INODE_MODE));
	head.sb = read_u64(inode + OFF_INODE_SB);
	head.number = read_u64(inode + OFF_INODE_NUMBER);
#endif
	return head;
}

/* Files that the kernel writes as they are read (include/uapi/linux/magic.h): each process has others in /proc. */
static __always_inline int is_made_up(u64 magic)
{
	return magic == 0x9fa0 || magic == 0x62656572 || magic == 0x27e0eb || magic == 0x63677270 || /* proc, sys, cgroups */
	       magic == 0x74726163 || magic == 0x64626720; /* tracefs, debugfs */
}

static __always_inline int begins(u32 fd, u32 op)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u64 file = file_of(task, fd);
	u64 inode = file ? read_u64(file + OFF_FILE_INODE) : 0;
	if (!inode)
		return 0;
	struct inode_head head = inode_head(inode);
	if ((op <= OP_WRITE && (head.mode & TYPE_BITS) != REGULAR) || is_made_up(read_u64(head.sb + OFF_SB_MAGIC)))
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct file_io_call now = {.task = task, .file = file, .inode = inode, .number = head.number, .op = op};
	now.device = read_u32(head.sb + OFF_SB_DEV);
	now.since = bpf_ktime_get_ns();
	struct file_io_call *call = file_io_calls.lookup(&tid);
	if (call)
		*call = now;
	else
		file_io_calls.update(&tid, &now);
	return 0;
}

static __always_inline void op_name(char *to, u32 op)
{
	if (op == OP_READ)
		__builtin_memcpy(to, "read\0\0\0\0\0\0\0", 12);
	else if (op == OP_WRITE)
		__builtin_memcpy(to, "write\0\0\0\0\0\0", 12);
	else if (op == OP_FSYNC)
		__builtin_memcpy(to, "fsync\0\0\0\0\0\0", 12);
	else if (op == OP_FDATASYNC)
		__builtin_memcpy(to, "fdatasync\0\0", 12);
	else if (op == OP_SYNC_RANGE)
		__builtin_memcpy(to, "sync_range\0", 12);
	else
		__builtin_memcpy(to, "syncfs\0\0\0\0\0", 12);
}

/* Another thread may have closed the file during the call: it is believed as long as it is still this inode's, else 0. */
static __always_inline u64 still_open(struct file_io_call *call)
{
	return read_u64(call->file + OFF_FILE_INODE) == call->inode ? call->file : 0;
}

static __always_inline u64 dentry_of(u64 file)
{
	return file ? read_u64(file + OFF_FILE_DENTRY) : 0;
}

static __always_inline void dentry_name(char *to, u32 size, u64 dentry)
{
	if (dentry)
		bpf_probe_read_kernel_str(to, size, (void *)read_u64(dentry + OFF_DENTRY_NAME));
}

/* The folder it is in; 0 above the uppermost that has a name. */
static __always_inline u64 parent_of(u64 dentry)
{
	u64 parent = dentry ? read_u64(dentry + OFF_DENTRY_PARENT) : 0;
	return parent && read_u64(parent + OFF_DENTRY_PARENT) != parent ? parent : 0;
}

/* 160 bytes: the names of the four folders above, from the top; the root itself has none. */
static __always_inline void folder_of(char *to, u64 dentry)
{
	u64 above[4] = {}, at = 0;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		dentry = parent_of(dentry);
		above[i] = dentry;
	}
	if (parent_of(dentry)) {
		__builtin_memcpy(to, "...", 3);
		at = 3;
	}
#pragma unroll
	for (int i = 3; i >= 0; i--) {
		if (!above[i])
			continue;
		if (at > 120)
			return;
		to[at] = '/';
		long length = bpf_probe_read_kernel_str(to + at + 1, 36, (void *)read_u64(above[i] + OFF_DENTRY_NAME));
		if (length > 0)
			at += length & 63; /* of its name, and the / in place of its NUL */
	}
}

static __always_inline void report_slow(u64 task, struct file_io_call *call, u64 took, long result)
{
	struct file_io_slow_record *r = file_io_slow_reserve();
	if (!r)
		return;
	u64 sb = read_u64(call->inode + OFF_INODE_SB), file = still_open(call), dentry = dentry_of(file);
	r->start_ns = task_start(task);
	r->took_ns = took;
	r->inode = call->number;
	r->data_bytes = result > 0 ? result : 0;
	r->tgid = task_tgid(task);
	r->tid = bpf_get_current_pid_tgid();
	r->error = result < 0 ? -result : 0;
	r->major = call->device >> 20;
	r->minor = call->device & 0xfffff;
	op_name(r->op, call->op);
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	bpf_probe_read_kernel_str(r->device, sizeof(r->device), (void *)(sb + OFF_SB_ID));
	bpf_probe_read_kernel_str(r->fs, sizeof(r->fs), (void *)read_u64(read_u64(sb + OFF_SB_TYPE) + OFF_FS_NAME));
	dentry_name(r->name, sizeof(r->name), dentry);
	folder_of(r->folder, dentry);
	struct path_space *space = path_space(0);
	if (file && space && walk_to_mount(space, read_u64(file + OFF_FILE_MOUNT)))
		bpf_probe_read_kernel_str(r->mount, sizeof(r->mount), space->text);
	file_io_slow_submit(r);
}

static __always_inline int ends(long result)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct file_io_call *known = file_io_calls.lookup(&tid);
	if (!known || !known->since)
		return 0;
	u64 task = bpf_get_current_task(), took = bpf_ktime_get_ns() - known->since;
	struct file_io_call call = *known;
	known->since = 0;
	if (call.task != task)
		return 0; /* another thread of that number, which died in its call */
	struct file_io_key key = {.inode = call.number, .major = call.device >> 20, .minor = call.device & 0xfffff};
	key.start_ns = task_start(task);
	key.tgid = bpf_get_current_pid_tgid() >> 32;
	op_name(key.op, call.op);
	struct file_io_value *value = file_io_at(&key);
	if (value) {
		if (!value->calls)
			dentry_name(value->name, sizeof(value->name), dentry_of(still_open(&call)));
		value->calls++;
		value->data_bytes += result > 0 ? result : 0;
		value->total_ns += took;
		value->errors += result < 0 && result > -RESTARTS;
		if (took > value->max_ns)
			value->max_ns = took;
	}
	if (took >= (call.op <= OP_WRITE ? MIN_RW_NS : MIN_SYNC_NS))
		report_slow(task, &call, took, result);
	return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_read) { return begins(args->fd, OP_READ); }
TRACEPOINT_PROBE(syscalls, sys_exit_read) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pread64) { return begins(args->fd, OP_READ); }
TRACEPOINT_PROBE(syscalls, sys_exit_pread64) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_readv) { return begins(args->fd, OP_READ); }
TRACEPOINT_PROBE(syscalls, sys_exit_readv) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_preadv) { return begins(args->fd, OP_READ); }
TRACEPOINT_PROBE(syscalls, sys_exit_preadv) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_preadv2) { return begins(args->fd, OP_READ); }
TRACEPOINT_PROBE(syscalls, sys_exit_preadv2) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_write) { return begins(args->fd, OP_WRITE); }
TRACEPOINT_PROBE(syscalls, sys_exit_write) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pwrite64) { return begins(args->fd, OP_WRITE); }
TRACEPOINT_PROBE(syscalls, sys_exit_pwrite64) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_writev) { return begins(args->fd, OP_WRITE); }
TRACEPOINT_PROBE(syscalls, sys_exit_writev) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pwritev) { return begins(args->fd, OP_WRITE); }
TRACEPOINT_PROBE(syscalls, sys_exit_pwritev) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_pwritev2) { return begins(args->fd, OP_WRITE); }
TRACEPOINT_PROBE(syscalls, sys_exit_pwritev2) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_fsync) { return begins(args->fd, OP_FSYNC); }
TRACEPOINT_PROBE(syscalls, sys_exit_fsync) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_fdatasync) { return begins(args->fd, OP_FDATASYNC); }
TRACEPOINT_PROBE(syscalls, sys_exit_fdatasync) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_sync_file_range) { return begins(args->fd, OP_SYNC_RANGE); }
TRACEPOINT_PROBE(syscalls, sys_exit_sync_file_range) { return ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_syncfs) { return begins(args->fd, OP_SYNCFS); }
TRACEPOINT_PROBE(syscalls, sys_exit_syncfs) { return ends(args->ret); }
