"""Frames to names without a node: what is read, what is checked, and what broken or hostile bytes must not do."""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import santabpf.symbols.code
import santabpf.symbols.lookup
import santabpf.symbols.names
from santabpf.symbols import Wanted
from santabpf.symbols.elf_file import BadFile, ElfFile
from santabpf.symbols.jit import PerfMap
from santabpf.symbols.kernel import Kernel
from santabpf.symbols.lookup import look_up
from santabpf.symbols.names import plain
from santabpf.symbols.wanted import AddressFrame, FileFrame
from santabpf.tables import table_schema
from santabpf.transport import Completed
from santabpf.transport.local import Local
from santabpf.wire import pack_files

BUILD_ID = "ab" * 20
PROGRAM = """
int other(int n) { return n * 3; }
int planted(int n) { return other(n) + 1; }
int main(int c, char **v) { return planted(c); }
"""


@pytest.mark.parametrize("module", [santabpf.symbols.code, santabpf.symbols.names])
def test_the_examples_are_true(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("mangled", "shown"),
    [
        ("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str17h0123456789abcdefE",
         "<alloc::string::String as core::fmt::Write>::write_str"),
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int>>::push_back(int&&)"),
        ("clock_gettime@@GLIBC_2.17", "clock_gettime"),
        ("_ZN3foo3barEi.part.0", "foo::bar(int).part.0"),
        ("_RNvC6_123foo3bar", "_RNvC6_123foo3bar"), ("_ZN", "_ZN"), ("_Z" * 4000, "_Z" * 4000), ("@", "@"),
    ],
)  # fmt: skip
def test_a_name_is_shown_as_people_write_it_and_a_broken_one_as_it_is(mangled: str, shown: str) -> None:
    assert plain(mangled) == shown


@given(st.text(alphabet="_ZNSItEKPR0123456789abc$u.", max_size=80))
@settings(max_examples=300)
def test_no_mangled_name_breaks_the_reader(name: str) -> None:
    assert isinstance(plain("_Z" + name), str)


@given(st.dictionaries(st.integers(0, 4096), st.binary(max_size=200), max_size=6), st.binary(max_size=64))
@settings(max_examples=200)
def test_bytes_that_are_no_file_are_refused_and_nothing_else(pieces: dict[int, bytes], head: bytes) -> None:
    start = b"\x7fELF\x02\x01\x01" + head.ljust(57, b"\0")
    with contextlib.suppress(BadFile):
        ElfFile({0: start, **{64 + at: data for at, data in pieces.items()}})


@pytest.mark.parametrize("cut", [0, 16, 63, 64, 200])
def test_a_file_that_is_cut_is_refused(cut: int, tmp_path: Path) -> None:
    with pytest.raises(BadFile):
        ElfFile({0: Path(sys.executable).resolve().read_bytes()[:cut]})


def test_the_kernels_symbols_and_that_they_are_hidden() -> None:
    lines = [
        "ffffffff81000000 T _text", "ffffffff81000100 t inner", "ffffffff81000100 T outer", "ffffffff81000200 D data",
        "ffffffffc0000000 t modular\t[ext4]", "ffffffffc0100000 t bpf_prog_1\t[bpf]", "nonsense",
        "0000000000000000 T low",
    ]  # fmt: skip
    kernel = Kernel("\n".join(lines).encode())
    assert not kernel.hidden
    assert kernel.find(0xFFFFFFFF81000110) == ("inner", 0x10, "[kernel]")
    assert kernel.find(0xFFFFFFFFC0000004) == ("modular", 4, "[ext4]")
    assert kernel.find(0xFFFFFFFF81000204) is None  # data
    assert kernel.find(0xFFFFFFFFC0100004) is None  # a BPF program: another may have been there
    assert kernel.find(0xFFFFFFFFF0000000) is None  # far from all
    assert kernel.find(0x1000) is None
    hidden = Kernel(b"0000000000000000 T _text\n0000000000000000 T other\n")
    assert hidden.hidden
    assert hidden.find(0xFFFFFFFF81000000) is None


def test_a_perf_map_keeps_the_latest_and_forgives_half_a_line() -> None:
    found = PerfMap(b"1000 10 old\n1000 20 new name\n2000 zz bad\n3000 10 \xffbytes\n4000")
    assert found.find(0x101F) == ("new name", 0x1F)
    assert found.find(0x1020) is None
    assert found.find(0x3000) == ("\\xffbytes", 0)
    assert found.find(0xFFF) is None


def batch(frames: list[list[str] | None], stacks: list[list[int] | None], tgid: int = 7) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({
        "tgid": pa.array([tgid] * len(frames), pa.int64()), "start_ns": pa.array([70] * len(frames), pa.int64()),
        "user_frames": pa.array(frames, pa.list_(pa.string())), "kernel_stack": pa.array(stacks, pa.list_(pa.int64())),
    })  # fmt: skip


def mapped(rows: list[dict[str, object]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=table_schema("mappings").arrow)


def test_each_frame_is_wanted_once_and_callers_are_told_from_the_innermost() -> None:
    wanted = Wanted()
    frames = [[f"{BUILD_ID}+0x10", f"{BUILD_ID}+0x20", "0x5000", f"{BUILD_ID}-0x8"], None, [], [f"{BUILD_ID}+0x20"]]
    wanted.add("profile", batch(frames * 3, [[-5, -6], None, [], [-6]] * 3), ["user_frames"], ["kernel_stack"])
    assert wanted.files == {
        FileFrame(BUILD_ID, 0x10, False), FileFrame(BUILD_ID, 0x20, True), FileFrame(BUILD_ID, 0x20, False)
    }
    assert wanted.addresses == {AddressFrame(7, 70, 0x5000, True)}
    assert wanted.kernel == {(-5, False), (-6, True), (-6, False)}


def test_a_forked_process_has_what_its_parent_had_mapped() -> None:
    wanted = Wanted()
    wanted.add("mappings", mapped([
        {"ts_ns": 1, "tgid": 5, "address": 4096, "length_bytes": 4096, "offset_bytes": 0, "path": "/a"},
        {"ts_ns": 2, "tgid": 6, "forked_from": 5}, {"ts_ns": 3, "tgid": 7, "forked_from": 6},
        {"ts_ns": 4, "tgid": 7, "address": 8192, "length_bytes": 4096, "offset_bytes": 0, "path": "/b"},
    ]), [], [])  # fmt: skip
    assert {tgid: [m.path for m in found] for tgid, found in wanted.mappings_of([5, 6, 7, 8]).items()} == {
        5: ["/a"], 6: ["/a"], 7: ["/b", "/a"],
    }  # fmt: skip


@pytest.fixture
def program(tmp_path: Path) -> Path:
    source, path = tmp_path / "planted.c", tmp_path / "planted"
    source.write_text(PROGRAM)
    compiler = ["gcc", "-O0", "-fno-omit-frame-pointer", "-Wl,--build-id=sha1", "-o", str(path), str(source)]
    subprocess.run(compiler, check=True)
    return path


def places(path: Path) -> dict[str, int]:
    """Function -> where it starts in the file, as nm and readelf tell it."""
    text = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout
    return {line.split()[2]: int(line.split()[0], 16) for line in text.splitlines() if len(line.split()) == 3}


def build_id(path: Path) -> str:
    text = subprocess.run(["readelf", "-n", str(path)], check=True, capture_output=True, text=True).stdout
    return next(line.split()[-1] for line in text.splitlines() if "Build ID" in line)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    santabpf.symbols.lookup._KEPT.clear()
    santabpf.symbols.lookup._KERNELS.clear()


class Asked(Local):
    """This machine, which remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        self.remember(stdin)
        return super().run(argv, stdin=stdin, timeout_s=timeout_s, sudo=sudo)

    def remember(self, stdin: bytes) -> None:
        (code,) = struct.unpack_from("<I", stdin)
        self.requests.append(json.loads(stdin[4 + code :]))

    def tables(self) -> list[str]:
        """The build ids of the files whose symbols it had to send."""
        return [key for request in self.requests for key, file in request["files"].items() if file.get("symbols")]


class Booted(Asked):
    """A node that has symbols of a kernel, and nothing else."""

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        self.remember(stdin)
        symbols = zlib.compress(b"ffffffff81000000 T _text\nffffffff81000100 T planted\n")
        return Completed(0, pack_files({"kallsyms": symbols} if self.requests[-1]["kallsyms"] else {}), b"")


def looked_up(
    path: Path, offsets: list[int], told: str, transport: Local | None = None
) -> tuple[list[dict[str, object]], list[str]]:
    """The rows of symbols for a stack with these places, innermost first, in a file that was mapped there."""
    wanted = Wanted()
    wanted.add("mappings", mapped([
        {"ts_ns": 1, "tgid": 7, "address": 4096, "length_bytes": 1 << 20, "offset_bytes": 0, "path": str(path),
         "build_id": told}
    ]), [], [])  # fmt: skip
    frames = [f"{told}+{offset:#x}" for offset in offsets]
    wanted.add("profile", batch([frames], [[]]), ["user_frames"], ["kernel_stack"])
    rows, notes = look_up(transport or Local(), wanted, ts_ns=9)
    by_frame = {row["frame"]: row for row in rows.to_pylist()}
    return [by_frame[frame] for frame in frames], notes


def test_a_real_files_functions_and_calls_are_found(program: Path) -> None:
    at = places(program)
    code = program.read_bytes()
    call = next(i for i in range(at["main"], at["main"] + 64) if code[i] == 0xE8) + 5
    rows, notes = looked_up(program, [at["planted"] + 4, call], build_id(program))
    assert notes == []
    assert [(row["name"], row["offset_bytes"], row["is_return"], row["why"]) for row in rows] == [
        ("planted", 4, False, None), ("main", call - at["main"], True, None),
    ]  # fmt: skip
    assert (rows[1]["is_call"], rows[1]["calls"], rows[1]["calls_bytes"]) == (True, "planted", at["planted"])
    assert rows[1]["calls_keeps_frame"] is rows[0]["keeps_frame"] is True
    assert {row["module"] for row in rows} == {str(program)}


def test_a_second_look_up_does_not_read_the_files_symbols_again(program: Path) -> None:
    node, told, at = Asked(), build_id(program), places(program)
    first, _ = looked_up(program, [at["planted"] + 4], told, node)
    assert node.tables() == [told]
    node.requests.clear()
    assert looked_up(program, [at["planted"] + 4], told, node)[0] == first
    (other,), _ = looked_up(program, [at["other"] + 4], told, node)
    assert (first[0]["name"], other["name"]) == ("planted", "other")
    assert node.tables() == []


def test_the_table_that_was_not_needed_for_longest_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, kept = Asked(), santabpf.symbols.lookup._KEPT
    ids = {}
    for number, name in enumerate(("first", "second", "third"), 11):  # a build id is that of the code, not of names
        path = tmp_path / name
        path.with_suffix(".c").write_text(PROGRAM.replace("planted", name).replace("* 3", f"* {number}"))
        subprocess.run(["gcc", "-Wl,--build-id=sha1", "-o", str(path), f"{path}.c"], check=True)
        ids[name] = build_id(path)

    def needed(name: str) -> None:
        (row,), _ = looked_up(tmp_path / name, [places(tmp_path / name)[name] + 4], ids[name], node)
        assert row["name"] == name

    needed("first")
    needed("second")
    monkeypatch.setattr(santabpf.symbols.lookup, "_KEPT_BYTES", sum(table.bytes for table in kept.values()) + 1)
    needed("first")
    needed("third")
    assert list(kept) == [ids["first"], ids["third"]]
    assert node.tables() == [ids["first"], ids["second"], ids["third"]]


def test_the_kernels_symbols_are_read_once_a_boot() -> None:
    node, wanted = Booted(), Wanted()
    wanted.add("profile", batch([[]], [[0xFFFFFFFF81000104 - (1 << 64)]]), ["user_frames"], ["kernel_stack"])
    for boot in ("one", "one", "another", "one"):
        rows, notes = look_up(node, wanted, ts_ns=9, boot_id=boot)
        assert ([row["name"] for row in rows.to_pylist()], notes) == (["planted"], [])
    assert [request["kallsyms"] for request in node.requests] == [True, True]  # of either boot, once


def test_a_return_address_that_no_call_precedes_is_told(program: Path) -> None:
    at = places(program)
    rows, _ = looked_up(program, [at["planted"] + 4, at["main"] + 1], build_id(program))
    assert rows[1]["is_call"] is False


def test_a_file_that_was_replaced_gives_no_names_and_says_so(program: Path) -> None:
    at, told = places(program), build_id(program)
    source = program.with_suffix(".c")
    source.write_text(PROGRAM.replace("other", "another"))
    subprocess.run(["gcc", "-o", str(program), str(source)], check=True)
    rows, notes = looked_up(program, [at["planted"] + 4], told)
    assert (rows[0]["name"], rows[0]["why"]) == (None, "another file has its path now")
    assert (rows[0]["module"], rows[0]["module_offset_bytes"]) == (str(program), at["planted"] + 4)
    assert notes == [f"no names for frames of {program}: another file has its path now"]


def test_a_file_that_is_gone_gives_no_names_and_says_so(tmp_path: Path) -> None:
    rows, notes = looked_up(tmp_path / "gone", [0x1000], "cd" * 20)
    assert rows[0]["why"] == "it is not there any more"
    assert len(notes) == 1


def test_a_link_in_the_files_place_is_not_followed(program: Path) -> None:
    told, at = build_id(program), places(program)
    other = program.with_name("elsewhere")
    program.rename(other)
    program.symlink_to(other)
    rows, _ = looked_up(program, [at["planted"] + 4], told)
    assert rows[0]["name"] is None


def test_a_stripped_file_gives_the_start_of_the_function(program: Path) -> None:
    at, told = places(program), build_id(program)
    subprocess.run(["strip", str(program)], check=True)
    rows, notes = looked_up(program, [at["planted"] + 4], told)
    assert (rows[0]["name"], rows[0]["offset_bytes"], rows[0]["module_offset_bytes"]) == (None, 4, at["planted"] + 4)
    assert rows[0]["why"] == "no symbol in the file covers it"
    assert notes == []


@pytest.mark.parametrize(("age_s", "name"), [(0, "Shop::sell"), (3600, None)])
def test_the_map_of_a_process_that_is_gone_is_not_that_of_another_that_had_its_number(
    age_s: int, name: str | None
) -> None:
    started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    path = Path(f"/tmp/perf-{child.pid}.map")
    path.write_text("5000 100 Shop::sell\n")
    try:
        os.utime(path, (time.time() - age_s,) * 2)
        wanted = Wanted()
        rows = batch([["0x5010"]], [[]], child.pid)
        at = rows.schema.get_field_index("start_ns")
        rows = rows.set_column(at, "start_ns", pa.array([started_ns], pa.int64()))
        wanted.add("profile", rows, ["user_frames"], ["kernel_stack"])
        (row,) = look_up(Local(), wanted, ts_ns=9)[0].to_pylist()
    finally:
        path.unlink()
    assert row["name"] == name


def test_symbols_of_a_million_functions_are_searched_not_walked() -> None:
    table = bytes(24) + b"".join(struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0x1000 + 16 * i, 16) for i in range(20_000))
    sections = [(0, 0, 0, 0, 0), (2, 0x10000, len(table), 2, 24), (3, 0x8000, 6, 0, 0)]
    headers = b"".join(
        struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, at, size, link, 0, 1, entry)
        for kind, at, size, link, entry in sections
    )
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0x9000, 0, 64, 56, 1, 64, 3, 2)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, 0x1000, 0x1000, 1 << 24, 1 << 24, 0x1000)
    file = ElfFile({0: head, 64: load, 0x9000: headers, 0x10000: table, 0x8000: b"\0name\0"})
    found = file.find(0x1000 + 16 * 12_345 + 7)
    assert found == ("name", 0x1000 + 16 * 12_345, 16)
    assert file.find(0x10) is None
