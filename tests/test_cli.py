"""The command line: words, JSON, exit codes; one clear sentence for each thing that is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from santabpf.probes import all_probes
from santabpf.probes.cost import load_cost

ROOT = Path(__file__).parents[1]
FAULT, QUIET = ROOT / "recordings" / "short_lived_jobs", ROOT / "recordings" / "quiet_idle"


def santabpf(*args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "santabpf", *map(str, args)], capture_output=True, text=True, cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_every_command_of_the_readme_is_there_and_takes_json() -> None:
    for name in ("check", "record", "replay", "report", "watch", "drill", "reproduce", "probes", "scenarios", "demo"):
        done = santabpf(name, "--help")
        assert done.returncode == 0, name
        assert "--json" in done.stdout, name


@pytest.mark.parametrize(("recording", "code", "state"), [(FAULT, 3, "fired"), (QUIET, 0, "quiet")])
def test_replay_tells_by_its_exit_code_and_its_words(recording: Path, code: int, state: str) -> None:
    done = santabpf("replay", recording)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.casefold().startswith(state)
    told = json.loads(santabpf("replay", recording, "--json").stdout)
    assert {v["scenario"]: v["state"] for v in told["verdicts"]}["short_lived_jobs"] == state
    assert told["also_seen"] == []


def test_a_bundled_recording_is_found_by_its_name(tmp_path: Path) -> None:
    assert santabpf("replay", "short_lived_jobs", cwd=tmp_path).returncode == 3


@pytest.mark.parametrize("name", ["probes", "scenarios"])
def test_the_catalogue_is_words_and_json(name: str) -> None:
    names = [row["name"] for row in json.loads(santabpf(name, "--json").stdout)]
    assert names == sorted(names)
    words = santabpf(name).stdout
    assert [n for n in names if n not in words] == []


def test_the_list_of_probes_says_what_each_was_measured_to_cost() -> None:
    cost = load_cost(all_probes()["runq"].folder)
    assert cost is not None
    (line,) = (line for line in santabpf("probes").stdout.splitlines() if line.startswith("runq "))
    assert f" {cost.bpf_ns} " in line
    assert f" {cost.dearer:+.1f} % " in line


def test_what_a_probe_in_no_set_costs_is_said_before_it_is_recorded(tmp_path: Path) -> None:
    asked = "record", "no-such-host.invalid", "-o", "x", "-p", "syscall_latency", "-p", "exec"
    done = santabpf(*asked, cwd=tmp_path)
    first, *rest = done.stderr.splitlines()
    assert first == f"syscall_latency: on demand only, in no set. {all_probes()['syscall_latency'].cost}"
    assert "no-such-host.invalid" in " ".join(rest)
    assert "no set" not in " ".join(rest)
    assert "no set" not in santabpf(*asked, "--json", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["reply", "x"], 2, "did you mean 'replay'?"),
        (["replay", "no/such/folder"], 1, "no/such/folder"),
        (["replay", ROOT / "docs"], 1, "no recording"),
        (["replay", FAULT, "-s", "short_lived_job"], 2, "did you mean 'short_lived_jobs'?"),
        (["record", "local", "-p", "runk", "-o", "x"], 2, "did you mean 'runq'?"),
        (["record", "local", "-d", "soon", "-p", "exec", "-o", "x"], 2, "not a duration"),
        (["record", "local", "--tree", "1", "--cgroup", "/x", "-o", "x"], 2, "exclude each other"),
        (["record", "local", "--into", "a", "-o", "b"], 2, "exclude each other"),
        (["schedule", "dayly", "x"], 2, "did you mean 'daily'?"),
        (["record", "no-such-host.invalid", "-p", "exec", "-o", "x"], 1, "no-such-host.invalid"),
        (["record", "127.0.0.1:1", "-p", "exec", "-o", "x"], 1, "refused"),
        (["report", FAULT, "-p", "nonsense"], 2, "NAME=VALUE"),
        (["drill", "short_lived_job"], 2, "did you mean 'short_lived_jobs'?"),
        (["drill", "short_lived_jobs", "--variant", "cronn"], 2, "did you mean 'cron'?"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(args: list[object], code: int, says: str, tmp_path: Path) -> None:
    done = santabpf(*args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_report_whose_notebook_failed_says_which_cell(tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "notebooks" / "postmortem.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code[3]["source"] = ["1 / 0"]
    (tmp_path / "mine.ipynb").write_text(json.dumps(notebook))
    done = santabpf("report", QUIET, "--notebook", "mine.ipynb", "-o", "x.html", cwd=tmp_path)
    assert done.returncode == 1
    assert "mine.ipynb: cell 5 failed: ZeroDivisionError: division by zero; " in done.stderr
    assert (tmp_path / "x.verdict.json").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_says_so_and_ends_as_shells_expect(number: int, code: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an SSH server that never speaks
        node = f"127.0.0.1:{silent.getsockname()[1]}"
        running = subprocess.Popen(
            [sys.executable, "-m", "santabpf", "record", node, "-p", "exec", "-o", "x"], stderr=subprocess.PIPE,
            text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        silent.settimeout(60)
        connection, _ = silent.accept()
        running.send_signal(number)
        connection.close()
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err.strip()) == (code, "santabpf: stopped before it was done")
    assert list(tmp_path.iterdir()) == []


INTERRUPTED = """
import importlib.abc, os, signal, sys
class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
from santabpf.cli import main
main()
"""


def test_ctrl_c_while_modules_load_ends_it_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
