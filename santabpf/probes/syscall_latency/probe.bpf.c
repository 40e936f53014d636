/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (regs, number) where a call begins and (regs, result) where it ends. */
#define MAX_ERRNO 4095
#define ERESTARTSYS 512 /* include/linux/errno.h: the call is done again, or becomes EINTR; up to */
#define ERESTART_RESTARTBLOCK 516

struct syscall_latency_begun { u64 since; u32 number, pad; };
/* Entries stay, with since 0 outside of calls: that is cheaper than to make new ones. */
BPF_TABLE("lru_hash", u32, struct syscall_latency_begun, syscall_latency_begun, 32768);

RAW_TRACEPOINT_PROBE(sys_enter)
{
	if (!is_armed() || !is_in_scope(bpf_get_current_task()))
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct syscall_latency_begun now = {.number = ctx->args[1], .since = bpf_ktime_get_ns()};
	struct syscall_latency_begun *begun = syscall_latency_begun.lookup(&tid);
	if (begun)
		*begun = now;
	else
		syscall_latency_begun.update(&tid, &now);
	return 0;
}

RAW_TRACEPOINT_PROBE(sys_exit)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct syscall_latency_begun *begun = syscall_latency_begun.lookup(&tid);
	if (!begun || !begun->since)
		return 0;
	u64 task = bpf_get_current_task(), took = bpf_ktime_get_ns() - begun->since;
	begun->since = 0;
	u32 call = call_number(ctx->args[0], task);
	if (!call || (call & 0xffff) != (begun->number & 0xffff))
		return 0; /* a new thread, at its first return, whose number was another's that died in its call */
	s64 result = ctx->args[1];
	struct syscall_latency_key key = {.start_ns = task_start(task), .tgid = task_tgid(task), .call = call};
	struct syscall_latency_value *value = syscall_latency_at(&key);
	if (!value)
		return 0;
	if (!value->calls)
		bpf_get_current_comm(value->comm, sizeof(value->comm));
	value->calls++;
	value->errors += result < 0 && result >= -MAX_ERRNO && !(result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK);
	value->total_ns += took;
	if (took > value->max_ns)
		value->max_ns = took;
	return 0;
}
