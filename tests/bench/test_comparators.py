"""How the other recorders are counted: from files made by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from santabpf.bench.comparators import Counted, comparators
from santabpf.errors import SantaError


def counted(name: str, folder: Path) -> Counted:
    return next(c for c in comparators() if c.name == name).result(folder)


def perf_data(*records: bytes) -> bytes:
    body = b"".join(records)
    return struct.pack("<8sQQQQQQQ", b"PERFILE2", 104, 136, 0, 0, 64, len(body), 0) + body


def test_bcc_tells_its_own_count(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("ready\n23 5\n")
    (tmp_path / "events").write_bytes(bytes(23 * 24))
    assert counted("BCC callback", tmp_path) == (23, 5, 552)


def test_a_line_of_bpftrace_is_an_event_and_what_it_lost_is_added_up(tmp_path: Path) -> None:
    text = "123 1 2 0 0\n124 2 1 1 0\nLost 7 events\n"
    (tmp_path / "events").write_text(text)
    (tmp_path / "out").write_text("Attaching 1 probe...\nLost 4 events\n")
    (tmp_path / "err").write_text("")
    assert counted("bpftrace printf", tmp_path) == (2, 11, len(text))


def test_samples_and_lost_records_of_perf_are_counted_and_others_passed_over(tmp_path: Path) -> None:
    sample, mmap = struct.pack("<IHH", 9, 2, 16) + bytes(8), struct.pack("<IHH", 1, 1, 24) + bytes(16)
    lost = struct.pack("<IHHQQ", 2, 0, 24, 1, 41)
    data = perf_data(sample, mmap, sample, lost, sample)
    (tmp_path / "events").write_bytes(data)
    assert counted("perf record", tmp_path) == (3, 41, len(data))


def test_a_file_that_is_no_perf_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(bytes(200))
    with pytest.raises(SantaError, match=r"perf\.data starts with"):
        counted("perf record", tmp_path)
