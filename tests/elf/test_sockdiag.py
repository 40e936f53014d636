"""Sockets by netlink: a real listener is found, and what is dear to look at is looked at less often."""

from __future__ import annotations

import itertools
import socket
import types

import pytest

from santabpf.elf import sockdiag
from santabpf.probes.sockets import parse_sockets


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_listener_is_found_at_each_reading(family: int, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen(5)
        port = listener.getsockname()[1]
        dump = sockdiag.Dump("listen")
        for _ in range(2):
            (found,) = [s for s in parse_sockets(dump.read() or b"") if s.local_port == port]
            assert (found.receive_queue, found.send_queue) == (0, 5)


@pytest.mark.parametrize(
    ("name", "walk_ms", "seconds"),
    [
        ("passing", 0.3, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("passing", 1.0, [1, 3, 5, 7, 9]),
        ("passing", 1.9, [1, 5, 9]),
        ("passing", 80.0, [1, 6]),
        ("listen", 80.0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_long_walk_is_taken_less_often(
    name: str, walk_ms: float, seconds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, spent = [0.0], itertools.count(step=walk_ms / 1000)
    monkeypatch.setattr(sockdiag, "time", types.SimpleNamespace(
        monotonic=lambda: now[0], thread_time=lambda: next(spent)
    ))  # fmt: skip
    monkeypatch.setattr(sockdiag, "read", lambda name: b"messages")
    dump, found = sockdiag.Dump(name), []
    for now[0] in range(10):
        if dump.read() is not None:
            found.append(now[0])
    assert found == seconds
