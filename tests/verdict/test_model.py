"""The verdict's JSON, its digest, and the golden one."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path

import pytest

from santabpf.errors import BadVerdict
from santabpf.recording import open as open_recording
from santabpf.replay import replay
from santabpf.scenarios import load_scenario
from santabpf.verdict import Verdict, check_digest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    """The golden recording judged now, by the golden scenario."""
    (made,) = replay(open_recording(GOLDEN / "recording"), [load_scenario(GOLDEN / "short_loop")]).verdicts
    return made


def test_the_golden_recording_gives_the_golden_verdict_byte_for_byte(verdict: Verdict) -> None:
    golden = (GOLDEN / "verdict.json").read_text()
    made = json.loads(golden)
    if made["inputs"]["duckdb"] == version("duckdb"):
        assert verdict.to_json() == golden
    else:  # the digest covers DuckDB's version; all else must be the same
        now = verdict.as_dict()
        for body in (made, now):
            body["inputs"].pop("duckdb")
            body.pop("digest")
        assert json.loads(json.dumps(now)) == made


def test_the_golden_verdict_bears_out_its_digest() -> None:
    body = check_digest((GOLDEN / "verdict.json").read_text())
    assert body["version"] == 1
    assert body["state"] == "fired"


def test_the_digest_covers_everything(verdict: Verdict) -> None:
    others = [
        dataclasses.replace(verdict, state="quiet"),
        dataclasses.replace(verdict, inputs=dataclasses.replace(verdict.inputs, duckdb="0")),
        dataclasses.replace(verdict, inputs=dataclasses.replace(verdict.inputs, scenario_sha256="0")),
        dataclasses.replace(verdict, inputs=dataclasses.replace(verdict.inputs, tables={"exit": "0"})),
        dataclasses.replace(verdict, evidence=verdict.evidence[1:]),
    ]
    assert len({v.digest for v in [verdict, *others]}) == 6


def test_a_changed_verdict_is_found_out(verdict: Verdict) -> None:
    body = json.loads(verdict.to_json())
    body["state"] = "quiet"
    with pytest.raises(BadVerdict, match="was changed"):
        check_digest(json.dumps(body))
    check_digest(json.dumps(json.loads(verdict.to_json()), indent=4))  # the layout does not matter


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no verdict"),
        ("[]", "has no version"),
        ('{"state": "fired"}', "has no version"),
        ('{"version": 2}', "of version 2, and this SantaBPF knows 1"),
        ('{"version": 1}', "was changed"),
    ],
)
def test_what_is_no_verdict_is_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(BadVerdict, match=message):
        check_digest(text)


def test_evidence_keeps_fifty_rows_and_counts_all(tmp_path: Path) -> None:
    from made_up_node import World

    world = World(8, probes=("exit", "fork"))
    for n in range(60):
        world.run(world.init, [f"job{n:02}"], 2 + n / 20, 5, 1)
    (made,) = replay(world.write(tmp_path / "r"), [load_scenario(GOLDEN / "short_loop")]).verdicts
    found = made.find("commands")
    assert (len(found.rows), found.count) == (50, 60)
