/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A conversation with PAM is told apart by its handle and the process that has it. What is known of it comes from what the
 * program passes to pam_start and pam_set_item; passwords go another way, through the conversation, and are not looked at.
 */
#define PAM_SERVICE 1 /* security/_pam_types.h; 6 and 7 would be the passwords */
#define PAM_USER 2
#define PAM_RHOST 4
enum { START = 1, AUTHENTICATE, ACCOUNT, OPEN_SESSION, CLOSE_SESSION, CHANGE };
#define FDS 16

struct pam_key { u64 handle; u32 tgid; u32 pad; };
struct pam_talk { char service[32]; char user[64]; char rhost[64]; };
BPF_TABLE("lru_hash", struct pam_key, struct pam_talk, pam_talks, 4096);
/* What a thread is in: its id and a step of the enum above. */
struct step_key { u32 tid; u32 step; };
struct step_call { u64 handle; u64 service; u64 user; u64 since; };
BPF_TABLE("lru_hash", struct step_key, struct step_call, pam_steps, 4096);

static __always_inline struct step_key this_step(u32 step)
{
	struct step_key key = {.tid = bpf_get_current_pid_tgid(), .step = step};
	return key;
}

static __always_inline struct pam_talk *talk_of(u64 handle)
{
	struct pam_key key = {.handle = handle, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct pam_talk nothing = {};
	return pam_talks.lookup_or_try_init(&key, &nothing);
}

static __always_inline int is_seen(void) { return is_armed() && is_in_scope(bpf_get_current_task()); }

/* pam_start(service, user, conversation, &handle), of pam_start_confdir the fifth is the handle. */
static __always_inline int start_begins(u64 service, u64 user, u64 handle)
{
	struct step_key key = this_step(START);
	struct step_call call = {.handle = handle, .service = service, .user = user};
	if (is_seen())
		pam_steps.update(&key, &call);
	return 0;
}

static __always_inline int start_ends(void)
{
	struct step_key key = this_step(START);
	struct step_call *begun = pam_steps.lookup(&key);
	if (!begun)
		return 0;
	struct step_call call = *begun;
	pam_steps.delete(&key);
	u64 handle = 0;
	bpf_probe_read_user(&handle, sizeof(handle), (void *)call.handle);
	struct pam_talk *talk = handle ? talk_of(handle) : 0;
	if (!talk)
		return 0;
	__builtin_memset(talk, 0, sizeof(*talk)); /* a handle's address may have been another's before */
	bpf_probe_read_user_str(talk->service, sizeof(talk->service), (void *)call.service);
	if (call.user)
		bpf_probe_read_user_str(talk->user, sizeof(talk->user), (void *)call.user);
	return 0;
}

int uprobe__pam_start(struct pt_regs *ctx)
{
	return start_begins(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM4(ctx));
}
int uretprobe__pam_start(struct pt_regs *ctx) { return start_ends(); }
#if HAS_PAM_START_CONFDIR
int uprobe__pam_start_confdir(struct pt_regs *ctx)
{
	return start_begins(PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM5(ctx));
}
int uretprobe__pam_start_confdir(struct pt_regs *ctx) { return start_ends(); }
#endif

int uprobe__pam_set_item(struct pt_regs *ctx)
{
	u32 item = PT_REGS_PARM2(ctx);
	u64 text = PT_REGS_PARM3(ctx);
	if ((item != PAM_SERVICE && item != PAM_USER && item != PAM_RHOST) || !text || !is_seen())
		return 0;
	struct pam_talk *talk = talk_of(PT_REGS_PARM1(ctx));
	if (!talk)
		return 0;
	if (item == PAM_SERVICE)
		bpf_probe_read_user_str(talk->service, sizeof(talk->service), (void *)text);
	else if (item == PAM_USER)
		bpf_probe_read_user_str(talk->user, sizeof(talk->user), (void *)text);
	else
		bpf_probe_read_user_str(talk->rhost, sizeof(talk->rhost), (void *)text);
	return 0;
}

int uprobe__pam_end(struct pt_regs *ctx)
{
	struct pam_key key = {.handle = PT_REGS_PARM1(ctx), .tgid = bpf_get_current_pid_tgid() >> 32};
	pam_talks.delete(&key);
	return 0;
}

static __always_inline int step_begins(u32 step, u64 handle)
{
	struct step_key key = this_step(step);
	struct step_call call = {.handle = handle, .since = bpf_ktime_get_ns()};
	if (is_seen())
		pam_steps.update(&key, &call);
	return 0;
}

static __always_inline void put_step(char *to, u32 step)
{
	switch (step) {
	case AUTHENTICATE: __builtin_memcpy(to, "authenticate", 13); break;
	case ACCOUNT: __builtin_memcpy(to, "account", 8); break;
	case OPEN_SESSION: __builtin_memcpy(to, "open_session", 13); break;
	case CLOSE_SESSION: __builtin_memcpy(to, "close_session", 14); break;
	case CHANGE: __builtin_memcpy(to, "change_token", 13); break;
	}
}

/* Names of security/_pam_types.h, without PAM_. */
static __always_inline void put_result(char *to, u32 result)
{
	switch (result) {
	case 0: __builtin_memcpy(to, "success", 8); break;
	case 1: __builtin_memcpy(to, "open_err", 9); break;
	case 2: __builtin_memcpy(to, "symbol_err", 11); break;
	case 3: __builtin_memcpy(to, "service_err", 12); break;
	case 4: __builtin_memcpy(to, "system_err", 11); break;
	case 5: __builtin_memcpy(to, "buf_err", 8); break;
	case 6: __builtin_memcpy(to, "perm_denied", 12); break;
	case 7: __builtin_memcpy(to, "auth_err", 9); break;
	case 8: __builtin_memcpy(to, "cred_insufficient", 18); break;
	case 9: __builtin_memcpy(to, "authinfo_unavail", 17); break;
	case 10: __builtin_memcpy(to, "user_unknown", 13); break;
	case 11: __builtin_memcpy(to, "maxtries", 9); break;
	case 12: __builtin_memcpy(to, "new_authtok_reqd", 17); break;
	case 13: __builtin_memcpy(to, "acct_expired", 13); break;
	case 14: __builtin_memcpy(to, "session_err", 12); break;
	case 15: __builtin_memcpy(to, "cred_unavail", 13); break;
	case 16: __builtin_memcpy(to, "cred_expired", 13); break;
	case 17: __builtin_memcpy(to, "cred_err", 9); break;
	case 18: __builtin_memcpy(to, "no_module_data", 15); break;
	case 19: __builtin_memcpy(to, "conv_err", 9); break;
	case 20: __builtin_memcpy(to, "authtok_err", 12); break;
	case 21: __builtin_memcpy(to, "authtok_recovery_err", 21); break;
	case 22: __builtin_memcpy(to, "authtok_lock_busy", 18); break;
	case 23: __builtin_memcpy(to, "authtok_disable_aging", 22); break;
	case 24: __builtin_memcpy(to, "try_again", 10); break;
	case 25: __builtin_memcpy(to, "ignore", 7); break;
	case 26: __builtin_memcpy(to, "abort", 6); break;
	case 27: __builtin_memcpy(to, "authtok_expired", 16); break;
	case 28: __builtin_memcpy(to, "module_unknown", 15); break;
	case 29: __builtin_memcpy(to, "bad_item", 9); break;
	case 30: __builtin_memcpy(to, "conv_again", 11); break;
	case 31: __builtin_memcpy(to, "incomplete", 11); break;
	}
}

/* Text of a map, where what stands after its end is zero or older text: not copied. */
static __always_inline void put_talk(struct auth_record *r, struct pam_talk *talk)
{
	bpf_probe_read_kernel_str(r->service, sizeof(r->service), talk->service);
	bpf_probe_read_kernel_str(r->user, sizeof(r->user), talk->user);
	bpf_probe_read_kernel_str(r->rhost, sizeof(r->rhost), talk->rhost);
}

/* The first connected socket; the later ones are looked at in vain, which the verifier likes better than a way out. */
static __always_inline void put_peer(struct auth_record *r)
{
#pragma clang loop unroll(disable)
	for (u32 fd = 0; fd < FDS; fd++) {
		u64 sock = internet_socket(file_of(fd));
		u16 port = sock ? read_u16(sock + OFF_SOCK_REMOTE_PORT) : 0;
		if (!port || r->remote_port)
			continue;
		r->remote_port = __builtin_bswap16(port);
		r->local_port = __builtin_bswap16(read_u16(sock + OFF_INET_LOCAL_PORT));
		sock_ends(r->local_ip, r->remote_ip, sock);
	}
}

static __always_inline int step_ends(u32 step, u32 result)
{
	struct step_key key = this_step(step);
	struct step_call *begun = pam_steps.lookup(&key);
	if (!begun)
		return 0;
	struct step_call call = *begun;
	pam_steps.delete(&key);
	struct auth_record *r = auth_reserve();
	if (!r)
		return 0;
	u64 task = bpf_get_current_task();
	u64 parent = task_parent(task), cred = read_u64(task + OFF_TASK_CRED);
	r->start_ns = task_start(task);
	r->pstart_ns = task_start(parent);
	r->cgroup_id = note_cgroup(task_cgroup(task));
	r->took_ns = r->ts_ns - call.since;
	r->tgid = task_tgid(task);
	r->ptgid = task_tgid(parent);
	r->uid = read_u32(cred + OFF_CRED_UID);
	r->euid = read_u32(cred + OFF_CRED_EUID);
	r->result = result;
	put_step(r->step, step);
	task_comm(r->comm, task);
	task_comm(r->pcomm, parent);
	struct pam_key own = {.handle = call.handle, .tgid = r->tgid}, inherited = {.handle = call.handle, .tgid = r->ptgid};
	struct pam_talk *talk = pam_talks.lookup(&own);
	if (!talk) /* sshd begins it, and a child that it forks goes on */
		talk = pam_talks.lookup(&inherited);
	if (talk)
		put_talk(r, talk);
	put_peer(r);
	put_result(r->result_name, result); /* last: it has many ways, and the verifier walks what follows for each */
	auth_submit(r);
	return 0;
}

int uprobe__pam_authenticate(struct pt_regs *ctx) { return step_begins(AUTHENTICATE, PT_REGS_PARM1(ctx)); }
int uretprobe__pam_authenticate(struct pt_regs *ctx) { return step_ends(AUTHENTICATE, PT_REGS_RC(ctx)); }
int uprobe__pam_acct_mgmt(struct pt_regs *ctx) { return step_begins(ACCOUNT, PT_REGS_PARM1(ctx)); }
int uretprobe__pam_acct_mgmt(struct pt_regs *ctx) { return step_ends(ACCOUNT, PT_REGS_RC(ctx)); }
int uprobe__pam_open_session(struct pt_regs *ctx) { return step_begins(OPEN_SESSION, PT_REGS_PARM1(ctx)); }
int uretprobe__pam_open_session(struct pt_regs *ctx) { return step_ends(OPEN_SESSION, PT_REGS_RC(ctx)); }
int uprobe__pam_close_session(struct pt_regs *ctx) { return step_begins(CLOSE_SESSION, PT_REGS_PARM1(ctx)); }
int uretprobe__pam_close_session(struct pt_regs *ctx) { return step_ends(CLOSE_SESSION, PT_REGS_RC(ctx)); }
int uprobe__pam_chauthtok(struct pt_regs *ctx) { return step_begins(CHANGE, PT_REGS_PARM1(ctx)); }
int uretprobe__pam_chauthtok(struct pt_regs *ctx) { return step_ends(CHANGE, PT_REGS_RC(ctx)); }
