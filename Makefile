# Each target sets up what it needs, once: see deploy/setup.sh.
.DEFAULT_GOAL := help
.PHONY: help demo test bench lint gym recordings lock clean
PYTHON_HERE := .venv/bin/python
VARIANTS := restart-loop cron build idle long-lived services
# the recordings that are committed: variant=folder
KEPT := restart-loop=short_lived_jobs cron=short_lived_jobs_cron build=quiet_build idle=quiet_idle \
	long-lived=quiet_long_lived services=quiet_services

help: ## what can be made here
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## provoke a fault, record it with BPF, judge it, write its postmortem (under a minute, once set up)
	@deploy/setup.sh demo
	@.venv/bin/santabpf demo

test: ## the whole suite; more for pytest in ARGS
	@deploy/setup.sh test
	$(PYTHON_HERE) -m pytest $(ARGS)

lint: ## ruff and mypy
	@deploy/setup.sh python
	.venv/bin/ruff check
	.venv/bin/mypy

bench: ## measure it beside BCC callbacks, bpftrace and perf; writes docs/benchmarks.md
	@deploy/setup.sh test
	.venv/bin/santabpf bench -o docs/benchmarks.md $(ARGS)

gym: ## all drills of the first scenario, its look-alikes too
	@deploy/setup.sh test
	@wrong=0; for variant in $(VARIANTS); do \
		.venv/bin/santabpf drill short_lived_jobs --variant $$variant || wrong=1; done; exit $$wrong

recordings: ## make the recordings in recordings/ anew, on this machine's kernel, anonymised
	@deploy/setup.sh test
	@for pair in $(KEPT); do rm -rf recordings/$${pair#*=}; .venv/bin/santabpf drill short_lived_jobs --seconds 12 \
		--variant $${pair%%=*} --keep recordings/$${pair#*=} || exit 1; done

lock: ## renew requirements.lock from pyproject.toml
	@deploy/lock.sh

clean: ## remove what was made here, the virtual environment too
	rm -rf .venv build dist out postmortem* .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
