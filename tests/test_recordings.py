"""The recordings that are committed: small, whole, judged as they must be, and silent about where they were made."""

from __future__ import annotations

import pwd
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import santabpf as sb
from santabpf.recording import Recording, verify
from santabpf.shipped import shipped
from santabpf.units import MIB

ROOM = shipped("recordings")
RECORDINGS = sorted(path.parent for path in ROOM.glob("*/recording.json"))
EXPECTED = {
    "short_lived_jobs": "fired",
    "short_lived_jobs_cron": "fired",
    "quiet_build": "quiet",
    "quiet_idle": "quiet",
    "quiet_long_lived": "quiet",
    "quiet_services": "quiet",
}
#: What a drill's command lines may name: programs of the distribution, devices, and the cell's own tmpfs.
INSIDE = re.compile(
    r"/(bin|usr/(s?bin|lib|include|libexec)|lib(64)?)(/|$)|/dev/(null|zero|urandom)$|/tmp/(drill|cc\w+\.)"
)
PATH = re.compile(r"(?<![\w.+/-])/[\w.+-][^\s'\",;:)]*")
GROUP = re.compile(r"santabpf-drill-\d+/[a-z][a-z0-9_]*")

each = pytest.mark.parametrize("folder", RECORDINGS, ids=lambda path: path.name)


def texts(recording: Recording) -> Iterator[tuple[str, str, str]]:
    """(table, column, text) of everything that is text, argument by argument."""
    for table in recording.tables:
        rows = recording[table].arrow()
        for name in rows.column_names:
            for value in set(map(str, rows[name].to_pylist())) if "list" not in str(rows[name].type) else ():
                if not re.fullmatch(r"-?\d+(\.\d+)?|None|True|False", value):
                    yield table, name, value
            if "list" in str(rows[name].type):
                for argument in {a for argv in rows[name].to_pylist() for a in argv or []}:
                    yield table, name, argument


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_there_is_one_for_each_fault_and_for_each_look_alike() -> None:
    assert {path.name for path in RECORDINGS} == set(EXPECTED)


def test_all_are_small() -> None:
    assert {folder.name: size(folder) for folder in RECORDINGS if size(folder) > MIB} == {}
    assert size(ROOM) <= 15 * MIB


@each
def test_each_is_whole(folder: Path) -> None:
    assert verify(folder) == []
    recording = sb.open(folder)
    assert recording.info["state"] == "complete"
    assert recording["loss"].rows == 0
    assert {path.name for path in folder.iterdir()} == {"recording.json", *recording.tables}


@each
def test_each_gets_the_verdict_that_it_must(folder: Path) -> None:
    verdict = sb.replay(sb.open(folder), ["short_lived_jobs"]).verdicts[0]
    assert verdict.state == EXPECTED[folder.name]


@each
def test_what_is_told_of_the_machine_is_its_class(folder: Path) -> None:
    info = sb.open(folder).info
    assert list(info["nodes"]) == ["node-1"]
    facts = info["nodes"]["node-1"]
    assert re.fullmatch(r"\d+\.\d+", facts["kernel"])
    assert set(facts["boot_id"]) == {"0", "-"}
    assert "hostname" not in facts
    assert re.fullmatch(rf"/sys/fs/cgroup/(unified/|memory/)?{GROUP.pattern}", info["scope"]["cgroup"])
    assert info["notes"] == []


@each
def test_every_row_of_a_process_belongs_to_the_drill(folder: Path) -> None:
    recording = sb.open(folder)
    group = "/".join(recording.info["scope"]["cgroup"].split("/")[-2:])
    born = {int(i) for i in recording["processes"].df().tgid} | {int(i) for i in recording["fork"].df().tgid}
    for table in ("exec", "exit", "processes"):
        rows = recording[table].df()
        assert set(rows.cgroup) <= {group}, table
        assert {int(i) for i in rows.tgid} <= born, table
    assert {int(i) for i in recording["process_cpu"].df().tgid} <= born


@each
def test_no_name_of_a_thread_comes_from_outside(folder: Path) -> None:
    found = list(texts(sb.open(folder)))
    ours = {text for table, column, text in found if column == "comm"} | {"santabpf-drill"}
    assert {text for _, column, text in found if column in ("pcomm", "prev_comm")} <= ours


@each
def test_no_path_leads_out_of_the_drill(folder: Path) -> None:
    paths = {path for _, column, text in texts(sb.open(folder)) if column != "cgroup" for path in PATH.findall(text)}
    assert {path for path in paths if not INSIDE.match(path)} == set()


@each
def test_neither_host_nor_users_of_this_machine_are_named(folder: Path) -> None:
    users = {user.pw_name for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000}
    names = "|".join(re.escape(name) for name in {socket.gethostname(), socket.getfqdn(), *users} if name)
    word = re.compile(rf"(?<![\w-])(?:{names})(?![\w-])")
    written = (folder / "recording.json").read_text()
    assert not word.search(written)
    assert not re.search(r"/(root|home|work|opt|srv|mnt)\b", written)
    assert [text for text in texts(sb.open(folder)) if word.search(text[2])] == []
