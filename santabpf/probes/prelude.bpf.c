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
#define CGROUP_DEPTH 12 /* how far up a cgroup scope looks for its own cgroup */

/* 1 in slot 0 from the instant at which all tables start. */
BPF_TABLE("extern", u32, u64, santa_armed, 1);
/* The process ids in a tree scope, each with the start of its leader. */
BPF_TABLE("extern", u32, u64, santa_tree, SANTA_TREE_ENTRIES);

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

/* "parent/leaf" into 160 bytes: of the parent's name at most 71 bytes, of the leaf's at most 87. */
static __always_inline void cgroup_name(char *to, u64 node)
{
	if (!node)
		return;
	u64 parent = read_u64(node + OFF_KN_PARENT);
	u64 at = 0;
	if (parent) {
		long n = bpf_probe_read_kernel_str(to, 72, (void *)read_u64(parent + OFF_KN_NAME));
		if (n > 0)
			at = (n - 1) & 127;
	}
	if (at > 71)
		return;
	to[at] = '/';
	if (parent)
		bpf_probe_read_kernel_str(to + at + 1, 88, (void *)read_u64(node + OFF_KN_NAME));
}

static __always_inline int is_in_tree(u32 tgid)
{
	return santa_tree.lookup(&tgid) != 0;
}

static __always_inline int is_in_cgroup(u64 task)
{
	u64 node = task_cgroup(task);
#pragma unroll
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		if (!node)
			break;
		if (cgroup_id(node) == SANTA_SCOPE_ID)
			return 1;
		node = read_u64(node + OFF_KN_PARENT);
	}
	return 0;
}

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
#endif
