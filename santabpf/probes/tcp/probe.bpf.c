/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * One record for each connection when its socket goes to TCP_CLOSE: args are (sock, old state, new state).
 * Most changes of state happen in a softirq, on top of whatever task is current. It is the right one only where a task
 * connects (TCP_CLOSE -> TCP_SYN_SENT), accepts, or closes (out of TCP_ESTABLISHED or CLOSE_WAIT into a closing state).
 */
#define FIN_WAIT1 4
#define CLOSE_WAIT 8
#define LAST_ACK 9
#define ECONNRESET 104
#define EPIPE 32
#define ETIMEDOUT 110
#define ECONNREFUSED 111

struct tcp_life {
	u64 connect_at;
	u64 established_at;
	u64 start_ns;
	s32 tgid; /* 0: nobody is known yet */
	u8 is_out;
	u8 is_in;
	u8 in_scope;
	u8 pad;
	char comm[16];
};
/* A connection -> what is known of it. What finds no room pushes out what was not touched for longest. */
BPF_TABLE("lru_hash", u64, struct tcp_life, tcp_lives, 65536);

static __always_inline void is_owner(struct tcp_life *life)
{
	u64 task = bpf_get_current_task();
	life->tgid = task_tgid(task);
	life->start_ns = task_start(task);
	life->in_scope = is_in_scope(task);
	bpf_get_current_comm(life->comm, sizeof(life->comm));
}

/* After accept(2) returned descriptor fd: the socket's owner is the current process. */
static __always_inline int accepted(long fd)
{
	if (fd < 0 || !is_armed())
		return 0;
	u64 sock = fd_sock(fd);
	struct tcp_life *life = tcp_lives.lookup(&sock);
	if (life)
		is_owner(life);
	return 0;
}

#if HAS_SYS_EXIT_ACCEPT4
TRACEPOINT_PROBE(syscalls, sys_exit_accept4) { return accepted(args->ret); }
#endif
#if HAS_SYS_EXIT_ACCEPT
TRACEPOINT_PROBE(syscalls, sys_exit_accept) { return accepted(args->ret); }
#endif

static __always_inline void put_end(char *to, struct tcp_life *life, u32 old, s32 error)
{
	if (error == ECONNREFUSED)
		__builtin_memcpy(to, "refused", 8);
	else if (error == ETIMEDOUT)
		__builtin_memcpy(to, "timeout", 8);
	else if (old != TCP_SYN_SENT && (error == ECONNRESET || error == EPIPE))
		__builtin_memcpy(to, "reset", 6);
	else if (error)
		__builtin_memcpy(to, "error", 6);
	else if (old == TCP_SYN_SENT)
		__builtin_memcpy(to, "failed", 7);
	else if (old == TCP_ESTABLISHED || old == CLOSE_WAIT || old == TCP_SYN_RECV)
		__builtin_memcpy(to, "aborted", 8);
	else
		__builtin_memcpy(to, "closed", 7);
}

static __always_inline void report(u64 sock, u32 old, struct tcp_life *life, u64 now)
{
	struct tcp_record *r = tcp_reserve();
	if (!r)
		return;
	if (life->connect_at)
		r->connect_ns = (life->established_at ? life->established_at : now) - life->connect_at;
	if (life->established_at)
		r->lifetime_ns = now - life->established_at;
	r->sent_bytes = read_u64(sock + OFF_TCP_SENT) - read_u64(sock + OFF_TCP_RESENT);
	r->received_bytes = read_u64(sock + OFF_TCP_RECEIVED);
	/* The other side's FIN takes a sequence number, and the kernel counts it as a byte. */
	if (r->received_bytes && read_u64(sock + OFF_SOCK_FLAGS) & (1ULL << SOCK_DONE))
		r->received_bytes--;
	r->srtt_ns = (u64)(read_u32(sock + OFF_TCP_SRTT) >> 3) * 1000;
	r->retransmits = read_u32(sock + OFF_TCP_RETRANSMITS);
	r->error = read_u32(sock + OFF_SOCK_ERR);
	r->local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
	r->remote_port = __builtin_bswap16(read_u16(sock + OFF_SOCK_REMOTE_PORT));
	sock_ends(r->local_ip, r->remote_ip, sock);
	r->tgid = life->tgid;
	r->start_ns = life->start_ns;
	__builtin_memcpy(r->comm, life->comm, sizeof(r->comm));
	if (life->is_out)
		__builtin_memcpy(r->direction, "out", 4);
	else if (life->is_in)
		__builtin_memcpy(r->direction, "in", 3);
	put_end(r->ended, life, old, r->error);
	tcp_submit(r);
}

RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
	u64 sock = ctx->args[0];
	u32 old = ctx->args[1], new = ctx->args[2];
	if (!is_armed() || read_u16(sock + OFF_SOCK_PROTOCOL) != IPPROTO_TCP)
		return 0;
	if (old == TCP_LISTEN || new == TCP_LISTEN)
		return 0;
	u64 now = bpf_ktime_get_ns();
	if (new == TCP_SYN_SENT) {
		struct tcp_life life = {.connect_at = now, .is_out = 1};
		is_owner(&life);
		tcp_lives.update(&sock, &life);
		return 0;
	}
	struct tcp_life *life = tcp_lives.lookup(&sock);
	if (new == TCP_ESTABLISHED) {
		if (life) {
			life->established_at = now;
		} else if (old == TCP_SYN_RECV) {
			struct tcp_life accepted = {.established_at = now, .is_in = 1};
			tcp_lives.update(&sock, &accepted);
		}
		return 0;
	}
	struct tcp_life unknown = {};
	int by_task = (old == TCP_ESTABLISHED && new == FIN_WAIT1) || (old == CLOSE_WAIT && new == LAST_ACK);
	if (by_task) {
		if (!life) {
			tcp_lives.update(&sock, &unknown);
			life = tcp_lives.lookup(&sock);
		}
		if (life && !life->tgid)
			is_owner(life);
	}
	if (new != TCP_CLOSE)
		return 0;
	if (!life) {
		if (old == TCP_SYN_RECV) /* never established: no connection yet */
			return 0;
		life = &unknown;
	}
	if (SANTA_SCOPE == SCOPE_NODE || life->in_scope)
		report(sock, old, life, now);
	tcp_lives.delete(&sock);
	return 0;
}
