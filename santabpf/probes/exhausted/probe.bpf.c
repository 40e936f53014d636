/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (regs, result). Nearly all calls are done with the first comparisons. */
#define ENFILE 23
#define EMFILE 24
#define ENOSPC 28
#define EDQUOT 122
#define LIMIT_DESCRIPTORS 7 /* include/uapi/asm-generic/resource.h: RLIMIT_NOFILE, in an array of struct rlimit64-like pairs */
#define TYPE_BITS 0170000 /* include/uapi/linux/stat.h: S_IFMT, S_IFSOCK */
#define SOCKET 0140000

enum { ON_NOTHING, ON_FILE, ON_PATH };

/* What a call was on: a descriptor or the address of a path, in `on`; how much it was to write, where it says so. */
static __always_inline u32 target(u32 call, u64 regs, u64 *on, u64 *bytes)
{
#if OFF_REGS_FIRST != OFF_ABSENT && OFF_REGS_X86 != OFF_ABSENT
	if (call >> 16 != CALL_X86)
		return ON_NOTHING;
	/* numbers: arch/x86/entry/syscalls/syscall_64.tbl */
	u32 number = call & 0xffff;
	switch (number) {
	case 1: case 18: /* write, pwrite64 */
		*bytes = read_u64(regs + OFF_REGS_THIRD);
	case 20: case 296: case 328: /* writev, pwritev, pwritev2 */
	case 40: case 74: case 75: case 77: case 190: case 277: /* sendfile, fsync, fdatasync, ftruncate, fsetxattr, sync_file_range */
	case 43: case 288: /* accept, accept4 */
		*on = read_u64(regs + OFF_REGS_FIRST);
		return ON_FILE;
	case 285: /* fallocate */
		*bytes = read_u64(regs + OFF_REGS_FOURTH);
		*on = read_u64(regs + OFF_REGS_FIRST);
		return ON_FILE;
	case 275: case 326: /* splice, copy_file_range: what they write to */
		*on = read_u64(regs + OFF_REGS_THIRD);
		return ON_FILE;
	case 2: case 76: case 83: case 85: case 133: case 188: case 189: /* open, truncate, mkdir, creat, mknod, setxattr, lsetxattr */
		*on = read_u64(regs + OFF_REGS_FIRST);
		return ON_PATH;
	case 82: case 86: case 88: case 257: case 258: case 259: case 437: /* rename, link, symlink, openat, mkdirat, mknodat, openat2 */
		*on = read_u64(regs + OFF_REGS_SECOND);
		return ON_PATH;
	case 266: /* symlinkat */
		*on = read_u64(regs + OFF_REGS_THIRD);
		return ON_PATH;
	case 264: case 265: case 316: /* renameat, linkat, renameat2 */
		*on = read_u64(regs + OFF_REGS_FOURTH);
		return ON_PATH;
	}
#endif
	return ON_NOTHING;
}

static __always_inline u64 open_file(u64 task, u32 fd)
{
	u64 table = read_u64(read_u64(task + OFF_TASK_FILES) + OFF_FILES_FDT);
	return fd < read_u32(table + OFF_FDT_MAX) ? read_u64(read_u64(table + OFF_FDT_FD) + 8ULL * fd) : 0;
}

static __always_inline void tell(u64 task, struct exhausted_key *key, u32 kind, u64 on, u64 bytes, u64 file, u64 sb)
{
	struct exhausted_case_record *r = exhausted_case_reserve();
	if (!r)
		return;
	r->start_ns = key->start_ns;
	r->inode = key->inode;
	r->descriptors_max = read_u64(read_u64(task + OFF_TASK_SIGNAL) + OFF_SIGNAL_LIMITS + 16 * LIMIT_DESCRIPTORS);
	r->asked_bytes = bytes;
	r->tgid = key->tgid;
	r->tid = bpf_get_current_pid_tgid();
	r->call = key->call;
	r->error = key->error;
	r->major = key->major;
	r->minor = key->minor;
	r->uid = bpf_get_current_uid_gid();
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	if (kind == ON_PATH)
		bpf_probe_read_user_str(r->path, sizeof(r->path), (void *)on);
	if (file && !sb) {
		u16 port = 0;
		u64 sock = read_u64(read_u64(file + OFF_FILE_PRIVATE) + OFF_SOCKET_SK);
		bpf_probe_read_kernel(&port, sizeof(port), (void *)(sock + OFF_SK_PORT));
		r->local_port = port;
	}
	if (sb) {
		bpf_probe_read_kernel_str(r->device, sizeof(r->device), (void *)(sb + OFF_SB_ID));
		bpf_probe_read_kernel_str(r->fs, sizeof(r->fs), (void *)read_u64(read_u64(sb + OFF_SB_TYPE) + OFF_FS_NAME));
		u64 mount = read_u64(file + OFF_FILE_MOUNT);
		struct path_space *space = path_space(0);
		if (space) {
			if (walk_to_mount(space, mount))
				bpf_probe_read_kernel_str(r->mount, sizeof(r->mount), space->text);
			walk_from(space, mount, read_u64(file + OFF_FILE_DENTRY));
			bpf_probe_read_kernel_str(r->path, sizeof(r->path), space->text);
		}
	}
	exhausted_case_submit(r);
}

RAW_TRACEPOINT_PROBE(sys_exit)
{
	s64 result = ctx->args[1];
	if (result != -ENOSPC && result != -EMFILE && result != -ENFILE && result != -EDQUOT)
		return 0;
	u64 task = bpf_get_current_task(), regs = ctx->args[0];
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u32 call = call_number(regs, task);
	if (!call)
		return 0;
	u64 on = 0, bytes = 0, file = 0, sb = 0;
	struct exhausted_key key = {.start_ns = task_start(task), .tgid = task_tgid(task), .call = call, .error = -result};
	u32 kind = target(call, regs, &on, &bytes);
	if (kind == ON_FILE)
		file = open_file(task, on);
	if (file) {
		u64 inode = read_u64(file + OFF_FILE_INODE);
		u16 mode = 0;
		bpf_probe_read_kernel(&mode, sizeof(mode), (void *)(inode + OFF_INODE_MODE));
		if ((mode & TYPE_BITS) != SOCKET) {
			sb = read_u64(inode + OFF_INODE_SB);
			key.inode = read_u64(inode + OFF_INODE_NUMBER);
			u32 device = read_u32(sb + OFF_SB_DEV);
			key.major = device >> 20;
			key.minor = device & 0xfffff;
		}
	}
	struct exhausted_value *value = exhausted_at(&key);
	if (!value)
		return 0;
	value->errors++;
	if (!(value->errors & (value->errors - 1)))
		tell(task, &key, kind, on, bytes, file, sb);
	return 0;
}
