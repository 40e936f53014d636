/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * One record for each retransmission and each reset. Nearly all happen in a softirq, so there is no process here.
 * A local port stands in skc_num, which is 0 once the socket is closed; inet_sport still holds it then.
 */
#define SYN_SENT 2

static __always_inline void put_sock(struct tcp_loss_record *r, u64 sock)
{
	sock_ends(r->local_ip, r->remote_ip, sock);
	r->local_port = read_u16(sock + OFF_SOCK_NUM);
	r->remote_port = __builtin_bswap16(read_u16(sock + OFF_SOCK_REMOTE_PORT));
}

/* The packet that was answered came from the other side, so its source is the remote end. */
static __always_inline void put_packet(struct tcp_loss_record *r, u64 skb)
{
	u64 head = read_u64(skb + OFF_SKB_HEAD);
	u64 network = head + read_u16(skb + OFF_SKB_NETWORK);
	u64 transport = head + read_u16(skb + OFF_SKB_TRANSPORT);
	u8 version = 0;
	bpf_probe_read_kernel(&version, 1, (void *)network);
	if (version >> 4 == 4) {
		put_ipv4(r->remote_ip, network + 12);
		put_ipv4(r->local_ip, network + 16);
	} else if (version >> 4 == 6) {
		bpf_probe_read_kernel(r->remote_ip, 16, (void *)(network + 8));
		bpf_probe_read_kernel(r->local_ip, 16, (void *)(network + 24));
	}
	r->remote_port = __builtin_bswap16(read_u16(transport));
	r->local_port = __builtin_bswap16(read_u16(transport + 2));
}

static __always_inline u8 sock_state(u64 sock)
{
	u8 state = 0;
	bpf_probe_read_kernel(&state, 1, (void *)(sock + OFF_SOCK_STATE));
	return state;
}

RAW_TRACEPOINT_PROBE(tcp_retransmit_skb)
{
	if (!is_armed())
		return 0;
	struct tcp_loss_record *r = tcp_loss_reserve();
	if (!r)
		return 0;
	u64 sock = ctx->args[0];
	put_sock(r, sock);
	r->state = sock_state(sock);
	if (r->state == SYN_SENT)
		__builtin_memcpy(r->event, "syn", 4);
	else
		__builtin_memcpy(r->event, "retransmit", 11);
#if RETRANSMIT_ARGS >= 3
	r->error = ctx->args[2];
#endif
	tcp_loss_submit(r);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_retransmit_synack)
{
	if (!is_armed())
		return 0;
	struct tcp_loss_record *r = tcp_loss_reserve();
	if (!r)
		return 0;
	put_sock(r, ctx->args[1]); /* a request_sock; args[0] is the listener */
	r->state = 3;
	__builtin_memcpy(r->event, "synack", 7);
	tcp_loss_submit(r);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_receive_reset)
{
	if (!is_armed())
		return 0;
	struct tcp_loss_record *r = tcp_loss_reserve();
	if (!r)
		return 0;
	put_sock(r, ctx->args[0]);
	r->state = sock_state(ctx->args[0]);
	__builtin_memcpy(r->event, "reset_in", 9);
	tcp_loss_submit(r);
	return 0;
}

/* The numbers differ between kernels, so each comes from the node's BTF. */
static __always_inline void put_reason(char *to, u32 reason)
{
#define REASON(name) if (RESET_##name != OFF_ABSENT && reason == RESET_##name) __builtin_memcpy(to, #name, sizeof(#name));
	REASON(NOT_SPECIFIED)
	REASON(NO_SOCKET)
	REASON(TCP_INVALID_ACK_SEQUENCE)
	REASON(TCP_RFC7323_PAWS)
	REASON(TCP_TOO_OLD_ACK)
	REASON(TCP_ACK_UNSENT_DATA)
	REASON(TCP_FLAGS)
	REASON(TCP_OLD_ACK)
	REASON(TCP_ABORT_ON_DATA)
	REASON(TCP_TIMEWAIT_SOCKET)
	REASON(INVALID_SYN)
	REASON(TCP_ABORT_ON_CLOSE)
	REASON(TCP_ABORT_ON_LINGER)
	REASON(TCP_ABORT_ON_MEMORY)
	REASON(TCP_STATE)
	REASON(TCP_KEEPALIVE_TIMEOUT)
	REASON(TCP_DISCONNECT_WITH_DATA)
	REASON(ERROR)
#undef REASON
}

RAW_TRACEPOINT_PROBE(tcp_send_reset)
{
	if (!is_armed())
		return 0;
	struct tcp_loss_record *r = tcp_loss_reserve();
	if (!r)
		return 0;
	u64 sock = ctx->args[0];
#if SEND_RESET_ARGS >= 3
	u64 packet = ctx->args[1]; /* what is answered; none where this side resets on its own account */
	put_reason(r->reason, ctx->args[2]);
#else
	u64 packet = 0; /* may be the reset itself, with its ends the other way round */
#endif
	if (packet) {
		put_packet(r, packet);
	} else {
		put_sock(r, sock);
		if (!r->local_port)
			r->local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
	}
	if (sock)
		r->state = sock_state(sock);
	__builtin_memcpy(r->event, "reset_out", 10);
	tcp_loss_submit(r);
	return 0;
}
