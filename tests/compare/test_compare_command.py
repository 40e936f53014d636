"""`santabpf compare`, as people run it, and its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from santabpf.cli import cli

ROOT = Path(__file__).parents[2]
FAULT, QUIET = (str(ROOT / "recordings" / name) for name in ("cpu_throttling", "cpu_throttling_quiet_within_limit"))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["compare", *arguments])


def test_a_throttled_group_stands_out_from_one_within_its_limit(tmp_path: Path) -> None:
    page = tmp_path / "changed.html"
    done = run(FAULT, QUIET, "-o", str(page))
    assert done.exit_code == 0, done.output
    assert "throttled_ns" in done.output
    assert "Noise: the same ranking" in done.output
    assert page.read_text().count("santa-figure") >= 1
    assert "http" not in page.read_text().split("</head>")[0].replace("http-equiv", "")


def test_windows_of_one_recording_as_json() -> None:
    done = run(FAULT, "--incident-window", "4s..", "--good-window", "0s..3s", "--json", "-t", "throttle", "-t", "runq")
    told = json.loads(done.output)
    assert {change["table"] for change in told["changes"]} == {"throttle", "runq"}
    assert told["incident"]["from_ns"] > told["good"][0]["to_ns"]


@pytest.mark.parametrize(("arguments", "said"), [
    ((FAULT,), "two windows overlap"),
    ((FAULT, QUIET, "--good-window", "soon"), "a window is written like 5s..20s"),
    ((FAULT, QUIET, "-t", "runk"), "no 'runk'"),
    ((FAULT, "/nowhere"), "there is no such recording"),
])  # fmt: skip
def test_bad_usage_gets_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert "Traceback" not in done.output
