"""/proc as tables: what is read, what is left out, and what is starred."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from santabpf import wire
from santabpf.elf import procfs
from santabpf.elf.recorder import _parts


def table(*each: str, files: tuple[str, ...] = (), only_changed: bool = False, masked: bool = True) -> procfs.Table:
    spec: dict[str, Any] = {"files": list(files), "each_process": list(each), "only_changed": only_changed}
    return procfs.Table(spec, masked=masked)


def sleeper(*arguments: str) -> subprocess.Popen[bytes]:
    """A process that sleeps, with these arguments."""
    child = subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()", *arguments],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_files_of_a_process_are_named_by_its_number() -> None:
    read = table("stat", "cmdline").read({os.getpid()})
    assert set(read) == {f"{os.getpid()}/stat", f"{os.getpid()}/cmdline"}
    assert read[f"{os.getpid()}/stat"].startswith(b"%d (" % os.getpid())


def test_without_members_all_processes_are_read() -> None:
    assert {f"{os.getpid()}/stat", "1/stat"} <= set(table("stat").read(None))


def test_what_is_not_there_is_left_out() -> None:
    assert set(table(files=("/proc/no/such/file", "/proc/stat")).read(None)) == {"/proc/stat"}


def test_a_process_that_did_nothing_is_left_out_the_second_time() -> None:
    child = sleeper()
    try:
        reader = table("stat", only_changed=True)
        assert set(reader.read({child.pid})) == {f"{child.pid}/stat"}
        assert reader.read({child.pid}) == {}
        reader.forget()
        assert set(reader.read({child.pid})) == {f"{child.pid}/stat"}
    finally:
        child.communicate(b"\n")


def test_of_a_process_that_did_nothing_no_other_file_is_read_either() -> None:
    child = sleeper()
    try:
        reader = table("stat", "cgroup", only_changed=True)
        assert set(reader.read({child.pid})) == {f"{child.pid}/stat", f"{child.pid}/cgroup"}
        assert reader.read({child.pid}) == {}
    finally:
        child.communicate(b"\n")


def test_secrets_are_starred_unless_that_is_switched_off() -> None:
    child = sleeper("--token", "abc123", "x" * 5000)
    try:
        name = f"{child.pid}/cmdline"
        starred = table("cmdline").read({child.pid})[name]
        plain = table("cmdline", masked=False).read({child.pid})[name]
        assert b"--token\0******\0" in starred
        assert b"--token\0abc123\0" in plain
        assert len(starred) == len(plain) == 4096
    finally:
        child.communicate(b"\n")


def test_many_files_are_sent_in_frames_that_are_not_too_large() -> None:
    files = {f"{i}/cmdline": bytes(4096) for i in range(5000)}
    parts = _parts(files)
    assert len(parts) > 1
    assert all(len(wire.pack_files(part)) < wire.MAX_PAYLOAD for part in parts)
    assert {name: text for part in parts for name, text in part.items()} == files
    assert _parts({}) == [{}]


def test_the_code_is_plain_enough_for_python_3_9() -> None:
    import ast

    folder = Path(procfs.__file__).parent
    for path in [*sorted(folder.glob("*.py")), folder.parent / "wire.py"]:
        tree = ast.parse(path.read_text(), str(path), feature_version=(3, 9))
        future = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        assert future or "|" not in path.read_text() or path.name in ("stubs.py", "__init__.py"), path


def test_a_file_that_is_kept_open_is_read_anew_each_time() -> None:
    held = procfs.Held(1)
    first = held.read("/proc/uptime")
    with open("/proc/uptime", "rb") as stream:
        while stream.read() == first:
            stream.seek(0)
    assert held.read("/proc/uptime") != first
    vmstat, plain = held.read("/proc/vmstat"), procfs.read_file("/proc/vmstat")  # one too many: opened and closed
    assert vmstat is not None
    assert plain is not None
    assert [line.split()[0] for line in vmstat.splitlines()] == [line.split()[0] for line in plain.splitlines()]


def test_a_process_that_is_gone_is_read_no_more_but_its_successor_is() -> None:
    held, before = procfs.Held(8), len(os.listdir("/proc/self/fd"))
    child = sleeper()
    path = f"/proc/{child.pid}/stat"
    try:
        assert (held.read(path, one_record=True) or b"").startswith(b"%d (" % child.pid)
    finally:
        child.communicate(b"\n")
    assert held.read(path, one_record=True) is None
    with open("/proc/sys/kernel/ns_last_pid", "w") as stream:
        stream.write(str(child.pid - 1))
    other = sleeper()
    try:
        again = held.read(f"/proc/{other.pid}/stat", one_record=True)
        assert (again or b"").startswith(b"%d (" % other.pid)
    finally:
        other.communicate(b"\n")
    held.close_unread()
    held.close_unread()
    assert len(os.listdir("/proc/self/fd")) == before


def test_all_that_a_long_file_has_is_read() -> None:
    held = procfs.Held(4)
    for path in ("/proc/kallsyms", "/proc/interrupts", "/proc/self/maps"):
        text, plain = held.read(path), procfs.read_file(path, 1 << 26)
        assert text is not None
        assert plain is not None
        assert len(text.splitlines()) == len(plain.splitlines()) > 4
