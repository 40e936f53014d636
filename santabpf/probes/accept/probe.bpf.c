/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A connection waits from SYN_RECV -> ESTABLISHED, when its handshake is over and it stands in the listener's queue,
 * until accept(2) returns a descriptor of it. Args of inet_sock_set_state are (sock, old state, new state).
 * Nearly all of that happens in a softirq; only in accept the current process is the right one.
 */
#define IPPROTO_MPTCP 262

/* A thread in accept(2) -> the listening sock that it asked. */
BPF_HASH(accept_calls, u32, u64, 16384);

static __always_inline u32 sock_netns(u64 sock)
{
	return read_u32(read_u64(sock + OFF_SOCK_NET) + OFF_NET_INUM);
}

#if SANTA_SCOPE != SCOPE_NODE
struct accept_port {
	u32 netns;
	u32 port;
};
/* Where a process of the scope was seen to listen or to accept; it can't be told from a connection that waits. */
BPF_TABLE("lru_hash", struct accept_port, u8, accept_ports, 4096);

static __always_inline void port_is_in_scope(u64 listener)
{
	struct accept_port at = {.netns = sock_netns(listener), .port = read_u16(listener + OFF_SOCK_NUM)};
	u8 yes = 1;
	accept_ports.update(&at, &yes);
}
#endif

static __always_inline int is_connection_in_scope(u64 sock)
{
#if SANTA_SCOPE == SCOPE_NODE
	return 1;
#else
	struct accept_port at = {.netns = sock_netns(sock), .port = read_u16(sock + OFF_SOCK_NUM)};
	return is_sock_in_scope(sock) || accept_ports.lookup(&at) != 0;
#endif
}

static __always_inline void starts_to_wait(u64 sock)
{
	if (read_u64(sock + OFF_SOCK_SOCKET)) /* accepted before its handshake was over: TCP Fast Open */
		return;
	struct accept_waiting_value w = {.since_ns = bpf_ktime_get_ns(), .netns = sock_netns(sock)};
	w.local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
	w.remote_port = __builtin_bswap16(read_u16(sock + OFF_SOCK_REMOTE_PORT));
	sock_ends(w.local_ip, w.remote_ip, sock);
	struct accept_waiting_key key = {.sock = sock};
	if (accept_waiting_map.update(&key, &w))
		santa_count(ACCEPT_WAITING_MAP_FULL);
}

static __always_inline void put_queue(struct accept_record *r, u64 listener)
{
	r->queue_length = listener ? read_u32(listener + OFF_SOCK_BACKLOG) : -1;
	r->queue_limit = listener ? read_u32(listener + OFF_SOCK_MAX_BACKLOG) : -1;
}

static __always_inline struct accept_record *waited(struct accept_waiting_value *w, u64 wait_ns, u64 listener)
{
	struct accept_record *r = accept_reserve();
	if (!r)
		return 0;
	r->wait_ns = wait_ns;
	r->netns = w->netns;
	r->local_port = w->local_port;
	r->remote_port = w->remote_port;
	__builtin_memcpy(r->local_ip, w->local_ip, 16);
	__builtin_memcpy(r->remote_ip, w->remote_ip, 16);
	put_queue(r, listener);
	return r;
}

RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
	u64 sock = ctx->args[0];
	u32 old = ctx->args[1], new = ctx->args[2];
	if (!is_armed() || read_u16(sock + OFF_SOCK_PROTOCOL) != IPPROTO_TCP)
		return 0;
#if SANTA_SCOPE != SCOPE_NODE
	if (new == TCP_LISTEN && is_in_scope(bpf_get_current_task()))
		port_is_in_scope(sock);
#endif
	if (new == TCP_ESTABLISHED) {
		if (old == TCP_SYN_RECV && is_connection_in_scope(sock))
			starts_to_wait(sock);
		return 0;
	}
	struct accept_waiting_key key = {.sock = sock};
	struct accept_waiting_value *w = accept_waiting_map.lookup(&key);
	if (!w)
		return 0;
	if (!read_u64(sock + OFF_SOCK_SOCKET)) { /* it still stands in the queue */
		if (new != TCP_CLOSE)
			return 0;
		struct accept_record *r = waited(w, bpf_ktime_get_ns() - w->since_ns, 0);
		if (r) {
			__builtin_memcpy(r->event, "gone", 5);
			accept_submit(r);
		}
	} /* else it was accepted in a way that is not seen here */
	accept_waiting_remove(&key);
	return 0;
}

static __always_inline int asks(u32 fd)
{
	if (!is_armed() || !is_in_scope(bpf_get_current_task()))
		return 0;
	u64 listener = fd_sock(fd);
	u32 tid = bpf_get_current_pid_tgid();
#if SANTA_SCOPE != SCOPE_NODE
	port_is_in_scope(listener);
#endif
	accept_calls.update(&tid, &listener);
	return 0;
}

static __always_inline int accepted(long fd)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *asked = accept_calls.lookup(&tid);
	u64 listener = asked ? *asked : 0;
	if (asked)
		accept_calls.delete(&tid);
	u64 task = bpf_get_current_task();
	if (fd < 0 || !is_armed() || !is_in_scope(task))
		return 0;
	u64 sock = fd_sock(fd);
#if OFF_MPTCP_FIRST != OFF_ABSENT
	if (read_u16(sock + OFF_SOCK_PROTOCOL) == IPPROTO_MPTCP)
		sock = read_u64(sock + OFF_MPTCP_FIRST);
#endif
	struct accept_waiting_key key = {.sock = sock};
	struct accept_waiting_value *w = accept_waiting_map.lookup(&key);
	if (!w)
		return 0;
	u64 wait = bpf_ktime_get_ns() - w->since_ns;
	struct accept_hist_key at = {.netns = w->netns, .local_port = w->local_port};
	__builtin_memcpy(at.local_ip, w->local_ip, 16);
	u32 slot = wait < 2 ? 0 : bpf_log2l(wait) - 1;
	at.wait_ns = slot < 40 ? slot : 39;
	struct accept_hist_value *value = accept_hist_at(&at);
	if (value) {
		u32 length = listener ? read_u32(listener + OFF_SOCK_BACKLOG) : 0;
		value->accepts++;
		value->wait_sum_ns += wait;
		if (wait > value->longest_wait_ns)
			value->longest_wait_ns = wait;
		if (length > value->queue_peak)
			value->queue_peak = length;
	}
	if (wait >= MIN_WAIT_NS) {
		struct accept_record *r = waited(w, wait, listener);
		if (r) {
			r->tgid = task_tgid(task);
			r->start_ns = task_start(task);
			bpf_get_current_comm(r->comm, sizeof(r->comm));
			__builtin_memcpy(r->event, "accepted", 9);
			accept_submit(r);
		}
	}
	accept_waiting_remove(&key);
	return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_accept4) { return asks(args->fd); }
TRACEPOINT_PROBE(syscalls, sys_exit_accept4) { return accepted(args->ret); }
TRACEPOINT_PROBE(syscalls, sys_enter_accept) { return asks(args->fd); }
TRACEPOINT_PROBE(syscalls, sys_exit_accept) { return accepted(args->ret); }

#if HAS_TCP_RETRANSMIT_SYNACK
/* Args are (listening sock, request_sock). With a full queue the last step of a handshake is not taken. */
RAW_TRACEPOINT_PROBE(tcp_retransmit_synack)
{
	u64 listener = ctx->args[0], request = ctx->args[1];
	if (!is_armed() || read_u32(listener + OFF_SOCK_BACKLOG) <= read_u32(listener + OFF_SOCK_MAX_BACKLOG))
		return 0;
	if (!is_connection_in_scope(listener))
		return 0;
	struct accept_record *r = accept_reserve();
	if (!r)
		return 0;
	r->netns = sock_netns(listener);
	sock_ends(r->local_ip, r->remote_ip, request);
	r->local_port = read_u16(request + OFF_SOCK_NUM);
	r->remote_port = __builtin_bswap16(read_u16(request + OFF_SOCK_REMOTE_PORT));
	put_queue(r, listener);
	__builtin_memcpy(r->event, "stalled", 8);
	accept_submit(r);
	return 0;
}
#endif

#if HAS_KFREE_SKB && DROP_LISTEN_OVERFLOW != OFF_ABSENT && KFREE_SKB_ARGS >= 4
/* Args are (sk_buff, location, reason, receiving sock). */
RAW_TRACEPOINT_PROBE(kfree_skb)
{
	if ((u32)ctx->args[2] != DROP_LISTEN_OVERFLOW || !is_armed())
		return 0;
	u64 listener = ctx->args[3];
	if (listener && !is_connection_in_scope(listener))
		return 0;
#if SANTA_SCOPE != SCOPE_NODE
	if (!listener)
		return 0;
#endif
	struct accept_record *r = accept_reserve();
	if (!r)
		return 0;
	packet_ends(r->local_ip, r->remote_ip, &r->local_port, &r->remote_port, ctx->args[0]);
	if (listener)
		r->netns = sock_netns(listener);
	put_queue(r, listener);
	__builtin_memcpy(r->event, "overflow", 9);
	accept_submit(r);
	return 0;
}
#endif
