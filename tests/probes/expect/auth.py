"""What plant/auth.py planted, in auth: each answer of PAM with user and service, each password with its peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
STEPS = ("authenticate", "account", "open_session", "close_session", "change_token")


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    """Asserts on the table."""
    rows = table("auth").to_pylist()
    users = [f"user-{n}" for n in range(PLANTED)]
    denied = [r for r in rows if r["tgid"] == facts["denied"]]
    assert [(r["step"], r["user"], r["result"], r["result_name"]) for r in denied] == [
        ("authenticate", user, 7, "auth_err") for user in users
    ]
    allowed = [r for r in rows if r["tgid"] == facts["allowed"]]
    assert [(r["step"], r["user"], r["result"], r["result_name"]) for r in allowed] == [
        (step, user, 0, "success") for user in users for step in STEPS
    ]
    for found, service in ((denied, "santa-deny"), (allowed, "santa-allow")):
        assert {(r["service"], r["rhost"], r["uid"], r["euid"]) for r in found} == {(service, "198.51.100.7", 0, 0)}
        assert {(r["remote_ip"], r["remote_port"]) for r in found} == {(None, None)}
    for r in [*denied, *allowed]:
        assert r["start_ns"]
        assert r["took_ns"] > 0
        assert r["cgroup"] == facts["cgroup"]
        assert (r["comm"], r["pcomm"]) == ("python3", "python3")
    if facts["sshd"]:
        _check_sshd([r for r in rows if r["ptgid"] == facts["sshd"]["pid"]], facts["sshd"])


def _check_sshd(rows: list[dict[str, Any]], sshd: dict[str, Any]) -> None:
    tried = [(r["result_name"], r["tgid"]) for r in rows if r["step"] == "authenticate"]
    assert [name for name, _ in tried] == ["auth_err"] * sshd["wrong"] + ["success"]
    assert [(r["step"], r["result"]) for r in rows if r["tgid"] == tried[-1][1]] == [
        (step, 0) for step in STEPS[:4]
    ]
    assert {(r["user"], r["service"], r["rhost"]) for r in rows} == {(sshd["user"], "sshd", "127.0.0.1")}
    ends = {(r["remote_ip"], r["local_ip"], r["local_port"]) for r in rows}
    assert ends == {("127.0.0.1", "127.0.0.1", sshd["port"])}
    # each try was a connection of its own
    assert len({r["remote_port"] for r in rows}) == len({tgid for _, tgid in tried}) == sshd["wrong"] + 1
