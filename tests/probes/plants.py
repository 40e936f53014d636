"""Plants of probes on a node while it is recorded, and the expectations that the recording must meet.

plant/<probe>.py runs on the node, under its own Python, and prints what it planted; expect/<probe>.py has
`check(table, facts)`, which asserts that the decoded tables hold exactly that. An expectation may say more:

    SPEC     the probe with parameters: "block_io:min_total_ns=0"
    PROBES   ("exec", "exit"): it is no probe's own, but is looked for in the tables of these
    PARTIAL  {"6.1": "words"}: on these kernels the probe is partial (or failed), and its reason has these words
    EARLY    True: it is planted before the recording begins, and ends its plants when its standard input ends
    GUEST    True: it would harm a node that somebody needs, and is planted in guests only
    KEPT     True: it is planted with the others, and what it leaves is cleared after the recording, when its input ends
"""

from __future__ import annotations

import io
import json
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from guest.image import KERNELS

from santabpf import record, wire
from santabpf.decode import Decoder
from santabpf.launch import PYTHON
from santabpf.probes import all_probes
from santabpf.probes.source import plan
from santabpf.recording import Recording
from santabpf.transport import Channel, Transport, open_transport
from santabpf.units import SECOND

from .accounts import Accounts

HERE = Path(__file__).parent
#: A program that was skipped, or a map that others filled, need not be the plant's loss: its rows are counted below.
CAUSES = ("reserve_failed", "buffer_dropped")
PLANT_S = 180.0  # for one plant, on an emulated machine
ANEW = ("/bin/sh", "-c", '"$@"; exit $?', "sh")  # in a new process: what a login shell did is not the plant's
# Run on the node: takes a zip from stdin, leaves the rest of stdin to the plant, and runs that as a program.
TAKE = """
import os, sys, zipimport
def take(count):
    data = b""
    while len(data) < count:
        data += os.read(0, count - len(data))
    return data
code = os.memfd_create("plants")
os.write(code, take(int.from_bytes(take(4), "little")))
path = "/proc/%d/fd/%d" % (os.getpid(), code)
sys.path.append(path)
def run(name):
    text = zipimport.zipimporter(path).get_data(path + "/" + name + ".py")
    exec(compile(text, name, "exec"), {"__name__": "__main__"})
"""
BOOT = TAKE + "run(sys.argv[1])\n"


@dataclass(frozen=True)
class Grown:
    """A recording during which was planted.

    facts     what each plant said, or a text that says why it did not
    accounts  of all its tables: it is a test build, so that one can see whether all adds up
    """

    recording: Recording
    facts: dict[str, dict[str, Any] | str]
    accounts: Accounts


def names(*, guest: bool = False) -> list[str]:
    """The plants that have an expectation; most are called as their probe. With those that only a guest can stand?"""
    plants = {path.stem for path in (HERE / "plant").glob("*.py")}
    expected = {path.stem for path in (HERE / "expect").glob("*.py")} - {"__init__"}
    return [name for name in sorted(plants & expected) if guest or not getattr(expectation(name), "GUEST", False)]


def planted_on(kernel: str) -> list[str]:
    """What is planted in the guest: all on the first kernel; on newer ones, to save time, exec and what is partial."""
    first = next(iter(KERNELS))
    if kernel == first:
        return names(guest=True)
    return [name for name in names(guest=True) if name == "exec" or first in getattr(expectation(name), "PARTIAL", {})]


def probes_of(name: str) -> tuple[str, ...]:
    """The probes that see this plant."""
    return getattr(expectation(name), "PROBES", (name,))


def expectation(name: str) -> ModuleType:
    """expect/<name>.py"""
    return import_module(f"probes.expect.{name}")


def check(grown: Grown, name: str) -> None:
    """Raises AssertionError unless the recording holds what was planted, or says rightly why it can't."""
    expected, recording = expectation(name), grown.recording
    (node,) = recording.info["nodes"].values()
    probe, *others = (recording.info["probes"][name] for name in probes_of(name))
    assert all((other["state"], other["why"]) == ("on", None) for other in others)
    partial: dict[str, str] = getattr(expected, "PARTIAL", {})
    words = [text for kernel, text in partial.items() if node["kernel"].startswith(f"{kernel}.")]
    if words:
        assert probe["state"] in ("partial", "failed")
        assert words[0] in probe["why"]
    else:
        assert (probe["state"], probe["why"]) == ("on", None)
    facts = grown.facts[name]
    assert isinstance(facts, dict), facts
    facts = facts | {"node": node, "probe": probe}

    def table(wanted: str) -> pa.Table:
        for row in recording["loss"].arrow().to_pylist():
            assert row["table"] != wanted or not any(row[cause] for cause in CAUSES), row
        return recording[wanted].arrow()

    expected.check(table, facts)


def check_accounts(grown: Grown) -> None:
    """Raises AssertionError unless each record is whole, and of each table all was kept or counted as lost."""
    told = grown.accounts.told()
    unsound = {name: one for name, one in told.items() if not one.is_sound}
    assert not unsound, unsound
    if set(names()) - set(grown.facts):
        return  # then nobody plants what some tables count
    on = {probe for plant in grown.facts for probe in probes_of(plant)}
    on = {probe for probe in on if grown.recording.info["probes"][probe]["state"] == "on"}
    counting = {table.name for probe in on for table in all_probes()[probe].tables if Accounts.has(table)}
    idle = counting - {name for name, one in told.items() if one.truth}
    assert not idle, idle


class _Accounted(Decoder):
    """A decoder that keeps account of what it decodes."""

    def __init__(self, plan: dict[str, Any], node: str) -> None:
        super().__init__(plan, node)
        self.accounts = Accounts(plan)

    def _frame(self, frame: wire.Frame) -> None:
        self.accounts.take(frame)
        super()._frame(frame)


def grow(node: str, wanted: list[str], out: Path, **options: Any) -> Grown:
    """Record these probes on a node, plant one after another, and stop some seconds after the last."""
    decoders: list[_Accounted] = []

    def decoder(plan: dict[str, Any], label: str) -> _Accounted:
        decoders.append(_Accounted(plan, label))
        return decoders[-1]

    facts: dict[str, dict[str, Any] | str] = {}
    began, stop, seconds = threading.Event(), threading.Event(), [0]
    made: list[Recording] = []
    failed: list[BaseException] = []

    def closed(_: object, until_ns: int) -> None:
        seconds[0] = until_ns // SECOND
        began.set()

    def keep() -> None:
        try:
            own = [getattr(expectation(name), "SPEC", name) for name in wanted if probes_of(name) == (name,)]
            others = {probe for name in wanted for probe in probes_of(name)} - set(wanted)
            specs = [*own, *sorted(others)]
            how = {"duration": None, "out": out, "progress": False, "stop": stop, "on_second": closed}
            with (
                patch("santabpf.record.make_plan", partial(plan, selfcheck=True)),
                patch("santabpf.record.Decoder", decoder),
            ):
                made.append(record({"planted": node}, probes=specs, **how, **options))
        except BaseException as exc:
            failed.append(exc)
        finally:
            began.set()

    early = [name for name in wanted if getattr(expectation(name), "EARLY", False)]
    with ExitStack() as stack:
        transport = stack.enter_context(open_transport(node, **options))
        for name in early:
            facts[name] = stack.enter_context(_planted(transport, name))
        recorder = threading.Thread(target=keep)
        recorder.start()
        try:
            began.wait()
            for name in wanted:
                if name in early or failed:
                    continue
                if getattr(expectation(name), "KEPT", False):
                    facts[name] = stack.enter_context(_planted(transport, name))
                    continue
                for _ in range(2):  # one that a busy guest ended before it said a word is planted anew
                    with _planted(transport, name) as said:
                        facts[name] = said
                    if isinstance(said, dict):
                        break
            last = time.time_ns() // SECOND + 3
            while not failed and seconds[0] < last and recorder.is_alive():
                time.sleep(0.2)
        finally:
            stop.set()
            recorder.join()
    if failed:
        raise failed[0]
    return Grown(made[0], facts, decoders[0].accounts)


@contextmanager
def _planted(transport: Transport, name: str) -> Iterator[dict[str, Any] | str]:
    """What a plant says of itself. It is ended with the `with`."""
    channel = transport.start([*ANEW, PYTHON, "-S", "-c", f"exec({BOOT!r})", name], sudo=True)
    try:
        code = zipped()
        channel.write(struct.pack("<I", len(code)) + code)
        yield _said(channel, name)
        channel.end_input()
        channel.exit_code(10)
    finally:
        channel.close()


def _said(channel: Channel, name: str) -> dict[str, Any] | str:
    deadline, out = time.monotonic() + PLANT_S, b""
    while b"\n" not in out and time.monotonic() < deadline:
        chunk = channel.read(1)
        if chunk == b"":
            return f"the plant of {name} said nothing: {channel.err().decode(errors='replace')[-2000:]}"
        out += chunk or b""
    if b"\n" not in out:
        return f"the plant of {name} said nothing in {PLANT_S:g} s"
    facts = json.loads(out.partition(b"\n")[0])
    assert isinstance(facts, dict)
    return facts


@cache
def zipped() -> bytes:
    """All plants, as the node takes them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted((HERE / "plant").glob("*.py")):
            archive.write(path, path.name)
    return out.getvalue()
