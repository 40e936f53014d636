"""Files that the tests open or fail to open, found again in opens and opens_count."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

import pytest
from real_elf import Elf, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANTED = 23


def opened(payload: bytes) -> dict[int, int]:
    """Process -> files it opened, on all CPUs."""
    with open("/sys/devices/system/cpu/possible") as stream:
        cpus = int(stream.read().strip().split("-")[-1]) + 1
    out: dict[int, int] = {}
    for at in range(0, len(payload), 32 + 8 * cpus):
        (tgid,) = struct.unpack_from("<i", payload, at + 8)
        out[tgid] = out.get(tgid, 0) + sum(struct.unpack_from(f"<{cpus}Q", payload, at + 32))
    return out


def in_a_child(paths: list[str], flags: int) -> int:
    """Opens them in a process that opens nothing else; its id."""
    child = os.fork()
    if child == 0:
        for path in paths:
            with contextlib.suppress(OSError):
                os.open(path, flags)
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_planted_opens_are_rows_where_they_failed_or_wrote_or_were_sensitive_and_counted_else(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    with Elf(plan_of("opens")) as elf:
        elf.until(wire.HELLO)
        assert elf.json_of(wire.HELLO)[0]["probes"]["opens"]["state"] == "on"
        elf.read(0.2)
        missing = [f"{tmp_path}/missing-{i}" for i in range(PLANTED)]
        failed = in_a_child(missing, os.O_WRONLY | os.O_APPEND)
        secret = in_a_child(["/etc/shadow"] * PLANTED, os.O_RDONLY)
        plain = in_a_child([str(tmp_path / "there"), "/etc/passwd"] * PLANTED, os.O_RDONLY)
        written = in_a_child([str(tmp_path / "there"), "/dev/null"] * PLANTED, os.O_RDWR | os.O_CREAT)
        elf.read(1.2)
        elf.finish()
        rows, counts = elf.records("opens"), opened(elf.payloads(wire.MAP, "opens_count")[-1])
    mine = rows[rows["tgid"] == failed]
    assert sorted(r["path"].decode() for r in mine) == sorted(missing)
    assert {(int(r["error"]), int(r["sensitive"]), int(r["tid"]), int(r["uid"])) for r in mine} == {
        (2, 0, failed, os.getuid())
    }
    assert all(int(r["flags"]) & (os.O_WRONLY | os.O_APPEND) == os.O_WRONLY | os.O_APPEND for r in mine)
    asked = rows[rows["tgid"] == secret]
    assert [(r["path"], int(r["sensitive"]), int(r["error"])) for r in asked] == [(b"/etc/shadow", 1, 0)] * PLANTED
    assert not (rows["tgid"] == plain).any()
    made = [r["path"].decode() for r in rows[rows["tgid"] == written]]
    assert made == [str(tmp_path / "there")] * PLANTED
    counted = {failed: 0, secret: 0, plain: 2 * PLANTED, written: PLANTED}
    assert {pid: counts.get(pid, 0) for pid in counted} == counted
