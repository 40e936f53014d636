/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* A tick begins where a poll returns and ends where the same thread's next poll begins, whatever poll that is. */
#define MS 1000000ULL

/* ended: when the last tick did, if it was longer than 200 ms; else 0. */
struct event_loop_thread { u64 since, cpu, born, ended; s64 ready; };
/* Entries stay, with since 0 during a poll: that is cheaper than to make new ones. */
BPF_TABLE("lru_hash", u32, struct event_loop_thread, event_loop_threads, 16384);

/* What a poll finds at once after a long tick had become ready in it. */
static __always_inline void count_waiting(u64 task, u64 ready)
{
	struct event_loop_key key = {
		.start_ns = task_start(task), .tgid = task_tgid(task), .tid = bpf_get_current_pid_tgid()};
	struct event_loop_value *value = event_loop_map.lookup(&key); /* the tick before has its key there, if there was room */
	if (!value)
		return;
	value->kept_waiting += ready;
	if (ready > value->most_waiting)
		value->most_waiting = ready;
}

static __always_inline int tick_begins(long result)
{
	u64 task = bpf_get_current_task();
	if (!is_armed() || !is_in_scope(task))
		return 0;
	u32 tid = bpf_get_current_pid_tgid();
	struct event_loop_thread now = {.born = read_u64(task + OFF_TASK_START), .ready = result < 0 ? -1 : result};
	now.cpu = read_u64(task + OFF_TASK_CPU);
	now.since = bpf_ktime_get_ns();
	struct event_loop_thread *thread = event_loop_threads.lookup(&tid);
	if (!thread) {
		event_loop_threads.update(&tid, &now);
		return 0;
	}
	if (result > 0 && thread->ended && thread->born == now.born && now.since - thread->ended < MS)
		count_waiting(task, result);
	*thread = now;
	return 0;
}

static __always_inline void report_tick(u64 task, u64 start, struct event_loop_thread *thread, u64 busy)
{
	u64 cpu = read_u64(task + OFF_TASK_CPU) - thread->cpu;
	struct event_loop_slow_record *r = event_loop_slow_reserve();
	if (!r)
		return;
	r->start_ns = start;
	r->busy_ns = busy;
	r->cpu_ns = cpu < busy ? cpu : busy;
	r->tgid = task_tgid(task);
	r->tid = bpf_get_current_pid_tgid();
	r->ready = thread->ready;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	event_loop_slow_submit(r);
}

static __always_inline int tick_ends(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct event_loop_thread *thread = event_loop_threads.lookup(&tid);
	if (!thread || !thread->since)
		return 0;
	u64 task = bpf_get_current_task(), ended = bpf_ktime_get_ns(), busy = ended - thread->since;
	if (thread->born != read_u64(task + OFF_TASK_START)) {
		thread->since = 0; /* another thread of that number, which is gone */
		return 0;
	}
	u64 start = task_start(task);
	struct event_loop_key key = {.start_ns = start, .tgid = task_tgid(task), .tid = tid};
	struct event_loop_value *value = event_loop_at(&key);
	if (value) {
		if (!value->ticks)
			bpf_get_current_comm(value->comm, sizeof(value->comm));
		value->ticks++;
		value->busy_ns += busy;
		value->over_50ms += busy > 50 * MS;
		value->over_200ms += busy > 200 * MS;
		if (busy > value->max_ns)
			value->max_ns = busy;
	}
	struct event_loop_hist_key slot = {.start_ns = start, .tgid = key.tgid, .busy_ns = busy < 2 ? 0 : bpf_log2l(busy) - 1};
	struct event_loop_hist_value *counts = event_loop_hist_at(&slot);
	if (counts) {
		counts->ticks++;
		counts->busy_sum_ns += busy;
	}
	if (busy >= MIN_BUSY_NS)
		report_tick(task, start, thread, busy);
	thread->ended = busy > 200 * MS ? ended : 0;
	thread->since = 0;
	return 0;
}

#if HAS_SYS_ENTER_EPOLL_WAIT && HAS_SYS_EXIT_EPOLL_WAIT
TRACEPOINT_PROBE(syscalls, sys_enter_epoll_wait) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_epoll_wait) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_EPOLL_PWAIT && HAS_SYS_EXIT_EPOLL_PWAIT
TRACEPOINT_PROBE(syscalls, sys_enter_epoll_pwait) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_epoll_pwait) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_EPOLL_PWAIT2 && HAS_SYS_EXIT_EPOLL_PWAIT2
TRACEPOINT_PROBE(syscalls, sys_enter_epoll_pwait2) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_epoll_pwait2) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_POLL && HAS_SYS_EXIT_POLL
TRACEPOINT_PROBE(syscalls, sys_enter_poll) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_poll) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_PPOLL && HAS_SYS_EXIT_PPOLL
TRACEPOINT_PROBE(syscalls, sys_enter_ppoll) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_ppoll) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_SELECT && HAS_SYS_EXIT_SELECT
TRACEPOINT_PROBE(syscalls, sys_enter_select) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_select) { return tick_begins(args->ret); }
#endif
#if HAS_SYS_ENTER_PSELECT6 && HAS_SYS_EXIT_PSELECT6
TRACEPOINT_PROBE(syscalls, sys_enter_pselect6) { return tick_ends(); }
TRACEPOINT_PROBE(syscalls, sys_exit_pselect6) { return tick_begins(args->ret); }
#endif
