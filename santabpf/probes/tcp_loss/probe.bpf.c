/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * One record for each retransmission and each reset. Nearly all happen in a softirq, so there is no process here.
 * A local port stands in skc_num, which is 0 once the socket is closed; inet_sport still holds it then.
 */
#define NO_REASON 0xffff

static __always_inline void put_sock(struct tcp_loss_record *r, u64 sock)
{
	sock_ends(r->local_ip, r->remote_ip, sock);
	r->local_port = read_u16(sock + OFF_SOCK_NUM);
	r->remote_port = __builtin_bswap16(read_u16(sock + OFF_SOCK_REMOTE_PORT));
}

static __always_inline u8 sock_state(u64 sock)
{
	u8 state = 0;
	bpf_probe_read_kernel(&state, 1, (void *)(sock + OFF_SOCK_STATE));
	return state;
}

/* A record with what a socket tells of itself; 0 where there is no room, or the socket is of no interest. */
static __always_inline struct tcp_loss_record *tell_of(u64 sock)
{
	struct tcp_loss_record *r = is_armed() && is_sock_in_scope(sock) ? tcp_loss_reserve() : 0;
	if (!r)
		return 0;
	r->reason_id = NO_REASON;
	if (sock) {
		put_sock(r, sock);
		r->state = sock_state(sock);
	}
	return r;
}

RAW_TRACEPOINT_PROBE(tcp_retransmit_skb)
{
	struct tcp_loss_record *r = tell_of(ctx->args[0]);
	if (!r)
		return 0;
	if (r->state == TCP_SYN_SENT)
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
	struct tcp_loss_record *r = tell_of(ctx->args[0]); /* the listener */
	if (!r)
		return 0;
	put_sock(r, ctx->args[1]); /* a request_sock, which begins as a sock does */
	r->state = TCP_SYN_RECV;
	__builtin_memcpy(r->event, "synack", 7);
	tcp_loss_submit(r);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_receive_reset)
{
	struct tcp_loss_record *r = tell_of(ctx->args[0]);
	if (!r)
		return 0;
	__builtin_memcpy(r->event, "reset_in", 9);
	tcp_loss_submit(r);
	return 0;
}

/* Numbers and names differ between kernels, so they come from the node's BTF. */
static __always_inline void put_reason(char *to, u32 reason)
{
#define REASON(number, name) if (reason == number) { __builtin_memcpy(to, name, sizeof(name)); return; }
	RESET_NAMES(REASON)
#undef REASON
}

RAW_TRACEPOINT_PROBE(tcp_send_reset)
{
	u64 sock = ctx->args[0];
	struct tcp_loss_record *r = tell_of(sock);
	if (!r)
		return 0;
	if (sock && !r->local_port)
		r->local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
#if SEND_RESET_ARGS >= 3
	/* What is answered; none where this side resets on its own account. It came, so its source is the remote end. */
	if (ctx->args[1])
		packet_ends(r->local_ip, r->remote_ip, &r->local_port, &r->remote_port, ctx->args[1]);
	r->reason_id = ctx->args[2];
	put_reason(r->reason, ctx->args[2]);
#endif /* else the packet may be the reset itself, with its ends the other way round */
	__builtin_memcpy(r->event, "reset_out", 10);
	tcp_loss_submit(r);
	return 0;
}

#if SANTA_SCOPE != SCOPE_NODE
RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
	follow_sock(ctx->args[0], ctx->args[1], ctx->args[2]);
	return 0;
}

#if HAS_SYS_EXIT_ACCEPT4
TRACEPOINT_PROBE(syscalls, sys_exit_accept4) { return follow_accepted(args->ret); }
#endif
#if HAS_SYS_EXIT_ACCEPT
TRACEPOINT_PROBE(syscalls, sys_exit_accept) { return follow_accepted(args->ret); }
#endif
#endif
