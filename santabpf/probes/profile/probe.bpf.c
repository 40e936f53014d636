/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * HZ times a second on each CPU: who runs there, and where. The clock is the kernel's cpu-clock, a timer of each CPU.
 * User frames are found by frame pointers, and named by build id and offset, so that they can be resolved later.
 */
#define KERNEL_FRAMES 32
#define USER_FRAMES 32
#define FRAME_BYTES 32 /* struct bpf_stack_build_id */

static __always_inline void take_kernel_stack(struct profile_record *r, void *ctx)
{
	int bytes = bpf_get_stack(ctx, r->kernel_stack, sizeof(r->kernel_stack), 0);
	if (bytes < 0)
		r->kernel_stack[0] = STACK_UNREADABLE;
	else if (bytes == sizeof(r->kernel_stack))
		r->cut = 1;
}

static __always_inline void take_user_frames(struct profile_record *r, void *ctx, u64 task)
{
	if (!read_u64(task + OFF_TASK_MM)) /* a thread of the kernel's: there are none */
		return;
	int bytes = bpf_get_stack(ctx, r->user_frames, sizeof(r->user_frames), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	if (bytes < 0)
		*(s32 *)r->user_frames = FRAMES_UNREADABLE;
	else if (bytes == sizeof(r->user_frames))
		r->cut = 1;
}

int perf_event__cpu_clock(struct bpf_perf_event_data *ctx)
{
	if (!is_armed())
		return 0;
	u64 id = bpf_get_current_pid_tgid();
	u64 task = bpf_get_current_task();
	struct profile_cpu_key key = {};
	key.cpu = bpf_get_smp_processor_id();
	struct profile_cpu_value *count = profile_cpu_at(&key);
	if (count) {
		count->ticks++;
		if ((u32)id == 0)
			count->idle_ticks++;
	}
	if ((u32)id == 0 || !is_in_scope(task))
		return 0;
	struct profile_record *r = profile_reserve();
	if (!r)
		return 0;
	r->start_ns = task_start(task);
	r->tgid = id >> 32;
	r->tid = id;
	r->cpu = key.cpu;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	take_kernel_stack(r, ctx);
	take_user_frames(r, ctx, task);
	profile_submit(r);
	return 0;
}
