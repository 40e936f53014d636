"""How things show themselves: HTML in a notebook, text in a terminal, with names that would like to be more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import synthetic

import santabpf as sb
from santabpf.replay import AlarmEvent
from santabpf.scenarios import all_scenarios

NASTY = "</td><script>alert(1)</script>\x1b[31m\u202e"


@pytest.fixture(scope="module")
def rec(tmp_path_factory: pytest.TempPathFactory) -> sb.Recording:
    return sb.open(synthetic.record(tmp_path_factory.mktemp("cards") / "friday", jobs=120, hostile=True))


@pytest.fixture(scope="module")
def fired() -> sb.Verdict:
    return sb.replay(sb.open("recordings/short_lived_jobs"), ["short_lived_jobs"]).verdicts[0]


def html(thing: Any) -> str:
    """What a notebook shows; checked to be harmless, and the plain text beside it too."""
    bundle = thing._repr_mimebundle_()
    for kind in ("text/html", "text/markdown"):
        assert "<script" not in bundle[kind]
        assert "<a href" not in bundle[kind]
    for text in (bundle["text/plain"], str(thing), repr(thing)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    return str(bundle["text/html"])


def test_a_recording_says_what_when_where_and_which_tables(rec: sb.Recording) -> None:
    shown = html(rec)
    assert "2026-05-01 12:00:00 to 12:00:30 UTC, 30 s" in shown
    assert "node-1 (Linux 6.18, 2 CPUs)" in shown
    assert "<code>exec</code>" in shown
    assert "successful execve" in shown
    assert repr(rec).startswith("<Recording friday: complete")
    assert str(rec).startswith("Recording friday: 2026-05-01")


def test_a_table_shows_its_columns_with_their_units(rec: sb.Recording) -> None:
    shown = html(rec.exec)
    assert "<code>argv_bytes</code>" in shown
    assert "length of the whole command line" in shown
    assert repr(rec.exec).startswith(f"<Table exec: {rec.exec.rows} rows")


def test_a_verdict_shows_state_reason_and_what_it_rests_on(fired: sb.Verdict) -> None:
    shown = html(fired)
    assert "Fired" in shown
    assert fired.detected is not None
    assert "What to do next" in shown
    assert fired.digest in shown
    assert all(f"<code>{evidence.name}</code>" in shown for evidence in fired.evidence)
    assert repr(fired).startswith("<Verdict short_lived_jobs on node-1: fired, confidence ")
    assert str(fired) == fired.to_text()


def test_what_a_verdict_says_is_never_markup(fired: sb.Verdict) -> None:
    said = replace(fired, title=NASTY, summary=tuple(replace(s, text=NASTY) for s in fired.summary),
                   evidence=tuple(replace(e, title=NASTY, name=NASTY) for e in fired.evidence))  # fmt: skip
    assert "&lt;script&gt;" in html(said)


def test_a_result_shows_what_fired_and_all_that_is_quiet_as_one_table() -> None:
    whole = sb.replay(sb.open("recordings/quiet_idle"))
    shown = html(whole)
    assert shown.count('class="santa-badge ') == sum(v.state != "quiet" for v in whole.verdicts)
    assert shown.count("<table") == 1
    assert all(v.title in shown.replace("&#x27;", "'") for v in whole.verdicts if v.state == "quiet")
    assert repr(whole).startswith("<Result: ")


def test_scenarios_alarms_and_probes() -> None:
    for scenario in all_scenarios().values():
        shown = html(scenario)
        assert all(signal.name in shown for signal in scenario.signals)
        assert all(alarm.name in html(alarm) for alarm in scenario.alarms)
        assert repr(scenario) == f"<Scenario {scenario.name}: {scenario.title}>"
    for name in sb.probes:
        shown = html(sb.probes[name])
        assert all(f"<code>{table.name}</code>" in shown for table in sb.probes[name].tables)
    assert "min_wait_ns" in html(sb.probes.runq)
    assert "<code>runq</code>" in html(sb.probes)


def test_an_alarm_that_was_heard() -> None:
    heard = AlarmEvent("s", "a", f"Too many {NASTY}", "node-1", NASTY, "raised", "crit", synthetic.START, "23 %")
    shown = html(heard)
    assert "23 %" in shown
    assert "Fired" in shown
    assert str(heard).isprintable()
