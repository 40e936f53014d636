/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Rare calls, each told when it is over: its entry keeps the arguments, its exit has the result. Rows of files are made
 * by paths: of an opened file the kernel's own, of other calls what the program gave, put behind its folder.
 */
#define PF_KTHREAD 0x00200000
#define AT_FDCWD -100
#define MODE_SETID 06000
#define OPEN_WRITES 01103 /* O_WRONLY | O_RDWR | O_CREAT | O_TRUNC */
#define NEW_NAMESPACE 0x7e020080 /* all CLONE_NEW* */
#define CLONE_NEWTIME 0x80 /* of clone(2) this bit belongs to the signal */
#define CAP_SYS_ADMIN 21
#define NOTHING -1
#define SAME NOTHING /* an id that is to stay */
#define EPERM 1

/* What a call is; SET_* first. */
enum {
	SET_UID = 1, SET_REUID, SET_RESUID, SET_GID, SET_REGID, SET_RESGID, SET_FSUID, SET_FSGID, SET_GROUPS,
	PTRACE, VM_READ, VM_WRITE, USES_BPF, MOUNT, UMOUNT, MOVE_MOUNT, PIVOT_ROOT, CHROOT, UNSHARE, SETNS, CLONE, MEMFD,
	DUP, MODULE, CHMOD_S,
	/* those of security_files */
	OPEN, TRUNCATE, RENAME, UNLINK, LINK, SYMLINK, CHMOD,
};

struct risky_call {
	u32 what;
	u32 uid;
	u32 euid;
	u32 pad;
	u64 args[5];
};
/* Thread -> the call that it is in. */
BPF_TABLE("lru_hash", u32, struct risky_call, risky_calls, 16384);

static __always_inline int begins(u32 what, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	u64 cred = read_u64(task + OFF_TASK_CRED);
	struct risky_call call = {.what = what, .args = {a, b, c, d, e}};
	call.uid = read_u32(cred + OFF_CRED_UID);
	call.euid = read_u32(cred + OFF_CRED_EUID);
	risky_calls.update(&tid, &call);
	return 0;
}

/* Is this the end of such a call? Then it is put in `call`. */
static __always_inline int takes(u32 what, struct risky_call *call)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct risky_call *begun = risky_calls.lookup(&tid);
	if (!begun || begun->what != what)
		return 0;
	*call = *begun;
	risky_calls.delete(&tid);
	return 1;
}

/* ------------------------------------------------------------------------------------------------------- files */
/* Of the path spaces, 0 and 1 are both paths of a call, 2 that of a program that is started; kind is as kind_of() says. */

/* The path that the program gave, behind its root, its working folder, or that of descriptor `folder`. */
static __always_inline void absolute(struct path_space *space, s32 folder, u64 path)
{
	char start[3] = {};
	bpf_probe_read_user_str(start, sizeof(start), (void *)path);
	u64 fs = read_u64(bpf_get_current_task() + OFF_TASK_FS);
	u64 base = fs + OFF_FS_PWD;
	if (start[0] == '/')
		base = fs + OFF_FS_ROOT;
	else if (folder != AT_FDCWD)
		base = file_of((u32)folder) + OFF_FILE_PATH;
	walk(space, base);
	u64 length = space->length;
	if (length > MADE)
		return;
	if (start[0] != '/') {
		space->text[length] = '/';
		length++;
	}
	if (start[0] == '.' && start[1] == '/')
		path += 2;
	bpf_probe_read_user_str(space->text + length, 160, (void *)path);
}

/* The text's byte n and the seven after it, 0 behind its end, as they lie in memory. */
static __always_inline u64 word_of(const char *text, int length, int n)
{
	u64 word = 0;
#pragma unroll
	for (int i = 0; i < 8; i++)
		if (n + i < length)
			word |= (u64)(u8)text[n + i] << (8 * i);
	return word;
}

static __always_inline int words_start_with(const char *text, const char *with, int length)
{
	const u64 *words = (const u64 *)text;
#pragma unroll
	for (int n = 0; n < length; n += 8) {
		u64 mask = length - n >= 8 ? ~0ULL : (1ULL << (8 * (length - n))) - 1;
		if ((words[n / 8] & mask) != word_of(with, length, n))
			return 0;
	}
	return 1;
}
#define STARTS(text, with) words_start_with(text, with, sizeof(with) - 1)

static __always_inline int has_ssh_folder(struct path_space *space)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < 128; i++) {
		u64 word;
		__builtin_memcpy(&word, space->text + i, 8);
		if ((word & 0xff) == 0)
			return 0;
		if ((word & 0xffffffffffffULL) == word_of("/.ssh/", 6, 0))
			return 1;
	}
	return 0;
}

/* What kind of sensitive file a path names; 0 for none. */
enum { ACCOUNT = 1, SUDO, CRON, SSH, PRELOAD, SERVICE, PAM, SHELL };

static __always_inline u32 kind_of(struct path_space *space)
{
	const char *path = space->text;
	if (has_ssh_folder(space)) /* first: a loop, which the verifier walks once for each way that leads to it */
		return SSH;
	if (STARTS(path, "/etc/")) {
		if (STARTS(path, "/etc/passwd") || STARTS(path, "/etc/shadow") || STARTS(path, "/etc/group") ||
		    STARTS(path, "/etc/gshadow") || STARTS(path, "/etc/subuid") || STARTS(path, "/etc/subgid"))
			return ACCOUNT;
		if (STARTS(path, "/etc/sudo") || STARTS(path, "/etc/doas.conf") || STARTS(path, "/etc/polkit-1/"))
			return SUDO;
		if (STARTS(path, "/etc/cron") || STARTS(path, "/etc/anacrontab") || STARTS(path, "/etc/at."))
			return CRON;
		if (STARTS(path, "/etc/ssh/"))
			return SSH;
		if (STARTS(path, "/etc/ld.so."))
			return PRELOAD;
		if (STARTS(path, "/etc/systemd/") || STARTS(path, "/etc/init.d/") || STARTS(path, "/etc/rc") ||
		    STARTS(path, "/etc/udev/rules"))
			return SERVICE;
		if (STARTS(path, "/etc/pam.") || STARTS(path, "/etc/security/") || STARTS(path, "/etc/nsswitch"))
			return PAM;
		if (STARTS(path, "/etc/profile") || STARTS(path, "/etc/bash") || STARTS(path, "/etc/environment") ||
		    STARTS(path, "/etc/zsh"))
			return SHELL;
	}
	if (STARTS(path, "/var/spool/cron/") || STARTS(path, "/var/spool/at/"))
		return CRON;
	if (STARTS(path, "/lib/systemd/") || STARTS(path, "/usr/lib/systemd/"))
		return SERVICE;
	if (STARTS(path, "/root/.bash") || STARTS(path, "/root/.profile")) {
		if (STARTS(path, "/root/.bash_history"))
			return 0;
		return SHELL;
	}
	return 0;
}

static __always_inline void put_kind(char *to, u32 kind)
{
	switch (kind) {
	case ACCOUNT: __builtin_memcpy(to, "account", 8); break;
	case SUDO: __builtin_memcpy(to, "sudo", 5); break;
	case CRON: __builtin_memcpy(to, "cron", 5); break;
	case SSH: __builtin_memcpy(to, "ssh", 4); break;
	case PRELOAD: __builtin_memcpy(to, "preload", 8); break;
	case SERVICE: __builtin_memcpy(to, "service", 8); break;
	case PAM: __builtin_memcpy(to, "pam", 4); break;
	case SHELL: __builtin_memcpy(to, "shell", 6); break;
	}
}

static __always_inline int is_temporary(const char *path)
{
	return STARTS(path, "/tmp/") || STARTS(path, "/var/tmp/") || STARTS(path, "/dev/shm/") || STARTS(path, "/run/user/") ||
	       STARTS(path, "/run/shm/");
}

/* -------------------------------------------------------------------------------------------------------- rows */
static __always_inline void put_action(char *to, u32 what)
{
	switch (what) {
	case SET_UID: __builtin_memcpy(to, "setuid", 7); break;
	case SET_REUID: __builtin_memcpy(to, "setreuid", 9); break;
	case SET_RESUID: __builtin_memcpy(to, "setresuid", 10); break;
	case SET_GID: __builtin_memcpy(to, "setgid", 7); break;
	case SET_REGID: __builtin_memcpy(to, "setregid", 9); break;
	case SET_RESGID: __builtin_memcpy(to, "setresgid", 10); break;
	case SET_FSUID: __builtin_memcpy(to, "setfsuid", 9); break;
	case SET_FSGID: __builtin_memcpy(to, "setfsgid", 9); break;
	case SET_GROUPS: __builtin_memcpy(to, "setgroups", 10); break;
	case PTRACE: __builtin_memcpy(to, "ptrace", 7); break;
	case VM_READ: __builtin_memcpy(to, "vm_read", 8); break;
	case VM_WRITE: __builtin_memcpy(to, "vm_write", 9); break;
	case USES_BPF: __builtin_memcpy(to, "bpf", 4); break;
	case MOUNT: __builtin_memcpy(to, "mount", 6); break;
	case UMOUNT: __builtin_memcpy(to, "umount", 7); break;
	case MOVE_MOUNT: __builtin_memcpy(to, "move_mount", 11); break;
	case PIVOT_ROOT: __builtin_memcpy(to, "pivot_root", 11); break;
	case CHROOT: __builtin_memcpy(to, "chroot", 7); break;
	case UNSHARE: __builtin_memcpy(to, "unshare", 8); break;
	case SETNS: __builtin_memcpy(to, "setns", 6); break;
	case CLONE: __builtin_memcpy(to, "clone", 6); break;
	case MEMFD: __builtin_memcpy(to, "memfd_create", 13); break;
	case DUP: __builtin_memcpy(to, "dup_socket", 11); break;
	case MODULE: __builtin_memcpy(to, "load_module", 12); break;
	case CHMOD_S: __builtin_memcpy(to, "chmod_s", 8); break;
	case OPEN: __builtin_memcpy(to, "open", 5); break;
	case TRUNCATE: __builtin_memcpy(to, "truncate", 9); break;
	case RENAME: __builtin_memcpy(to, "rename", 7); break;
	case UNLINK: __builtin_memcpy(to, "unlink", 7); break;
	case LINK: __builtin_memcpy(to, "link", 5); break;
	case SYMLINK: __builtin_memcpy(to, "symlink", 8); break;
	case CHMOD: __builtin_memcpy(to, "chmod", 6); break;
	}
}

/* A row of security about this task, with nothing in it yet but who it is. */
static __always_inline struct security_record *new_row(u64 task, u32 uid, u32 euid)
{
	struct security_record *r = security_reserve();
	if (!r)
		return 0;
	u64 parent = task_parent(task);
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->flags = r->value = NOTHING;
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	r->ptgid = task_tgid(parent);
	r->uid = uid;
	r->euid = euid;
	r->real_id = r->effective_id = r->saved_id = NOTHING;
	r->fd = NOTHING;
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
	return r;
}

static __always_inline struct security_record *call_row(u32 what, struct risky_call *call, long result)
{
	struct security_record *r = new_row(bpf_get_current_task(), call->uid, call->euid);
	if (!r)
		return 0;
	put_action(r->action, what);
	r->error = result < 0 ? -result : 0;
	return r;
}

static __always_inline void read_text(char *to, u32 size, u64 from)
{
	bpf_probe_read_user_str(to, size, (void *)from);
}

static __always_inline void put_peer(struct security_record *r, u64 sock)
{
	r->local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
	r->remote_port = __builtin_bswap16(read_u16(sock + OFF_SOCK_REMOTE_PORT));
	sock_ends(r->local_ip, r->remote_ip, sock);
}

static __always_inline int ids_end(u32 what, long result)
{
	struct risky_call call;
	if (!takes(what, &call))
		return 0;
	struct security_record *r = call_row(what, &call, result);
	if (!r)
		return 0;
	r->real_id = call.args[0];
	r->effective_id = call.args[1];
	r->saved_id = call.args[2];
	r->value = call.args[3] == (u32)SAME ? NOTHING : call.args[3];
	security_submit(r);
	return 0;
}

/* These two return the old id, come what may; whether there is a new one, stands in `at` of the thread's credentials. */
static __always_inline int filesystem_id_ends(u32 what, u64 at)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct risky_call *call = risky_calls.lookup(&tid);
	u32 asked = call ? call->args[3] : SAME;
	u32 now = read_u32(read_u64(bpf_get_current_task() + OFF_TASK_CRED) + at);
	return ids_end(what, asked != SAME && asked != now ? -EPERM : 0);
}

/* Calls of which only numbers are told: flags, and the process that they are about. */
static __always_inline int numbers_end(u32 what, long result)
{
	struct risky_call call;
	if (!takes(what, &call))
		return 0;
	struct security_record *r = call_row(what, &call, result);
	if (!r)
		return 0;
	r->flags = call.args[0];
	r->target_tid = what == CLONE ? (result > 0 ? result : 0) : call.args[1];
	if (what == SETNS)
		r->value = call.args[2];
	security_submit(r);
	return 0;
}

/* Calls about one thing or two, named by text: what (0), another (1), flags (2), a kind (3). */
static __always_inline int names_end(u32 what, long result)
{
	struct risky_call call;
	if (!takes(what, &call))
		return 0;
	struct security_record *r = call_row(what, &call, result);
	if (!r)
		return 0;
	r->flags = call.args[2];
	read_text(r->what, sizeof(r->what), call.args[0]);
	if (call.args[1])
		read_text(r->detail, sizeof(r->detail), call.args[1]);
	if (call.args[3])
		read_text(r->kind, sizeof(r->kind), call.args[3]);
	if (what == MEMFD && result >= 0)
		r->fd = result;
	security_submit(r);
	return 0;
}

/* --------------------------------------------------------------------------------------- users and their rights */
TRACEPOINT_PROBE(syscalls, sys_enter_setuid) { return begins(SET_UID, args->uid, SAME, SAME, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setuid) { return ids_end(SET_UID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setreuid) { return begins(SET_REUID, args->ruid, args->euid, SAME, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setreuid) { return ids_end(SET_REUID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setresuid) { return begins(SET_RESUID, args->ruid, args->euid, args->suid, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setresuid) { return ids_end(SET_RESUID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setgid) { return begins(SET_GID, args->gid, SAME, SAME, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setgid) { return ids_end(SET_GID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setregid) { return begins(SET_REGID, args->rgid, args->egid, SAME, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setregid) { return ids_end(SET_REGID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setresgid) { return begins(SET_RESGID, args->rgid, args->egid, args->sgid, NOTHING, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setresgid) { return ids_end(SET_RESGID, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_setfsuid) { return begins(SET_FSUID, SAME, SAME, SAME, (u32)args->uid, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setfsuid) { return filesystem_id_ends(SET_FSUID, OFF_CRED_FSUID); }
TRACEPOINT_PROBE(syscalls, sys_enter_setfsgid) { return begins(SET_FSGID, SAME, SAME, SAME, (u32)args->gid, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_setfsgid) { return filesystem_id_ends(SET_FSGID, OFF_CRED_FSGID); }
TRACEPOINT_PROBE(syscalls, sys_enter_setgroups)
{
	u32 first = SAME;
	if (args->gidsetsize > 0)
		bpf_probe_read_user(&first, sizeof(first), (void *)args->grouplist);
	return begins(SET_GROUPS, first, SAME, SAME, (u32)args->gidsetsize, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_setgroups) { return ids_end(SET_GROUPS, args->ret); }

#if HAS_CAP_CAPABLE
/* args are (credentials, namespace, namespace, capability, result), since 6.14. */
RAW_TRACEPOINT_PROBE(cap_capable)
{
	u64 task = bpf_get_current_task();
	u32 capability = ctx->args[3];
	s32 result = ctx->args[4];
	if (!is_armed() || !is_in_scope(task) || (capability == CAP_SYS_ADMIN && result && !EACH_DENIAL))
		return 0;
	struct capability_checks_key key = {.start_ns = task_start(task), .tgid = task_tgid(task), .capability = capability};
	key.uid = bpf_get_current_uid_gid();
	key.denied = result != 0;
	task_comm(key.comm, task);
	struct capability_checks_value *value = capability_checks_at(&key);
	if (value)
		value->checks++;
	return 0;
}
#endif

/* ------------------------------------------------------------------------------------- into others' memory, bpf */
/* TRACEME, POKETEXT, POKEDATA, POKEUSR, SETREGS, SETFPREGS, ATTACH; SETREGSET and SEIZE are 0x4205 and 0x4206 */
#define PTRACE_TOUCHES (1 << 0 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 13 | 1 << 15 | 1 << 16)

TRACEPOINT_PROBE(syscalls, sys_enter_ptrace)
{
	u64 request = args->request;
	if (!(request < 32 ? PTRACE_TOUCHES >> request & 1 : request == 0x4205 || request == 0x4206))
		return 0;
	return begins(PTRACE, request, request ? args->pid : 0, 0, 0, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_ptrace) { return numbers_end(PTRACE, args->ret); }

#if HAS_SYS_ENTER_PROCESS_VM_READV && HAS_SYS_EXIT_PROCESS_VM_READV
TRACEPOINT_PROBE(syscalls, sys_enter_process_vm_readv) { return begins(VM_READ, args->flags, args->pid, 0, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_process_vm_readv) { return numbers_end(VM_READ, args->ret); }
#endif
#if HAS_SYS_ENTER_PROCESS_VM_WRITEV && HAS_SYS_EXIT_PROCESS_VM_WRITEV
TRACEPOINT_PROBE(syscalls, sys_enter_process_vm_writev) { return begins(VM_WRITE, args->flags, args->pid, 0, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_process_vm_writev) { return numbers_end(VM_WRITE, args->ret); }
#endif

/* Commands that make, attach, pin or take hold of something; reading and writing of maps is nobody's news. */
#define CMD_MAP_CREATE 0
#define CMD_PROG_LOAD 5
#define CMD_OBJ_PIN 6
#define CMD_OBJ_GET 7
#define CMD_RAW_OPEN 17
#define COMMANDS (1ULL << 0 | 1ULL << 5 | 1ULL << 6 | 1ULL << 7 | 1ULL << 8 | 1ULL << 9 | 1ULL << 13 | 1ULL << 14 | \
		  1ULL << 17 | 1ULL << 28 | 1ULL << 29 | 1ULL << 30 | 1ULL << 34)

TRACEPOINT_PROBE(syscalls, sys_enter_bpf)
{
	u32 command = args->cmd;
	if (command >= 64 || !(COMMANDS >> command & 1))
		return 0;
	return begins(USES_BPF, command, (u64)args->uattr, 0, 0, 0);
}

TRACEPOINT_PROBE(syscalls, sys_exit_bpf)
{
	struct risky_call call;
	if (!takes(USES_BPF, &call))
		return 0;
	struct security_record *r = call_row(USES_BPF, &call, args->ret);
	if (!r)
		return 0;
	u64 attr = call.args[1], name = 0;
	u32 command = call.args[0], first = 0;
	r->flags = command;
	/* union bpf_attr: the type is first; map_name at 28, prog_name at 48; of others a pointer to text is first */
	if (command == CMD_MAP_CREATE || command == CMD_PROG_LOAD) {
		bpf_probe_read_user(&first, sizeof(first), (void *)attr);
		r->value = first;
		bpf_probe_read_user_str(r->what, 16, (void *)(attr + (command == CMD_PROG_LOAD ? 48 : 28)));
	} else if (command == CMD_OBJ_PIN || command == CMD_OBJ_GET || command == CMD_RAW_OPEN) {
		bpf_probe_read_user(&name, sizeof(name), (void *)attr);
		if (name)
			read_text(r->what, sizeof(r->what), name);
	}
	security_submit(r);
	return 0;
}

/* ------------------------------------------------------------------------------------------ mounts, namespaces */
TRACEPOINT_PROBE(syscalls, sys_enter_mount)
{
	return begins(MOUNT, (u64)args->dir_name, (u64)args->dev_name, args->flags, (u64)args->type, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_mount) { return names_end(MOUNT, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_umount) { return begins(UMOUNT, (u64)args->name, 0, args->flags, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_umount) { return names_end(UMOUNT, args->ret); }
#if HAS_SYS_ENTER_MOVE_MOUNT && HAS_SYS_EXIT_MOVE_MOUNT
TRACEPOINT_PROBE(syscalls, sys_enter_move_mount)
{
	return begins(MOVE_MOUNT, (u64)args->to_pathname, (u64)args->from_pathname, args->flags, 0, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_move_mount) { return names_end(MOVE_MOUNT, args->ret); }
#endif
TRACEPOINT_PROBE(syscalls, sys_enter_pivot_root) { return begins(PIVOT_ROOT, (u64)args->new_root, (u64)args->put_old, NOTHING, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_pivot_root) { return names_end(PIVOT_ROOT, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_chroot) { return begins(CHROOT, (u64)args->filename, 0, NOTHING, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_chroot) { return names_end(CHROOT, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_unshare) { return begins(UNSHARE, args->unshare_flags, 0, 0, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_unshare) { return numbers_end(UNSHARE, args->ret); }

TRACEPOINT_PROBE(syscalls, sys_enter_setns)
{
	u64 file = file_of((u32)args->fd);
	u64 number = file ? read_u64(read_u64(file + OFF_FILE_INODE) + OFF_INODE_NUMBER) : NOTHING;
	return begins(SETNS, args->flags, 0, number, 0, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_setns) { return numbers_end(SETNS, args->ret); }

TRACEPOINT_PROBE(syscalls, sys_enter_clone)
{
	u64 flags = args->clone_flags & NEW_NAMESPACE & ~CLONE_NEWTIME;
	return flags ? begins(CLONE, flags, 0, 0, 0, 0) : 0;
}
TRACEPOINT_PROBE(syscalls, sys_exit_clone) { return numbers_end(CLONE, args->ret); }
#if HAS_SYS_ENTER_CLONE3 && HAS_SYS_EXIT_CLONE3
TRACEPOINT_PROBE(syscalls, sys_enter_clone3)
{
	u64 flags = 0; /* the first member of struct clone_args */
	bpf_probe_read_user(&flags, sizeof(flags), (void *)args->uargs);
	flags &= NEW_NAMESPACE;
	return flags ? begins(CLONE, flags, 0, 0, 0, 0) : 0;
}
ENDS_AS(clone3, clone)
#endif

#if HAS_SYS_ENTER_FINIT_MODULE && HAS_SYS_EXIT_FINIT_MODULE
TRACEPOINT_PROBE(syscalls, sys_enter_finit_module) { return begins(MODULE, args->fd, args->flags, 0, 0, 0); }

TRACEPOINT_PROBE(syscalls, sys_exit_finit_module)
{
	struct risky_call call;
	struct path_space *space = path_space(0);
	if (!takes(MODULE, &call) || !space)
		return 0;
	struct security_record *r = call_row(MODULE, &call, args->ret);
	if (!r)
		return 0;
	r->flags = call.args[1];
	u64 file = file_of((u32)call.args[0]);
	if (file) {
		walk(space, file + OFF_FILE_PATH);
		bpf_probe_read_kernel_str(r->what, sizeof(r->what), space->text);
	}
	security_submit(r);
	return 0;
}
#endif

/* -------------------------------------------------------------------------------- memory files, sockets as stdin */
TRACEPOINT_PROBE(syscalls, sys_enter_memfd_create) { return begins(MEMFD, (u64)args->uname, 0, args->flags, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_memfd_create) { return names_end(MEMFD, args->ret); }

static __always_inline int dup_begins(u32 from, u32 to)
{
	if (to > 2 || !internet_socket(file_of(from)))
		return 0;
	return begins(DUP, from, to, 0, 0, 0);
}

static __always_inline int dup_ends(long result)
{
	struct risky_call call;
	if (!takes(DUP, &call))
		return 0;
	struct security_record *r = call_row(DUP, &call, result);
	if (!r)
		return 0;
	r->fd = call.args[1];
	u64 sock = internet_socket(file_of((u32)call.args[0]));
	if (sock)
		put_peer(r, sock);
	security_submit(r);
	return 0;
}
TRACEPOINT_PROBE(syscalls, sys_enter_dup2) { return dup_begins(args->oldfd, args->newfd); }
TRACEPOINT_PROBE(syscalls, sys_exit_dup2) { return dup_ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_dup3) { return dup_begins(args->oldfd, args->newfd); }
ENDS_AS(dup3, dup2)

/* ------------------------------------------------------------------------------------------- programs, and names */
/* Names that the kernel gives its own threads. `[` alone is a program. name: 16 bytes, aligned. */
static __always_inline int is_kernel_name(const char *name)
{
	return (name[0] == '[' && name[1]) || STARTS(name, "kworker") || STARTS(name, "kthreadd") || STARTS(name, "ksoftirqd") ||
	       STARTS(name, "kswapd") || STARTS(name, "khugepaged") || STARTS(name, "khungtaskd") || STARTS(name, "kdevtmpfs") ||
	       STARTS(name, "kcompactd") || STARTS(name, "kauditd") || STARTS(name, "kblockd") || STARTS(name, "ksmd") ||
	       STARTS(name, "kintegrityd") || STARTS(name, "migration/") || STARTS(name, "rcu_") || STARTS(name, "rcuo") ||
	       STARTS(name, "cpuhp/") || STARTS(name, "idle_inject/") || STARTS(name, "oom_reaper") || STARTS(name, "irq/") ||
	       STARTS(name, "watchdogd") || STARTS(name, "jbd2/") || STARTS(name, "scsi_eh_") || STARTS(name, "writeback");
}

/* args are (task, new name); PF_KTHREAD is in the flags of every thread that is the kernel's own. */
RAW_TRACEPOINT_PROBE(task_rename)
{
	u64 task = ctx->args[0];
	char name[16] __attribute__((aligned(8))) = {};
	if (!is_armed() || !is_in_scope(task))
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), (void *)ctx->args[1]);
	if (!is_kernel_name(name) || read_u32(task + OFF_TASK_FLAGS) & PF_KTHREAD)
		return 0;
	u64 cred = read_u64(task + OFF_TASK_CRED);
	struct security_record *r = new_row(task, read_u32(cred + OFF_CRED_UID), read_u32(cred + OFF_CRED_EUID));
	if (!r)
		return 0;
	__builtin_memcpy(r->action, "rename_kernel", 14);
	__builtin_memcpy(r->what, name, sizeof(name));
	security_submit(r);
	return 0;
}

struct started {
	u64 task;
	u64 asked; /* the name that execve was given */
	u32 uid;
	u32 euid;
	u32 mode;
	u32 pad;
};

static __always_inline struct security_record *exec_row(struct started *by, struct path_space *space)
{
	struct security_record *r = new_row(by->task, by->uid, by->euid);
	if (!r)
		return 0;
	r->flags = by->mode & 07777;
	bpf_probe_read_kernel_str(r->what, sizeof(r->what), space->text);
	bpf_probe_read_kernel_str(r->detail, sizeof(r->detail), (void *)by->asked);
	return r;
}

/* args are (task, old pid, linux_binprm); the new program is in place. */
RAW_TRACEPOINT_PROBE(sched_process_exec)
{
	struct path_space *space = path_space(2);
	struct started by = {.task = ctx->args[0]};
	struct security_record *r;
	if (!space || !is_armed() || !is_in_scope(by.task))
		return 0;
	u64 cred = read_u64(by.task + OFF_TASK_CRED), mm = read_u64(by.task + OFF_TASK_MM);
	u64 file = read_u64(mm + OFF_MM_EXE), inode = read_u64(file + OFF_FILE_INODE);
	by.asked = read_u64(ctx->args[2] + OFF_BPRM_FILENAME);
	by.uid = read_u32(cred + OFF_CRED_UID);
	by.euid = read_u32(cred + OFF_CRED_EUID);
	by.mode = read_u16(inode + OFF_INODE_MODE);
	walk(space, file + OFF_FILE_PATH);
	char start[16] __attribute__((aligned(8))) = {};
	bpf_probe_read_kernel_str(start, sizeof(start), (void *)by.asked);
	if (by.uid != by.euid && (r = exec_row(&by, space))) {
		__builtin_memcpy(r->action, "exec_setuid", 12);
		security_submit(r);
	}
	int in_memory = STARTS(space->text, "/memfd:");
	if (read_u32(inode + OFF_INODE_LINKS) == 0 && (r = exec_row(&by, space))) {
		if (in_memory)
			__builtin_memcpy(r->action, "exec_memory", 12);
		else
			__builtin_memcpy(r->action, "exec_deleted", 13);
		security_submit(r);
	}
	if ((is_temporary(space->text) || is_temporary(start)) && (r = exec_row(&by, space))) {
		__builtin_memcpy(r->action, "exec_temporary", 15);
		security_submit(r);
	}
	char name[16] __attribute__((aligned(8))) = {}, called[16] __attribute__((aligned(8))) = {};
	task_comm(name, by.task);
	u64 first = read_u64(mm + OFF_MM_ARG_START);
	bpf_probe_read_user_str(called, sizeof(called), (void *)first);
	if ((is_kernel_name(name) || is_kernel_name(called)) && (r = exec_row(&by, space))) {
		__builtin_memcpy(r->action, "exec_kernel", 12);
		__builtin_memset(r->detail, 0, sizeof(r->detail));
		read_text(r->detail, sizeof(r->detail), first);
		security_submit(r);
	}
	for (u32 fd = 0; fd < 3; fd++) {
		u64 sock = internet_socket(file_of(fd));
		if (sock && read_u16(sock + OFF_SOCK_REMOTE_PORT)) {
			r = exec_row(&by, space);
			if (!r)
				return 0;
			__builtin_memcpy(r->action, "exec_socket", 12);
			r->fd = fd;
			put_peer(r, sock);
			security_submit(r);
			return 0;
		}
	}
	return 0;
}

/* --------------------------------------------------------------------------------------------- sensitive files */
/* Arguments of such a call: folder and path of the file, folder and path of its other name, flags. */
static __always_inline int file_row(u32 what, struct risky_call *call, long result, struct path_space *path, u32 kind,
				    struct path_space *other)
{
	struct security_files_record *r = security_files_reserve();
	if (!r)
		return 0;
	u64 task = bpf_get_current_task();
	u64 parent = task_parent(task);
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->tgid = task_tgid(task);
	r->tid = task_tid(task);
	r->ptgid = task_tgid(parent);
	r->uid = call->uid;
	r->euid = call->euid;
	r->error = result < 0 ? -result : 0;
	r->flags = call->args[4];
	put_action(r->action, what);
	put_kind(r->kind, kind);
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
	bpf_probe_read_kernel_str(r->path, sizeof(r->path), path->text);
	if (other)
		bpf_probe_read_kernel_str(r->other_path, sizeof(r->other_path), other->text);
	security_files_submit(r);
	return 0;
}

static __always_inline int opens_for_writing(s32 folder, u64 path, u64 flags)
{
	return flags & OPEN_WRITES ? begins(OPEN, folder, path, 0, 0, flags) : 0;
}

/* An opened file's path is known to the kernel, whatever it was called in the call. */
static __always_inline int open_ends(long result)
{
	struct risky_call call;
	struct path_space *space = path_space(0);
	if (!takes(OPEN, &call) || !space)
		return 0;
	if (result >= 0)
		walk(space, file_of(result) + OFF_FILE_PATH);
	else
		absolute(space, call.args[0], call.args[1]);
	u32 kind = kind_of(space);
	return kind ? file_row(OPEN, &call, result, space, kind, 0) : 0;
}

static __always_inline int path_ends(u32 what, long result)
{
	struct risky_call call;
	struct path_space *space = path_space(0);
	if (!takes(what, &call) || !space)
		return 0;
	absolute(space, call.args[0], call.args[1]);
	u32 kind = kind_of(space);
	return kind ? file_row(what, &call, result, space, kind, 0) : 0;
}

/* Of two names either may be the sensitive one; what a symbolic link holds is text, taken as it is. */
static __always_inline int paths_end(u32 what, long result)
{
	struct risky_call call;
	struct path_space *space = path_space(0), *other = path_space(1);
	if (!takes(what, &call) || !space || !other)
		return 0;
	space->kind = other->kind = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < (what == SYMLINK ? 1 : 2); i++) {
		struct path_space *each = path_space(i);
		if (!each)
			return 0;
		absolute(each, call.args[i ? 2 : 0], call.args[i ? 3 : 1]);
		each->kind = kind_of(each);
	}
	u32 kind = space->kind ? space->kind : other->kind;
	if (what == SYMLINK)
		bpf_probe_read_user_str(other->text, 160, (void *)call.args[3]);
	return kind ? file_row(what, &call, result, space, kind, other) : 0;
}

/* With the set-user-ID or set-group-ID bit it is a row of security; of a sensitive file, one of security_files. */
static __always_inline int chmod_ends(long result, int by_descriptor)
{
	struct risky_call call;
	struct path_space *space = path_space(0);
	if (!takes(CHMOD, &call) || !space)
		return 0;
	if (by_descriptor)
		walk(space, file_of((u32)call.args[0]) + OFF_FILE_PATH);
	else
		absolute(space, call.args[0], call.args[1]);
	if (call.args[4] & MODE_SETID) {
		struct security_record *r = call_row(CHMOD_S, &call, result);
		if (r) {
			r->flags = call.args[4];
			bpf_probe_read_kernel_str(r->what, sizeof(r->what), space->text);
			security_submit(r);
		}
	}
	u32 kind = kind_of(space);
	return kind ? file_row(CHMOD, &call, result, space, kind, 0) : 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_open) { return opens_for_writing(AT_FDCWD, (u64)args->filename, args->flags); }
TRACEPOINT_PROBE(syscalls, sys_exit_open) { return open_ends(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_openat) { return opens_for_writing(args->dfd, (u64)args->filename, args->flags); }
ENDS_AS(openat, open)
TRACEPOINT_PROBE(syscalls, sys_enter_creat) { return begins(OPEN, AT_FDCWD, (u64)args->pathname, 0, 0, 01101); }
ENDS_AS(creat, open)
#if HAS_SYS_ENTER_OPENAT2 && HAS_SYS_EXIT_OPENAT2
TRACEPOINT_PROBE(syscalls, sys_enter_openat2)
{
	u64 flags = 0; /* the first member of struct open_how */
	bpf_probe_read_user(&flags, sizeof(flags), (void *)args->how);
	return opens_for_writing(args->dfd, (u64)args->filename, flags);
}
ENDS_AS(openat2, open)
#endif
TRACEPOINT_PROBE(syscalls, sys_enter_truncate) { return begins(TRUNCATE, AT_FDCWD, (u64)args->path, 0, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_truncate) { return path_ends(TRUNCATE, args->ret); }

TRACEPOINT_PROBE(syscalls, sys_enter_rename)
{
	return begins(RENAME, AT_FDCWD, (u64)args->newname, AT_FDCWD, (u64)args->oldname, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_rename) { return paths_end(RENAME, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_renameat)
{
	return begins(RENAME, args->newdfd, (u64)args->newname, args->olddfd, (u64)args->oldname, 0);
}
ENDS_AS(renameat, rename)
TRACEPOINT_PROBE(syscalls, sys_enter_renameat2)
{
	return begins(RENAME, args->newdfd, (u64)args->newname, args->olddfd, (u64)args->oldname, args->flags);
}
ENDS_AS(renameat2, rename)

TRACEPOINT_PROBE(syscalls, sys_enter_unlink) { return begins(UNLINK, AT_FDCWD, (u64)args->pathname, 0, 0, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_unlink) { return path_ends(UNLINK, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_unlinkat) { return begins(UNLINK, args->dfd, (u64)args->pathname, 0, 0, args->flag); }
ENDS_AS(unlinkat, unlink)

TRACEPOINT_PROBE(syscalls, sys_enter_link)
{
	return begins(LINK, AT_FDCWD, (u64)args->newname, AT_FDCWD, (u64)args->oldname, 0);
}
TRACEPOINT_PROBE(syscalls, sys_exit_link) { return paths_end(LINK, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_linkat)
{
	return begins(LINK, args->newdfd, (u64)args->newname, args->olddfd, (u64)args->oldname, args->flags);
}
ENDS_AS(linkat, link)
TRACEPOINT_PROBE(syscalls, sys_enter_symlink) { return begins(SYMLINK, AT_FDCWD, (u64)args->newname, 0, (u64)args->oldname, 0); }
TRACEPOINT_PROBE(syscalls, sys_exit_symlink) { return paths_end(SYMLINK, args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_symlinkat) { return begins(SYMLINK, args->newdfd, (u64)args->newname, 0, (u64)args->oldname, 0); }
ENDS_AS(symlinkat, symlink)

TRACEPOINT_PROBE(syscalls, sys_enter_chmod) { return begins(CHMOD, AT_FDCWD, (u64)args->filename, 0, 0, args->mode); }
TRACEPOINT_PROBE(syscalls, sys_exit_chmod) { return chmod_ends(args->ret, 0); }
TRACEPOINT_PROBE(syscalls, sys_enter_fchmod) { return begins(CHMOD, args->fd, 0, 0, 0, args->mode); }
TRACEPOINT_PROBE(syscalls, sys_exit_fchmod) { return chmod_ends(args->ret, 1); }
TRACEPOINT_PROBE(syscalls, sys_enter_fchmodat) { return begins(CHMOD, args->dfd, (u64)args->filename, 0, 0, args->mode); }
ENDS_AS(fchmodat, chmod)
#if HAS_SYS_ENTER_FCHMODAT2 && HAS_SYS_EXIT_FCHMODAT2
TRACEPOINT_PROBE(syscalls, sys_enter_fchmodat2) { return begins(CHMOD, args->dfd, (u64)args->filename, 0, 0, args->mode); }
ENDS_AS(fchmodat2, chmod)
#endif
