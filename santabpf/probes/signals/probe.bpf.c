/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * signal_generate: args are (signal, info, task, group, result), in the context of whoever sends.
 * signal_deliver: args are (signal, info, action), in the thread that takes it.
 */
#define INFO_USER 0   /* SEND_SIG_NOINFO: as if by kill(2) of the current process */
#define INFO_KERNEL 1 /* SEND_SIG_PRIV: by the kernel; both stand where a pointer would, kernel/signal.c */
#define CODE_USER 0
#define CODE_QUEUE -1
#define CODE_TIMER -2
#define CODE_TKILL -6
#define CODE_KERNEL 128
#define ACTION_DEFAULT 0
#define ACTION_IGNORED 1
#define ACTION_HANDLED 2
#define NR_SIGCHLD 17

#define BIT(n) (1ULL << ((n) - 1))
/* Of these, a process that has a handler may take thousands a second: ILL TRAP BUS FPE SEGV ALRM CHLD URG VTALRM PROF WINCH IO. */
#define ROUTINE_HANDLED (BIT(4) | BIT(5) | BIT(7) | BIT(8) | BIT(11) | BIT(14) | BIT(NR_SIGCHLD) | BIT(23) | BIT(26) | BIT(27) | BIT(28) | BIT(29))

static __always_inline s32 code_of(u64 info)
{
	if (info == INFO_USER)
		return CODE_USER;
	return info == INFO_KERNEL ? CODE_KERNEL : (s32)read_u32(info + OFF_INFO_CODE);
}

static __always_inline u8 action_of_handler(u64 handler)
{
	return handler == 0 ? ACTION_DEFAULT : handler == 1 ? ACTION_IGNORED : ACTION_HANDLED;
}

/* sa_mask, 8 bytes, is the last member of struct sigaction. */
static __always_inline u8 action_of(u64 task, u32 signal)
{
	u64 first = read_u64(task + OFF_TASK_SIGHAND) + OFF_SIGHAND_ACTION;
	return action_of_handler(read_u64(first + (u64)(signal - 1) * (OFF_ACTION_MASK + 8) + OFF_ACTION_HANDLER));
}

/* Who runs now is the sender only for kill, tgkill and sigqueue; timers and faults come in anybody's context. */
static __always_inline int is_sent_by_current(s32 code)
{
	return code == CODE_USER || code == CODE_QUEUE || code == CODE_TKILL;
}

static __always_inline int is_routine(u32 signal, s32 code, u8 action, int to_itself)
{
	if (signal == NR_SIGCHLD && code > 0) /* the end of a child: see the table exit */
		return 1;
	if (action != ACTION_HANDLED)
		return 0;
	return to_itself || code == CODE_TIMER || (!is_sent_by_current(code) && (ROUTINE_HANDLED & BIT(signal)));
}

RAW_TRACEPOINT_PROBE(signal_generate)
{
	u32 signal = ctx->args[0];
	u64 task = ctx->args[2], sender = bpf_get_current_task();
	if (!is_armed() || signal < 1 || signal > 64)
		return 0;
	s32 code = code_of(ctx->args[1]);
	int has_sender = is_sent_by_current(code);
	if (!is_in_scope(task) && !(has_sender && is_in_scope(sender)))
		return 0;
	u8 action = action_of(task, signal);
	s32 tgid = task_tgid(task), sender_tgid = bpf_get_current_pid_tgid() >> 32;
	if (!ROUTINE && is_routine(signal, code, action, has_sender && sender_tgid == tgid))
		return 0;
	struct signals_record *r = signals_reserve();
	if (!r)
		return 0;
	u64 group = task_cgroup(task);
	r->start_ns = task_start(task);
	r->cgroup_id = note_cgroup(group);
	r->tgid = tgid;
	r->tid = task_tid(task);
	r->signal = signal;
	r->code = code;
	r->action = action;
	r->result = ctx->args[4];
	r->is_blocked = (read_u64(task + OFF_TASK_BLOCKED) & BIT(signal)) != 0;
	r->to_process = (u32)ctx->args[3] != 0;
	r->sender_uid = 0xffffffff;
	if (has_sender) {
		r->sender_start_ns = task_start(sender);
		r->sender_tgid = sender_tgid;
		r->sender_uid = bpf_get_current_uid_gid();
		task_comm(r->sender_comm, sender);
	}
	task_comm(r->comm, task);
	signals_submit(r);
	return 0;
}

RAW_TRACEPOINT_PROBE(signal_deliver)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	struct signals_taken_key key = {.signal = ctx->args[0]};
	key.action = action_of_handler(read_u64(ctx->args[2] + OFF_ACTION_HANDLER));
	task_comm(key.comm, task);
	struct signals_taken_value *value = signals_taken_at(&key);
	if (value)
		value->taken++;
	return 0;
}
