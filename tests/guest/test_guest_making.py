"""What makes and keeps guests, without booting one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from guest import image, machine

ROOT = Path(__file__).parents[2]


def test_a_byte_that_changed_in_the_cache_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"planted")
    assert not image._is_whole(tmp_path)
    (tmp_path / "sums.json").write_text(json.dumps({"disk.img": hashlib.sha256(b"planted").hexdigest()}))
    assert image._is_whole(tmp_path)
    (tmp_path / "disk.img").write_bytes(b"plunted")
    assert not image._is_whole(tmp_path)
    (tmp_path / "disk.img").unlink()
    assert not image._is_whole(tmp_path)


def test_the_cache_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert image.cache_folder() == Path("/elsewhere/santabpf")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert image.cache_folder() == Path.home() / ".cache" / "santabpf"


def test_the_archive_that_linux_unpacks_has_the_files_and_their_folders_first() -> None:
    archive = image.cpio({"etc/ssh/host_key": b"secret!", "init": b"#!/bin/sh\n"})
    found, at = [], 0
    while archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 109 + fields[11]].decode()
        begin = (at + 110 + fields[11] + 3) // 4 * 4
        found.append((name, oct(fields[1]), archive[begin : begin + fields[6]]))
        at = (begin + fields[6] + 3) // 4 * 4
    assert found == [
        ("etc", "0o40755", b""),
        ("etc/ssh", "0o40755", b""),
        ("etc/ssh/host_key", "0o100600", b"secret!"),
        ("init", "0o100755", b"#!/bin/sh\n"),
        ("TRAILER!!!", "0o0", b""),
    ]


def test_nothing_is_left_when_who_started_a_guest_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    folder.mkdir()
    code = (
        "import signal, sys, time; sys.path.insert(0, sys.argv[1]); from guest import machine\n"
        "argv = ['/bin/sh', '-c', machine.KEEPER, 'sh', sys.argv[2], 'sh', '-c', 'echo $$ > $0/pid; exec sleep 1000']\n"
        "machine._start([*argv, sys.argv[2]], signal.SIGTERM); time.sleep(1000)"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, str(ROOT / "tests"), str(folder)])
    deadline = time.monotonic() + 20
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int((folder / "pid").read_text())
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    while (folder.exists() or Path(f"/proc/{pid}/exe").exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not folder.exists()
    assert not Path(f"/proc/{pid}/exe").exists()


def test_each_program_that_lacks_is_named_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert machine.why_not() == "there is no qemu-system-x86_64: apt-get install qemu-system-x86"
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    assert image.why_not() == "there is no debootstrap"


def test_no_file_here_names_a_mirror() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        assert not re.search(r"\w+://", path.read_text()), path


def test_what_guests_need_is_installed_for_the_tests() -> None:
    text = (ROOT / "deploy" / "setup.sh").read_text()
    for package in ("qemu-system-x86", "debootstrap"):
        assert re.search(rf"^{package}\|has ", text, re.MULTILINE), package
