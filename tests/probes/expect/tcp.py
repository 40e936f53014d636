"""Each planted connection is one row on each side, with its bytes, its process and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("tcp").to_pylist()
    for name in ("ipv4", "ipv6", "given_up"):
        planted, hurry = facts[name], name == "given_up"
        out = [row for row in rows if row["remote_port"] == planted["port"]]
        came = [row for row in rows if row["local_port"] == planted["port"]]
        assert {str(row["local_port"]): row["sent_bytes"] for row in out} == planted["sent"]
        assert {str(row["remote_port"]): row["received_bytes"] for row in came} == planted["sent"]
        assert len(out) == len(came) == 23
        for row in out:
            assert (row["tgid"], row["direction"], row["received_bytes"]) == (facts["client"], "out", facts["reply"])
            assert (row["ended"], row["error"]) == ("aborted" if hurry else "closed", None)
            assert row["connect_ns"] > 0
        for row in came:
            assert (row["tgid"], row["direction"], row["connect_ns"]) == (planted["server"], "in", None)
            assert (row["ended"], row["error"]) == (("reset", 104) if hurry else ("closed", None))
        assert {row[end] for row in [*out, *came] for end in ("local_ip", "remote_ip")} == {planted["host"]}
    refused = [row for row in rows if row["remote_port"] == facts["refused"]]
    assert [(row["tgid"], row["ended"], row["error"], row["lifetime_ns"]) for row in refused] == [
        (facts["client"], "refused", 111, None)
    ] * 23
    _check_times(rows, facts["far_away"])
    _check_unanswered([row for row in rows if row["tgid"] == facts["unanswered"]["client"]], facts["unanswered"])
    _check_nowhere([row for row in rows if row["tgid"] == facts["nowhere"]["client"]], facts["nowhere"])


def _check_unanswered(rows: list[dict[str, Any]], silent: dict[str, Any]) -> None:
    """Each was given up when its SYN had been sent again, 1 s after the first or more often, and not been answered."""
    assert sorted(str(row["local_port"]) for row in rows) == sorted(silent["took"])
    assert len(rows) == 23
    for row in rows:
        port = str(row["local_port"])
        assert (row["remote_ip"], row["remote_port"], row["direction"]) == (silent["ip"], silent["port"], "out")
        assert (row["ended"], row["error"], row["retransmits"]) == ("timeout", 110, silent["syns"][port] - 1)
        assert row["retransmits"] > 0
        assert (row["lifetime_ns"], row["srtt_ns"], row["sent_bytes"]) == (None, None, 0)
        assert 1.9e9 < row["connect_ns"] <= silent["took"][port]


def _check_nowhere(rows: list[dict[str, Any]], nowhere: dict[str, Any]) -> None:
    """Where no port is left the connection begins and fails at once; where there is no route there is none."""
    failed = [row for row in rows if row["ended"] == "failed"]
    assert [(row["remote_ip"], row["remote_port"], row["local_port"]) for row in failed] == [
        ("127.0.0.1", nowhere["port"], 0)
    ] * 23
    assert {(row["error"], row["lifetime_ns"], row["direction"]) for row in failed} == {(None, None, "out")}
    assert nowhere["no_route"] not in {row["remote_ip"] for row in rows}


def _check_times(rows: list[dict[str, Any]], far: dict[str, Any]) -> None:
    """Over the slow link: a connect and a round trip take two delays at least, and what the client saw at most."""
    out = {str(row["local_port"]): row for row in rows if row["remote_port"] == far["port"]}
    came = {str(row["remote_port"]): row for row in rows if row["local_port"] == far["port"]}
    assert out.keys() == came.keys() == far["took"].keys()
    trip = 2 * far["delay_ns"]
    for port, (connect, answer, whole) in far["took"].items():
        one, other = out[port], came[port]
        assert one["tgid"] == far["client"]
        assert trip <= one["connect_ns"] <= connect
        assert answer + trip <= one["lifetime_ns"] <= whole - one["connect_ns"]
        assert trip <= other["lifetime_ns"]
        assert trip * 0.99 <= one["srtt_ns"] <= max(connect, answer, whole - connect - answer)
        assert trip * 0.99 <= other["srtt_ns"]
