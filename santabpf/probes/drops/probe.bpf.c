/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Counts packets that were dropped: args are (sk_buff, location, reason) and, newer, the receiving socket.
 * The numbers of the reasons differ between kernels; they and their names come from the node's BTF. One of those below
 * that it lacks has the number of MAX there, which no packet is dropped for, or OFF_ABSENT.
 */
#if KFREE_SKB_ARGS < 3
#error this kernel drops packets without a reason
#endif

/* Reasons that come with ordinary life: one for each short connection on loopback, for each closed socket. */
static __always_inline int is_noise(u32 reason)
{
	return reason == DROP_NOT_YET || reason == DROP_CONSUMED || reason == DROP_NOT_SPECIFIED ||
	       reason == DROP_QUEUE_PURGE || reason == DROP_SOCKET_CLOSE || reason == DROP_TCP_OLD_DATA;
}

static __always_inline void put_reason(char *to, u32 reason)
{
#define REASON(number, name) if (reason == number) { __builtin_memcpy(to, name, sizeof(name)); return; }
	DROP_NAMES(REASON)
#undef REASON
}

RAW_TRACEPOINT_PROBE(kfree_skb)
{
	u32 reason = ctx->args[2];
	if (is_noise(reason) || !is_armed())
		return 0;
#if SANTA_SCOPE != SCOPE_NODE
	u64 sock = read_u64(ctx->args[0] + OFF_SKB_SK);
#if KFREE_SKB_ARGS >= 4
	if (!sock)
		sock = ctx->args[3];
#endif
	if (!is_sock_in_scope(sock))
		return 0;
#endif
	u16 protocol = 0;
	bpf_probe_read_kernel(&protocol, sizeof(protocol), (void *)(ctx->args[0] + OFF_SKB_PROTOCOL));
	struct drops_key key = {.reason_id = reason, .protocol = __builtin_bswap16(protocol)};
	put_reason(key.reason, reason);
	struct drops_value *value = drops_at(&key);
	if (value)
		__sync_fetch_and_add(&value->packets, 1); /* a softirq may come in between on the same CPU */
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
