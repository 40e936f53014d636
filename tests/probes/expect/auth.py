"""What plant/auth.py planted, in auth: each answer of PAM with user and service, each password with its peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

PLANTED = 23
HOSTS = ("198.51.100.7", "2001:db8::7")
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
        assert {(r["service"], r["uid"], r["euid"]) for r in found} == {(service, 0, 0)}
        assert [r["rhost"] for r in found] == [HOSTS[int(r["user"].removeprefix("user-")) % 2] for r in found]
        assert {(r["remote_ip"], r["remote_port"]) for r in found} == {(None, None)}
    for r in [*denied, *allowed]:
        assert r["start_ns"]
        assert r["took_ns"] > 0
        assert r["cgroup"] == facts["cgroup"]
        assert (r["comm"], r["pcomm"]) == ("python3", "python3")
    if facts["sshd"]:
        _check_sshd([r for r in rows if r["ptgid"] == facts["sshd"]["pid"]], facts["sshd"])


def _check_sshd(rows: list[dict[str, Any]], sshd: dict[str, Any]) -> None:
    assert {(r["user"], r["service"]) for r in rows} == {(sshd["user"], "sshd")}
    assert {r["rhost"] for r in rows} == set(sshd["wrong"])
    for host, wrong in sshd["wrong"].items():
        mine = [r for r in rows if r["rhost"] == host]
        tried = [(r["result_name"], r["tgid"]) for r in mine if r["step"] == "authenticate"]
        assert [name for name, _ in tried] == ["auth_err"] * wrong + ["success"]
        assert [(r["step"], r["result"]) for r in mine if r["tgid"] == tried[-1][1]] == [
            (step, 0) for step in STEPS[:4]
        ]
        assert {(r["remote_ip"], r["local_ip"], r["local_port"]) for r in mine} == {(host, host, sshd["port"])}
        # each try was a connection of its own
        assert len({r["remote_port"] for r in mine}) == len({tgid for _, tgid in tried}) == wrong + 1
