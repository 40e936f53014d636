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
