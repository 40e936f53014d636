/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Args are (regs, result). Nearly all calls are done with the first comparison. */
#define MAX_ERRNO 4095
#define ERESTARTSYS 512 /* include/linux/errno.h: the call is done again, or becomes EINTR; up to */
#define ERESTART_RESTARTBLOCK 516

static __always_inline int is_ordinary(u32 call, s32 error)
{
	return error == 4 || error == 11 || error == 115 || (error == 110 && (call == FUTEX_X86 || call == FUTEX_ARM64));
}

RAW_TRACEPOINT_PROBE(sys_exit)
{
	s64 result = ctx->args[1];
	if (result >= 0 || result < -MAX_ERRNO || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK))
		return 0;
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u32 call = call_number(ctx->args[0], task);
	if (!call)
		return 0;
	struct syscalls_key key = {.start_ns = task_start(task), .tgid = task_tgid(task), .call = call, .error = -result};
	key.is_ordinary = is_ordinary(call, key.error);
	struct syscalls_value *value = syscalls_at(&key);
	if (!value)
		return 0;
	if (!value->errors)
		bpf_get_current_comm(value->comm, sizeof(value->comm));
	value->errors++;
	return 0;
}
