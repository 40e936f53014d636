/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What every probe stands on: reading kernel memory, who a task is, and whether it is in the scope.
 * Stands before each probe.bpf.c; OFF_* are offsets from the node's BTF, OFF_ABSENT where it lacks the member.
 * Below it, source.py writes the structs, rings, maps and counters of the probe's own tables.
 */
#define OFF_ABSENT 0xffffffff
#define SCOPE_NODE 0
#define SCOPE_TREE 1
#define SCOPE_CGROUP 2
#define CGROUP_DEPTH 12 /* how far up a cgroup is followed */
#define PATH_WHOLE 1
#define PATH_CUT 2 /* deeper than that, or too long: its upper parts are missing */
#define CPU_TREE (1ULL << 63) /* marks ids of the cpu controller's hierarchy; version 1 has ids of its own in each */
#define STACK_UNREADABLE 1 /* in the place of the first kernel address: null in the table, where all zero is empty */
#define FRAMES_UNREADABLE -1 /* so too, as the status of the first user frame */

/* 1 in slot 0 from the instant at which all tables start. */
BPF_TABLE("extern", u32, u64, santa_armed, 1);
/* The process ids in a tree scope, each with the start of its leader. */
BPF_TABLE("extern", u32, u64, santa_tree, SANTA_TREE_ENTRIES);

/* The path of each cgroup that was met, by its kernfs id (| CPU_TREE): its names, each with its NUL, the leaf first. */
struct santa_cgroup {
	char names[768];
	u32 depth;
	u32 state; /* 0 while it is being written */
};
BPF_TABLE("extern", u64, struct santa_cgroup, santa_cgroups, SANTA_CGROUPS);
BPF_TABLE("extern", u32, u64, santa_cgroups_met, 2);
BPF_ARRAY(santa_no_cgroup, struct santa_cgroup, 1); /* zeros, as an entry is too large for the stack */

/* The end of a call that is handled as the end of another is: it runs the program of that, and there is one less to
 * compile. source.py reads it here, the elf attaches it.
 */
#define ENDS_AS(call, other)

static __always_inline int is_armed(void)
{
	u32 slot = 0;
	u64 *armed = santa_armed.lookup(&slot);
	return armed && *armed;
}

static __always_inline u64 read_u64(u64 at)
{
	u64 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), (void *)at);
	return value;
}

static __always_inline u32 read_u32(u64 at)
{
	u32 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), (void *)at);
	return value;
}

static __always_inline s32 task_tgid(u64 task) { return read_u32(task + OFF_TASK_TGID); }
static __always_inline s32 task_tid(u64 task) { return read_u32(task + OFF_TASK_PID); }
static __always_inline u64 task_leader(u64 task) { return read_u64(task + OFF_TASK_LEADER); }

/* Start of the task's group leader, ns since boot: with tgid, the identity of its process. */
static __always_inline u64 task_start(u64 task) { return read_u64(task_leader(task) + OFF_TASK_START); }

/* The process that would be told of its end; the same as the one that forked it, until that one dies. */
static __always_inline u64 task_parent(u64 task) { return task_leader(read_u64(task + OFF_TASK_PARENT)); }

static __always_inline void task_comm(char *to, u64 task)
{
	bpf_probe_read_kernel_str(to, 16, (void *)(task + OFF_TASK_COMM));
}

/* The kernfs node of the task's cgroup: of cgroup v2, else of v1's memory or pids controller. 0 if unknown. */
static __always_inline u64 task_cgroup(u64 task)
{
#if SANTA_CGROUP_SLOT == OFF_ABSENT
	return 0;
#else
	u64 group = read_u64(read_u64(task + OFF_TASK_CGROUPS) + SANTA_CGROUP_SLOT);
#if SANTA_CGROUP_V1 /* the slot holds a cgroup_subsys_state, not the cgroup itself */
	group = read_u64(group + OFF_CSS_CGROUP);
#endif
	return group ? read_u64(group + OFF_CGROUP_KN) : 0;
#endif
}

static __always_inline u64 cgroup_id(u64 node) { return node ? read_u64(node + OFF_KN_ID) : 0; }

/*
 * The id of this cgroup. Whoever meets it first writes its path down, so that every record needs only the id, and the
 * path is known though the cgroup is gone before anybody could look. Ids are never used twice while a kernel runs.
 * Who finds it half written by another CPU writes the same once more: the path has to be there before the record is.
 */
static __always_inline u64 note_cgroup_of(u64 tree, u64 node)
{
	u64 id = cgroup_id(node), key = id | tree, at = 0;
	if (!id)
		return id;
	struct santa_cgroup *found = santa_cgroups.lookup(&key);
	if (found && found->state)
		return id;
	if (!found) {
		u32 slot = 0;
		struct santa_cgroup *none = santa_no_cgroup.lookup(&slot);
		if (!none)
			return id;
		int failed = santa_cgroups.insert(&key, none);
		slot = failed != 0;
		u64 *met = santa_cgroups_met.lookup(&slot);
		if (met && failed != -17) /* EEXIST: another CPU was faster */
			__sync_fetch_and_add(met, 1);
		found = santa_cgroups.lookup(&key);
		if (!found)
			return id;
	}
	u32 state = PATH_CUT, depth = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		u64 parent = read_u64(node + OFF_KN_PARENT);
		if (!parent) {
			state = PATH_WHOLE;
			break;
		}
		if (at > 511)
			break;
		u64 name = read_u64(node + OFF_KN_NAME), to = at;
		asm volatile("%0 &= 511" : "+r"(to)); /* the verifier must see it, though the compiler knows */
		long n = bpf_probe_read_kernel_str(found->names + to, 256, (void *)name);
		if (n <= 0)
			break;
		at += n;
		depth++;
		node = parent;
	}
	found->depth = depth;
	found->state = state;
	return id;
}

static __always_inline u64 note_cgroup(u64 node) { return note_cgroup_of(0, node); }

static __always_inline int is_in_tree(u32 tgid)
{
	return santa_tree.lookup(&tgid) != 0;
}

static __always_inline int is_node_in_cgroup(u64 node)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		if (!node)
			break;
		if (cgroup_id(node) == SANTA_SCOPE_ID)
			return 1;
		node = read_u64(node + OFF_KN_PARENT);
	}
	return 0;
}

static __always_inline int is_in_cgroup(u64 task) { return is_node_in_cgroup(task_cgroup(task)); }

/* Is this task part of what is being recorded? */
static __always_inline int is_in_scope(u64 task)
{
#if SANTA_SCOPE == SCOPE_TREE
	return is_in_tree(task_tgid(task));
#elif SANTA_SCOPE == SCOPE_CGROUP
	return is_in_cgroup(task);
#else
	return 1;
#endif
}

/* A new process belongs to its parent's tree, and to the cgroup that it was put in, which may be another. */
static __always_inline int is_born_in_scope(u64 parent, u64 child)
{
#if SANTA_SCOPE == SCOPE_TREE
	return is_in_scope(parent);
#else
	return is_in_scope(child);
#endif
}

/*
 * Since when a thread waits, in an array with a slot for the lower bits of its number: an array is looked up in place,
 * where a hash takes a lock to put in and one to take out. The upper bits stand above the time, of which there is room
 * for 9 years of uptime; the lowest bit is the probe's own.
 */
#define SINCE_SLOTS 65536
#define SINCE_BITS 58
#define SINCE_NS ((1ULL << SINCE_BITS) - 2)

static __always_inline u64 since(u32 tid, u64 now, u64 own_bit)
{
	return (u64)(tid / SINCE_SLOTS) << SINCE_BITS | (now & SINCE_NS) | own_bit;
}

/* Is this what since() gave for that thread? Not where it is empty, nor where another took the slot meanwhile. */
static __always_inline int is_since_of(u64 since, u32 tid)
{
	return (since & SINCE_NS) && since >> SINCE_BITS == tid / SINCE_SLOTS;
}

#ifdef SWITCH_ARGS /* for probes that list it and OFF_TASK_STATE under btf */
/* The state in which a thread leaves its CPU, from sched_switch: (preempted, prev, next) and, newer, that state. */
static __always_inline u32 left_in(struct bpf_raw_tracepoint_args *ctx)
{
#if SWITCH_ARGS >= 4
	return ctx->args[3];
#else
	return read_u32(ctx->args[1] + OFF_TASK_STATE);
#endif
}
#endif

#ifdef OFF_VFSMOUNT_ROOT /* for probes that list OFF_VFSMOUNT_ROOT, OFF_MOUNT_* and OFF_DENTRY_* under btf */
#define PARTS 20
#define MADE 320 /* bytes of a path that is put together; a column holds fewer */

/* What changes from one step to the next stands here and not in registers: the verifier knows nothing of it then, and
 * has one case to look at where it would have hundreds. */
struct path_space {
	u64 parts[PARTS]; /* directory entries, the last one first; 0 where a mount was crossed */
	u64 mount; /* where the walk is */
	u64 entry;
	u64 whole; /* it has come to the root */
	u64 length; /* of text, so far */
	u64 kind; /* for the probe's own use */
	char text[512];
};
BPF_PERCPU_ARRAY(path_spaces, struct path_space, 3); /* whose is whose says the probe */

static __always_inline struct path_space *path_space(u32 slot) { return path_spaces.lookup(&slot); }

/* One step up; what is to stand in the path for it, 0 for nothing. */
static __always_inline u64 step_up(struct path_space *space, int first)
{
	u64 entry = space->entry, mount = space->mount;
	u64 parent = read_u64(entry + OFF_DENTRY_PARENT);
	if (entry == read_u64(mount + OFF_VFSMOUNT_ROOT)) {
		u64 inner = mount - OFF_MOUNT_VFSMOUNT, outer = read_u64(inner + OFF_MOUNT_PARENT);
		space->whole = !outer || outer == inner;
		space->entry = read_u64(inner + OFF_MOUNT_POINT);
		space->mount = outer + OFF_MOUNT_VFSMOUNT;
		return 0;
	}
	if (entry == parent || !parent) { /* in no folder, such as a memfd */
		space->whole = 1;
		return first ? entry : 0;
	}
	space->entry = parent;
	return entry;
}

/* The whole path of an entry of a mount, from the root of its mount namespace. */
static __always_inline void walk_from(struct path_space *space, u64 mount, u64 entry)
{
	space->mount = mount;
	space->entry = entry;
	space->whole = 0;
#pragma clang loop unroll(disable)
	for (int i = 0; i < PARTS; i++) {
		space->parts[i] = 0;
		if (!space->whole)
			space->parts[i] = step_up(space, i == 0);
	}
	__builtin_memcpy(space->text, "...", 4);
	space->length = space->whole ? 0 : 3;
#pragma clang loop unroll(disable)
	for (int i = PARTS - 1; i >= 0; i--) {
		u64 part = space->parts[i], length = space->length;
		if (part && length <= MADE) {
			space->text[length] = '/';
			long n = bpf_probe_read_kernel_str(space->text + length + 1, 80, (void *)read_u64(part + OFF_DENTRY_NAME));
			space->length = length + (n > 0 ? n : 0);
		}
	}
	if (!space->length)
		space->text[0] = 0;
}

/* That of what `at`, a struct path, points to. */
static __always_inline void walk(struct path_space *space, u64 at) { walk_from(space, read_u64(at), read_u64(at + 8)); }

#ifdef OFF_MOUNT_NS
/*
 * Where a struct vfsmount is mounted. Nothing, and 0, where it is nowhere: since it was unmounted lazily, or as it is the
 * kernel's own, such as that of memfd_create().
 */
static __always_inline int walk_to_mount(struct path_space *space, u64 mount)
{
	u64 inner = mount - OFF_MOUNT_VFSMOUNT, outer = read_u64(inner + OFF_MOUNT_PARENT);
	s64 namespace = read_u64(inner + OFF_MOUNT_NS);
	if (!namespace || namespace > -4096) /* fs/mount.h: MNT_NS_INTERNAL; include/linux/err.h: MAX_ERRNO */
		return 0;
	walk_from(space, outer + OFF_MOUNT_VFSMOUNT, read_u64(inner + OFF_MOUNT_POINT));
	if (!space->length)
		__builtin_memcpy(space->text, "/", 2);
	return 1;
}
#endif
#endif

#ifdef OFF_SOCK_FAMILY /* for probes that list the OFF_SOCK_* under btf */
#define AF_INET 2
#define AF_INET6 10

static __always_inline u16 read_u16(u64 at)
{
	u16 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), (void *)at);
	return value;
}

/* An IPv4 address that lies at `at`, as ::ffff:a.b.c.d; `to` is zero. */
static __always_inline void put_ipv4(char *to, u64 at)
{
	to[10] = to[11] = 0xff;
	bpf_probe_read_kernel(to + 12, 4, (void *)at);
}

/* Both ends of a socket, or of any other thing that starts with a sock_common. */
static __always_inline void sock_ends(char *local, char *remote, u64 sock)
{
	u16 family = read_u16(sock + OFF_SOCK_FAMILY);
	if (family == AF_INET) {
		put_ipv4(local, sock + OFF_SOCK_LOCAL);
		put_ipv4(remote, sock + OFF_SOCK_REMOTE);
	}
#if OFF_SOCK_LOCAL6 != OFF_ABSENT && OFF_SOCK_REMOTE6 != OFF_ABSENT
	if (family == AF_INET6) {
		bpf_probe_read_kernel(local, 16, (void *)(sock + OFF_SOCK_LOCAL6));
		bpf_probe_read_kernel(remote, 16, (void *)(sock + OFF_SOCK_REMOTE6));
	}
#endif
}

#if defined(OFF_FDT_SIZE) && defined(OFF_FILE_INODE) && defined(OFF_SOCKET_SK) /* for probes that ask what a descriptor is */
/* The current process's open file of that number, 0 if it has none. */
static __always_inline u64 file_of(u64 fd)
{
	u64 table = read_u64(read_u64(bpf_get_current_task() + OFF_TASK_FILES) + OFF_FILES_FDT);
	if (fd >= read_u32(table + OFF_FDT_SIZE))
		return 0;
	return read_u64(read_u64(table + OFF_FDT_FD) + 8 * fd);
}

/* The internet socket of a file, 0 if it is none. */
static __always_inline u64 internet_socket(u64 file)
{
	if (!file || (read_u16(read_u64(file + OFF_FILE_INODE) + OFF_INODE_MODE) & 0170000) != 0140000) /* S_IFMT, S_IFSOCK */
		return 0;
	u64 sock = read_u64(read_u64(file + OFF_FILE_PRIVATE) + OFF_SOCKET_SK);
	u16 family = read_u16(sock + OFF_SOCK_FAMILY);
	return family == AF_INET || family == AF_INET6 ? sock : 0;
}
#endif
#endif

#ifdef OFF_SKB_HEAD /* for probes that list the OFF_SKB_* under btf */
/* Both ends of a TCP or UDP packet that came from the other side. */
static __always_inline void packet_ends(char *local, char *remote, u16 *local_port, u16 *remote_port, u64 skb)
{
	u64 head = read_u64(skb + OFF_SKB_HEAD);
	u64 network = head + read_u16(skb + OFF_SKB_NETWORK);
	u64 transport = head + read_u16(skb + OFF_SKB_TRANSPORT);
	u8 version = 0;
	bpf_probe_read_kernel(&version, 1, (void *)network);
	if (version >> 4 == 4) {
		put_ipv4(remote, network + 12);
		put_ipv4(local, network + 16);
	} else if (version >> 4 == 6) {
		bpf_probe_read_kernel(remote, 16, (void *)(network + 8));
		bpf_probe_read_kernel(local, 16, (void *)(network + 24));
	}
	*remote_port = __builtin_bswap16(read_u16(transport));
	*local_port = __builtin_bswap16(read_u16(transport + 2));
}
#endif

#ifdef OFF_SOCKET_SK /* for probes that list what leads from a descriptor to its socket under btf */
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

/* The sock behind a descriptor of the current process; something else, or 0, where that is no socket. */
static __always_inline u64 fd_sock(u64 fd)
{
	u64 table = read_u64(read_u64(bpf_get_current_task() + OFF_TASK_FILES) + OFF_FILES_FDT);
	u64 file = read_u64(read_u64(table + OFF_FDT_FD) + 8 * fd);
	return read_u64(read_u64(file + OFF_FILE_PRIVATE) + OFF_SOCKET_SK);
}
#endif

#ifdef OFF_SOCK_CGROUP /* for probes that follow the sockets of a scope */
#if SANTA_SCOPE != SCOPE_NODE
/* TCP sockets that a process of the scope has made, accepted, or connected while this was watched. */
BPF_TABLE("lru_hash", u64, u8, scope_socks, 65536);

static __always_inline void sock_is_in_scope(u64 sock)
{
	u8 yes = 1;
	scope_socks.update(&sock, &yes);
}

/* From inet_sock_set_state: who connects or listens is the current process. A new one may lie where another lay. */
static __always_inline void follow_sock(u64 sock, u32 old, u32 new)
{
	int by_task = new == TCP_SYN_SENT || new == TCP_LISTEN;
	if (by_task && is_in_scope(bpf_get_current_task()))
		sock_is_in_scope(sock);
	else if (by_task || (old == TCP_SYN_RECV && new == TCP_ESTABLISHED))
		scope_socks.delete(&sock);
}

/* After accept() returned this descriptor. */
static __always_inline int follow_accepted(long fd)
{
	if (fd >= 0 && is_in_scope(bpf_get_current_task()))
		sock_is_in_scope(fd_sock(fd));
	return 0;
}
#endif

/* Is this socket of the scope, as far as is known? A socket keeps the cgroup (v2) in which it was made. */
static __always_inline int is_sock_in_scope(u64 sock)
{
#if SANTA_SCOPE == SCOPE_NODE
	return 1;
#else
	if (!sock)
		return 0;
#if SANTA_SCOPE == SCOPE_CGROUP && !SANTA_CGROUP_V1 && OFF_SOCK_CGROUP != OFF_ABSENT && OFF_CGROUP_KN != OFF_ABSENT
	u64 node = read_u64(read_u64(sock + OFF_SOCK_CGROUP) + OFF_CGROUP_KN);
	if (is_node_in_cgroup(node))
		return 1;
#endif
	return scope_socks.lookup(&sock) != 0;
#endif
}
#endif

#ifdef OFF_REGS_NUMBER /* for probes that list the OFF_REGS_* under btf */
#define CALL_X86 1 /* whose numbers it is: santabpf/decode/syscalls.py has their names */
#define CALL_ARM64 2
#define CALL_32_BITS 3
#define FUTEX_X86 (CALL_X86 << 16 | 202)
#define FUTEX_ARM64 (CALL_ARM64 << 16 | 98)

/* Number of the call that the task is in, and in the upper 16 bits whose it is; 0 where it is in none. */
static __always_inline u32 call_number(u64 regs, u64 task)
{
	u32 number = read_u32(regs + OFF_REGS_NUMBER), whose = CALL_X86;
	if ((s32)number < 0)
		return 0;
#if OFF_REGS_X86 == OFF_ABSENT
	whose = CALL_ARM64;
	if (OFF_TASK_TI_FLAGS != OFF_ABSENT && read_u64(task + OFF_TASK_TI_FLAGS) & 1 << 22) /* TIF_32BIT */
		whose = CALL_32_BITS;
#elif OFF_TASK_X86_STATUS != OFF_ABSENT
	if (read_u32(task + OFF_TASK_X86_STATUS) & 2) /* TS_COMPAT */
		whose = CALL_32_BITS;
#endif
	return whose << 16 | (number & 0xffff);
}
#endif
