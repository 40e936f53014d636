/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Questions over UDP to port 53, seen in the system calls of those who ask, and the answers in the calls that take them.
 * All of it is done by the asking process itself. A socket is known from its connect(2) to port 53, or from a
 * message with that address; a question is known by process, descriptor and the id in the message.
 */
#define PORT_53 0x3500 /* as it stands in memory */
#define QUESTIONS 32 /* of one socket, that can be given up when it is closed */
#define NAME_BYTES 128
#define HEADER_BYTES 12
#define ECONNREFUSED 111
/* Else the compiler may count down or by addresses, whose end the verifier of older kernels (6.1) does not see. */
#define KEEP_COUNT(i) asm volatile("" : "+r"(i))

struct dns_fd {
	u32 tgid;
	u32 fd;
};
struct dns_socket {
	char server_ip[16];
	u16 asked; /* how many since it is known, modulo 2**16 */
	u16 ids[QUESTIONS];
};
BPF_TABLE("lru_hash", struct dns_fd, struct dns_socket, dns_sockets, 8192);
/* A process -> the socket of its last question, to be given up at its end. */
BPF_TABLE("lru_hash", u32, u32, dns_last, 8192);

struct dns_read {
	u64 at; /* the buffer, or the array of messages */
	u64 fd;
};
/* A thread that waits for an answer -> where it will be. */
BPF_HASH(dns_reads, u32, struct dns_read, 8192);
/* Too large for the stack: a question that is being put together. */
BPF_PERCPU_ARRAY(dns_scratch, struct dns_waiting_value, 1);

struct dns_header { /* in the order of the network */
	u16 id;
	u8 high; /* answer: 1 bit, kind of question: 4, authoritative, truncated, recursion wanted */
	u8 low; /* recursion possible, 3 bits, rcode: 4 */
	u16 questions;
	u16 answers;
	u16 others[2];
};

static __always_inline u64 read_user_u64(u64 at)
{
	u64 value = 0;
	bpf_probe_read_user(&value, sizeof(value), (void *)at);
	return value;
}

static __always_inline void put_waiting_key(struct dns_waiting_key *key, struct dns_fd *at, u16 id)
{
	key->start_ns = task_start(bpf_get_current_task());
	key->tgid = at->tgid;
	key->fd = at->fd;
	key->txid = __builtin_bswap16(id);
}

static __always_inline struct dns_record *ended(struct dns_waiting_key *key, struct dns_waiting_value *q)
{
	struct dns_record *r = dns_reserve();
	if (!r)
		return 0;
	r->start_ns = key->start_ns;
	r->waited_ns = r->ts_ns - q->since_ns;
	r->total_ns = r->ts_ns - q->first_ns;
	r->tgid = key->tgid;
	r->fd = key->fd;
	r->txid = key->txid;
	r->qtype = q->qtype;
	r->attempts = q->attempts;
	r->rcode = -1;
	r->answers = -1;
	__builtin_memcpy(r->server_ip, q->server_ip, 16);
	__builtin_memcpy(r->comm, q->comm, 16);
	__builtin_memcpy(r->name, q->name, NAME_BYTES);
	return r;
}

enum dns_end { RETRIED, REPLACED, FORGOTTEN, CLOSED, REFUSED, EXITED };

static __always_inline void unanswered(struct dns_waiting_key *key, struct dns_waiting_value *q, enum dns_end why)
{
	struct dns_record *r = ended(key, q);
	if (!r)
		return;
	if (why == RETRIED)
		__builtin_memcpy(r->ended, "retried", 8);
	else if (why == REPLACED)
		__builtin_memcpy(r->ended, "replaced", 9);
	else if (why == FORGOTTEN)
		__builtin_memcpy(r->ended, "forgotten", 10);
	else if (why == CLOSED)
		__builtin_memcpy(r->ended, "closed", 7);
	else if (why == REFUSED)
		__builtin_memcpy(r->ended, "refused", 8);
	else
		__builtin_memcpy(r->ended, "exited", 7);
	dns_submit(r);
}

/* All questions of a socket that have no answer yet. */
static __always_inline void give_up(struct dns_fd *at, struct dns_socket *socket, enum dns_end why)
{
	for (u64 i = 0; i < QUESTIONS; i++) {
		KEEP_COUNT(i);
		if (i >= socket->asked)
			break;
		struct dns_waiting_key key = {};
		put_waiting_key(&key, at, socket->ids[i]);
		struct dns_waiting_value *q = dns_waiting_map.lookup(&key);
		if (!q)
			continue;
		unanswered(&key, q, why);
		dns_waiting_remove(&key);
	}
}

static __always_inline void close_socket(struct dns_fd *at, enum dns_end why)
{
	struct dns_socket *socket = dns_sockets.lookup(at);
	if (!socket)
		return;
	give_up(at, socket, why);
	dns_sockets.delete(at);
}

/* Is this the address of port 53? Its IP goes to `ip`, which is zero. */
static __always_inline int is_dns_server(char *ip, u64 address)
{
	struct {
		u16 family, port;
		u32 v4;
		char v6[16];
	} a = {};
	bpf_probe_read_user(&a, 8, (void *)address);
	if (a.port != PORT_53)
		return 0;
	if (a.family == AF_INET) {
		ip[10] = ip[11] = 0xff;
		__builtin_memcpy(ip + 12, &a.v4, 4);
		return 1;
	}
	if (a.family == AF_INET6) {
		bpf_probe_read_user(ip, 16, (void *)(address + 8));
		return 1;
	}
	return 0;
}

/* The socket of this descriptor talks to that server: remember it. 0 where it does not go over UDP. */
static __always_inline struct dns_socket *to_server(struct dns_fd *at, char *ip)
{
	struct dns_socket *socket = dns_sockets.lookup(at);
	if (!socket) {
		if (!is_in_scope(bpf_get_current_task()) || read_u16(fd_sock(at->fd) + OFF_SOCK_PROTOCOL) != IPPROTO_UDP)
			return 0;
		struct dns_socket fresh = {};
		dns_sockets.update(at, &fresh);
		socket = dns_sockets.lookup(at);
	}
	if (socket)
		__builtin_memcpy(socket->server_ip, ip, 16);
	return socket;
}

static __always_inline struct dns_fd this_fd(u32 fd)
{
	struct dns_fd at = {.tgid = bpf_get_current_pid_tgid() >> 32, .fd = fd};
	return at;
}

TRACEPOINT_PROBE(syscalls, sys_enter_connect)
{
	if (!is_armed())
		return 0;
	struct dns_fd at = this_fd(args->fd);
	char ip[16] = {};
	if (is_dns_server(ip, (u64)args->uservaddr))
		to_server(&at, ip);
	else
		close_socket(&at, CLOSED);
	return 0;
}

static __always_inline int is_same_name(struct dns_waiting_value *a, struct dns_waiting_value *b)
{
	u64 differs = a->qtype ^ b->qtype;
#pragma unroll
	for (int i = 0; i < NAME_BYTES / 8; i++)
		differs |= ((u64 *)a->name)[i] ^ ((u64 *)b->name)[i];
	return !differs;
}

/* A message of so many bytes is handed to the kernel, with the address of the other side or, if that is 0, without. */
static __always_inline void asks(u32 fd, u64 message, u64 bytes, u64 address)
{
	struct dns_fd at = this_fd(fd);
	struct dns_socket *socket;
	if (address) {
		char ip[16] = {};
		if (!is_dns_server(ip, address))
			return;
		socket = to_server(&at, ip);
	} else {
		socket = dns_sockets.lookup(&at);
	}
	if (!socket || bytes < HEADER_BYTES + 5)
		return;
	struct dns_header header = {};
	bpf_probe_read_user(&header, sizeof(header), (void *)message);
	if (header.high & 0xf8 || header.questions != 0x0100) /* one question of the ordinary kind */
		return;
	u32 zero = 0;
	struct dns_waiting_value *q = dns_scratch.lookup(&zero);
	if (!q)
		return;
	__builtin_memset(q, 0, sizeof(*q));
	/* A name ends with a zero, so this takes the name and nothing after it. */
	long length = bpf_probe_read_user_str(q->name, NAME_BYTES, (void *)(message + HEADER_BYTES));
	if (length <= 0 || HEADER_BYTES + length > bytes)
		return;
	if (length < NAME_BYTES) { /* the type stands after the name, where that was not cut */
		u16 type = 0;
		bpf_probe_read_user(&type, sizeof(type), (void *)(message + HEADER_BYTES + length));
		q->qtype = __builtin_bswap16(type);
	}
	q->since_ns = q->first_ns = bpf_ktime_get_ns();
	q->attempts = 1;
	__builtin_memcpy(q->server_ip, socket->server_ip, 16);
	bpf_get_current_comm(q->comm, sizeof(q->comm));
	struct dns_waiting_key key = {};
	put_waiting_key(&key, &at, header.id);
	struct dns_waiting_value *before = dns_waiting_map.lookup(&key);
	if (before) {
		int again = is_same_name(before, q);
		if (again) {
			q->first_ns = before->first_ns;
			q->attempts = before->attempts + 1;
		}
		unanswered(&key, before, again ? RETRIED : REPLACED);
	} else {
		u16 *slot = &socket->ids[socket->asked & (QUESTIONS - 1)];
		if (socket->asked >= QUESTIONS) {
			struct dns_waiting_key old = {};
			put_waiting_key(&old, &at, *slot);
			struct dns_waiting_value *lost = dns_waiting_map.lookup(&old);
			if (lost) {
				unanswered(&old, lost, FORGOTTEN);
				dns_waiting_remove(&old);
			}
		}
		*slot = header.id;
		socket->asked = socket->asked < 2 * QUESTIONS - 1 ? socket->asked + 1 : QUESTIONS;
	}
	if (dns_waiting_map.update(&key, q))
		santa_count(DNS_WAITING_MAP_FULL);
	dns_last.update(&at.tgid, &at.fd);
}

/* struct msghdr, the user's: name at 0, array of struct iovec {base, length} at 16. */
static __always_inline void asks_by_message(u32 fd, u64 message)
{
	u64 part = read_user_u64(message + 16);
	asks(fd, read_user_u64(part), read_user_u64(part + 8), read_user_u64(message));
}

TRACEPOINT_PROBE(syscalls, sys_enter_sendto)
{
	if (is_armed())
		asks(args->fd, (u64)args->buff, args->len, (u64)args->addr);
	return 0;
}

#if HAS_SYS_ENTER_SENDMSG
TRACEPOINT_PROBE(syscalls, sys_enter_sendmsg)
{
	if (is_armed())
		asks_by_message(args->fd, (u64)args->msg);
	return 0;
}
#endif

#define MESSAGE_BYTES 64 /* struct mmsghdr: a msghdr of 56 bytes, the length that was sent or came */
#define MESSAGES 4 /* of one call that are looked at */

#if HAS_SYS_ENTER_SENDMMSG
TRACEPOINT_PROBE(syscalls, sys_enter_sendmmsg)
{
	if (!is_armed())
		return 0;
	for (u64 i = 0; i < MESSAGES; i++) {
		KEEP_COUNT(i);
		if (i >= args->vlen)
			break;
		asks_by_message(args->fd, (u64)args->mmsg + MESSAGE_BYTES * i);
	}
	return 0;
}
#endif

/* ---- answers: where they will be is known when a call begins, that they are there when it ends */

static __always_inline int will_read(u32 fd, u64 where)
{
	if (!is_armed())
		return 0;
	struct dns_fd at = this_fd(fd);
	if (!dns_sockets.lookup(&at))
		return 0;
	struct dns_read reading = {.at = where, .fd = fd};
	u32 tid = bpf_get_current_pid_tgid();
	dns_reads.update(&tid, &reading);
	return 0;
}

static __always_inline void answered(struct dns_fd *at, u64 message, u64 bytes)
{
	if (bytes < HEADER_BYTES)
		return;
	struct dns_header header = {};
	bpf_probe_read_user(&header, sizeof(header), (void *)message);
	if (!(header.high & 0x80))
		return;
	struct dns_waiting_key key = {};
	put_waiting_key(&key, at, header.id);
	struct dns_waiting_value *q = dns_waiting_map.lookup(&key);
	if (!q)
		return;
	struct dns_record *r = ended(&key, q);
	if (r) {
		r->rcode = header.low & 15;
		r->answers = __builtin_bswap16(header.answers);
		r->is_truncated = (header.high & 2) != 0;
		__builtin_memcpy(r->ended, "answered", 9);
		dns_submit(r);
	}
	dns_waiting_remove(&key);
}

static __always_inline int has_read(long result, int is_many)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct dns_read *found = dns_reads.lookup(&tid);
	if (!found)
		return 0;
	struct dns_read reading = *found;
	dns_reads.delete(&tid);
	struct dns_fd at = this_fd(reading.fd);
	if (result == -ECONNREFUSED) {
		struct dns_socket *socket = dns_sockets.lookup(&at);
		if (socket)
			give_up(&at, socket, REFUSED);
		return 0;
	}
	if (!is_many) {
		if (result > 0)
			answered(&at, reading.at, result);
		return 0;
	}
	for (u64 i = 0; i < MESSAGES; i++) {
		KEEP_COUNT(i);
		if (i >= result)
			break;
		u64 message = reading.at + MESSAGE_BYTES * i;
		u32 bytes = 0;
		bpf_probe_read_user(&bytes, sizeof(bytes), (void *)(message + 56));
		answered(&at, read_user_u64(read_user_u64(message + 16)), bytes);
	}
	return 0;
}

TRACEPOINT_PROBE(syscalls, sys_enter_recvfrom) { return will_read(args->fd, (u64)args->ubuf); }
TRACEPOINT_PROBE(syscalls, sys_exit_recvfrom) { return has_read(args->ret, 0); }

#if HAS_SYS_ENTER_RECVMSG && HAS_SYS_EXIT_RECVMSG
TRACEPOINT_PROBE(syscalls, sys_enter_recvmsg)
{
	struct dns_fd at = this_fd(args->fd);
	if (!dns_sockets.lookup(&at)) /* before the message is looked at, as most are of no interest */
		return 0;
	return will_read(args->fd, read_user_u64(read_user_u64((u64)args->msg + 16)));
}

TRACEPOINT_PROBE(syscalls, sys_exit_recvmsg) { return has_read(args->ret, 0); }
#endif

#if HAS_SYS_ENTER_RECVMMSG && HAS_SYS_EXIT_RECVMMSG
TRACEPOINT_PROBE(syscalls, sys_enter_recvmmsg) { return will_read(args->fd, (u64)args->mmsg); }
TRACEPOINT_PROBE(syscalls, sys_exit_recvmmsg) { return has_read(args->ret, 1); }
#endif

#if READ_WRITE && HAS_SYS_ENTER_WRITE
TRACEPOINT_PROBE(syscalls, sys_enter_write)
{
	if (is_armed())
		asks(args->fd, (u64)args->buf, args->count, 0);
	return 0;
}
#endif

#if READ_WRITE && HAS_SYS_ENTER_READ && HAS_SYS_EXIT_READ
TRACEPOINT_PROBE(syscalls, sys_enter_read) { return will_read(args->fd, (u64)args->buf); }
TRACEPOINT_PROBE(syscalls, sys_exit_read) { return has_read(args->ret, 0); }
#endif

/* ---- ends of sockets and of processes */

TRACEPOINT_PROBE(syscalls, sys_enter_close)
{
	struct dns_fd at = this_fd(args->fd);
	if (is_armed())
		close_socket(&at, CLOSED);
	return 0;
}

#if HAS_SCHED_PROCESS_EXIT && OFF_TASK_SIGNAL != OFF_ABSENT && OFF_SIGNAL_LIVE != OFF_ABSENT
RAW_TRACEPOINT_PROBE(sched_process_exit)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 *fd = dns_last.lookup(&tgid);
	if (!fd || read_u32(read_u64(ctx->args[0] + OFF_TASK_SIGNAL) + OFF_SIGNAL_LIVE))
		return 0;
	struct dns_fd at = {.tgid = tgid, .fd = *fd};
	close_socket(&at, EXITED);
	dns_last.delete(&tgid);
	return 0;
}
#endif
