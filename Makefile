# Each target sets up what it needs, once: see deploy/setup.sh.
.DEFAULT_GOAL := help
.PHONY: help demo test bench costs docs lint gym gym-guest schedule-guest recordings lock clean
PYTHON_HERE := .venv/bin/python

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

recordings: ## make the recordings in recordings/ anew, on this machine's kernel, anonymised (an hour); some: names in ARGS
	@deploy/setup.sh test
	$(PYTHON_HERE) tests/recordings_again.py $(ARGS)
	$(PYTHON_HERE) tests/synthetic_steal.py

lock: ## renew requirements.lock, and the scheduler's, from pyproject.toml
	@deploy/lock.sh

clean: ## remove what was made here, the virtual environment too
	rm -rf .venv build dist out postmortem* .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
