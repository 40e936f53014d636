# Each target sets up what it needs, once: see deploy/setup.sh.
.DEFAULT_GOAL := help
.PHONY: help demo test bench costs docs lint gym gym-guest schedule-guest recordings lock clean
PYTHON_HERE := .venv/bin/python
# the recordings that are committed: scenario:variant=folder, and, after another colon, probes that are recorded too
KEPT := \
	short_lived_jobs:restart-loop=short_lived_jobs \
	short_lived_jobs:cron=short_lived_jobs_cron \
	short_lived_jobs:build=quiet_build \
	short_lived_jobs:idle=quiet_idle \
	short_lived_jobs:long-lived=quiet_long_lived \
	short_lived_jobs:services=quiet_services \
	short_lived_jobs:package-install=quiet_package_install \
	short_lived_jobs:tar=quiet_tar \
	accept_queue:workers=accept_queue \
	accept_queue:overflow=accept_queue_overflow \
	accept_queue:saturated=accept_queue_quiet_saturated \
	accept_queue:slow-answers=accept_queue_quiet_slow_answers \
	slow_fsync:device=slow_fsync \
	slow_fsync:neighbour=slow_fsync_neighbour \
	slow_fsync:buffered=slow_fsync_quiet_buffered \
	slow_fsync:many=slow_fsync_quiet_many \
	tcp_loss:lossy=tcp_loss \
	tcp_loss:gone=tcp_loss_gone \
	tcp_loss:slow-link=tcp_loss_quiet_slow_link \
	slow_dns:slow=slow_dns \
	slow_dns:lossy=slow_dns_lossy \
	slow_dns:unknown=slow_dns_quiet_unknown \
	slow_dns:busy=slow_dns_quiet_busy \
	event_loop_blocked:asyncio-sleep=event_loop_blocked:profile,offcpu,syscalls,opens,faults \
	event_loop_blocked:asyncio-compute=event_loop_blocked_asyncio_compute:profile,offcpu,syscalls,opens,faults \
	event_loop_blocked:redis-lua=event_loop_blocked_redis_lua \
	event_loop_blocked:threads=event_loop_blocked_quiet_threads \
	event_loop_blocked:starved=event_loop_blocked_quiet_starved \
	event_loop_blocked:redis-load=event_loop_blocked_quiet_redis_load \
	disk_full:write=disk_full \
	disk_full:inodes=disk_full_inodes \
	disk_full:fits=disk_full_quiet_fits \
	disk_full:other-errors=disk_full_quiet_other_errors \
	fd_exhaustion:open=fd_exhaustion \
	fd_exhaustion:accept=fd_exhaustion_accept \
	fd_exhaustion:enoent=fd_exhaustion_quiet_enoent \
	fd_exhaustion:many-open=fd_exhaustion_quiet_many_open \
	oom_kill:leak=oom_kill \
	oom_kill:again=oom_kill_again \
	oom_kill:kill-9=oom_kill_quiet_kill_9 \
	oom_kill:near-limit=oom_kill_quiet_near_limit \
	cpu_throttling:workers=cpu_throttling:profile,syscalls,opens,faults \
	cpu_throttling:bursts=cpu_throttling_bursts \
	cpu_throttling:no-limit=cpu_throttling_quiet_no_limit \
	cpu_throttling:oversubscribed=cpu_throttling_quiet_oversubscribed \
	cpu_throttling:within-limit=cpu_throttling_quiet_within_limit:profile,syscalls,opens,faults \
	reverse_shell:bash=reverse_shell \
	reverse_shell:python=reverse_shell_python \
	reverse_shell:pty=reverse_shell_pty \
	reverse_shell:pipe=reverse_shell_quiet_pipe \
	reverse_shell:inetd=reverse_shell_quiet_inetd \
	reverse_shell:dev-tcp=reverse_shell_quiet_dev_tcp \
	privilege_escalation:setuid=privilege_escalation \
	privilege_escalation:memfd=privilege_escalation_memfd \
	privilege_escalation:temporary=privilege_escalation_temporary \
	privilege_escalation:disguise=privilege_escalation_disguise \
	privilege_escalation:passwd-su=privilege_escalation_quiet_passwd_su \
	privilege_escalation:build=privilege_escalation_quiet_build \
	privilege_escalation:root-work=privilege_escalation_quiet_root_work \
	ssh_brute_force:guess=ssh_brute_force \
	ssh_brute_force:success=ssh_brute_force_success \
	ssh_brute_force:mistyped=ssh_brute_force_quiet_mistyped \
	ssh_brute_force:keys=ssh_brute_force_quiet_keys \
	crash_loop:config=crash_loop \
	crash_loop:segfault=crash_loop_segfault \
	crash_loop:true-loop=crash_loop_quiet_true_loop \
	crash_loop:by-hand=crash_loop_quiet_by_hand \
	crash_loop:answers=crash_loop_quiet_answers \
	cpu_saturation:neighbours=cpu_saturation \
	cpu_saturation:crowd=cpu_saturation_crowd \
	cpu_saturation:one-hog=cpu_saturation_quiet_one_hog \
	cpu_saturation:nice-hogs=cpu_saturation_quiet_nice_hogs \
	cpu_saturation:busy=cpu_saturation_quiet_busy \
	memory_usage:held=memory_usage \
	memory_usage:creeping=memory_usage_creeping \
	memory_usage:page-cache=memory_usage_quiet_page_cache \
	memory_usage:burst=memory_usage_quiet_burst \
	page_cache_thrash:squeezed=page_cache_thrash \
	page_cache_thrash:cold=page_cache_thrash_quiet_cold \
	page_cache_thrash:fits=page_cache_thrash_quiet_fits \
	page_cache_thrash:scan=page_cache_thrash_quiet_scan \
	cpu_usage:hogs=cpu_usage \
	cpu_usage:one-core=cpu_usage_quiet_one_core \
	cpu_usage:burst=cpu_usage_quiet_burst

help: ## what can be made here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## provoke a fault, record it with BPF, judge it, write its postmortem (under a minute, once set up)
	@deploy/setup.sh demo
	@.venv/bin/santabpf demo

# Hundreds of Pythons are started there: what they compile is kept, whatever the surroundings say. One test may take from
# another the CPU or the disk that it counts on: what fails beside others must hold alone, and both are told.
SUITE := PYTHONDONTWRITEBYTECODE= $(PYTHON_HERE) -m pytest --dist loadscope --no-loadscope-reorder
test: ## the whole suite, side by side; what fails so is tried once more, alone; more for pytest in ARGS ("-n0": all alone)
	@deploy/setup.sh test
	$(SUITE) -n auto --durations=25 $(ARGS) || { [ $$? = 1 ] && echo "make test: once more, alone, what failed beside others" && \
		$(SUITE) -n0 --last-failed --last-failed-no-failures none; }

lint: ## ruff and mypy
	@deploy/setup.sh python
	.venv/bin/ruff check
	.venv/bin/mypy

bench: ## measure it beside BCC callbacks, bpftrace and perf; writes docs/benchmarks.md
	@deploy/setup.sh test
	.venv/bin/santabpf bench -o docs/benchmarks.md $(ARGS)

costs: ## measure what each probe costs, in pairs with and without it, into its folder (half an hour)
	@deploy/setup.sh test
	.venv/bin/santabpf bench --costs $(ARGS)

docs: ## write docs/tables.md out of the YAML
	@deploy/setup.sh python
	@.venv/bin/python -c "from santabpf.catalogue import reference; print(reference(), end='')" > docs/tables.md

gym: ## all drills and look-alikes, until each has five runs; writes docs/accuracy.md (some hours; goes on where it stopped)
	@deploy/setup.sh test
	.venv/bin/santabpf gym --runs docs/accuracy.jsonl -o docs/accuracy.md $(ARGS)

gym-guest: ## all drills once in a second node under qemu; writes docs/accuracy-guest.md (an hour or two; goes on, too)
	@deploy/setup.sh test
	$(PYTHON_HERE) tests/guest/gym.py docs/accuracy-guest.jsonl docs/accuracy-guest.md $(ARGS)

schedule-guest: ## timers and services with the real workbench, in that node: written, run, judged, removed (a quarter of an hour)
	@deploy/setup.sh test
	$(PYTHON_HERE) tests/guest/schedule.py

recordings: ## make the recordings in recordings/ anew, on this machine's kernel, anonymised; some: KEPT="a:b=c"
	@deploy/setup.sh test
	@for kept in $(KEPT); do IFS=':='; set -- $$kept; unset IFS; rm -rf "recordings/$$3"; \
		.venv/bin/santabpf drill "$$1" --seconds 10 --variant "$$2" --keep "recordings/$$3" \
		$$(echo "$$4" | sed 's/[^,]\+/-p &/g; s/,/ /g') > /dev/null || exit 1; done
	$(PYTHON_HERE) tests/synthetic_steal.py

lock: ## renew requirements.lock, and the scheduler's, from pyproject.toml
	@deploy/lock.sh

clean: ## remove what was made here, the virtual environment too
	rm -rf .venv build dist out postmortem* .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
