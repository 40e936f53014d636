"""Kernels other than this one, by their types and formats alone: which probe they can give, and where members lie.

tests/elf/kernels/make_inputs.py made the inputs; decided.py writes down what is expected.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("kernels")))

import decided
import make_inputs
import reduced_btf

from santabpf.elf import btf, fit
from santabpf.probes import all_probes

AGAIN = "if this is as it should be: python tests/elf/kernels/decided.py"


@pytest.mark.parametrize("version", decided.KERNELS)
def test_each_probe_is_on_partial_or_failed_as_is_written_down(version: str) -> None:
    expected = json.loads((decided.HERE / version / "expected.json").read_text())
    found = decided.decisions(version)
    assert sorted(found) == sorted(expected), AGAIN
    for probe in found:
        assert found[probe] == expected[probe], f"{probe}: {AGAIN}"


@pytest.mark.parametrize("version", ["6.1", "6.12", "6.18"])
def test_a_whole_enum_comes_with_its_names_whatever_their_numbers(version: str) -> None:
    known, found = decided.types(version), decided.Kept(version)
    spec = {
        "btf": {"WORDS": "names skb_drop_reason.SKB_DROP_REASON_", "NONE": "names no_such_enum.X_"}, "needs": [],
        "attach": [],
    }  # fmt: skip
    made = fit.fit(spec, known, found, decided.library)
    assert (made.missing, made.why) == (["NONE"], "this kernel's BTF has no enum no_such_enum")
    assert "WORDS" not in made.defines
    words, none = made.declarations.splitlines()
    assert none == "#define NONE(DO) "
    pairs = dict(re.findall(r'DO\((\d+)U, "(\w+)"\)', words))
    every = known.enumerators("skb_drop_reason")
    assert {int(number) for number in pairs} == {
        value % (1 << 32) for name, value in every.items() if name.startswith("SKB_DROP_REASON_")
    }
    assert pairs[str(every["SKB_DROP_REASON_NO_SOCKET"])] == "NO_SOCKET"
    assert max(map(len, pairs.values())) <= 31


def test_what_is_missing_reads_well_however_much_it_is() -> None:
    known, found = decided.types("6.1"), decided.Kept("6.1")
    enum = "enum skb_drop_reason"
    never = {f"NEVER_{n}": f"{enum}.NEVER_{n}|{enum}.NOR_{n}" for n in range(23)}
    spec = {
        "btf": {"OFF_X": "sock.x|sock.y", **never},
        "needs": [], "attach": ["raw_tracepoint:kfree_skb", *(f"raw_tracepoint:no_{n}?" for n in range(5))],
    }  # fmt: skip
    assert fit.fit(spec, known, found, decided.library).why == (
        "this kernel's BTF has no sock.x, enum skb_drop_reason.NEVER_0, NEVER_1, NEVER_2, NEVER_3 and 19 more; "
        "this kernel has no tracepoint no_0, no_1, no_2, no_3 and 1 more"
    )


def test_the_inputs_hold_every_struct_that_a_probe_asks_for() -> None:
    kernels = [decided.types(version) for version in decided.KERNELS]
    structs, enums = make_inputs.asked_for()
    for names, kinds in ((structs - set(make_inputs.MORE), (4, 5)), (enums - set(make_inputs.ENUMS), (6,))):
        for name in names:
            assert any(types._find(name, kinds) for types in kernels), f"{name}: see tests/elf/kernels/make_inputs.py"


@pytest.mark.parametrize(
    ("version", "expression", "value"),
    [
        ("6.18", "task_struct.__state|task_struct.state", True),
        ("5.10", "task_struct.__state", False),
        ("5.10", "task_struct.__state|task_struct.state", True),
        ("6.1", "args mm_filemap_get_pages", False),
        ("6.12", "args mm_filemap_get_pages", True),
        ("5.10", "enum skb_drop_reason.SKB_DROP_REASON_NO_SOCKET", False),
        ("6.1", "enum skb_drop_reason.SKB_DROP_REASON_NO_SOCKET", True),
    ],
)
def test_the_inputs_are_of_the_kernels_that_they_are_said_to_be(version: str, expression: str, value: bool) -> None:
    assert (decided.types(version).resolve(expression) is not None) == value


def test_formats_differ_between_kernels_where_their_sources_do() -> None:
    fields = {v: decided.Kept(v) for v in decided.KERNELS}
    assert fields["5.10"].resolve("skb:kfree_skb.reason") is None
    assert fields["6.1"].resolve("skb:kfree_skb.reason") is not None
    assert fields["6.1"].resolve("skb:kfree_skb.rx_sk") is None
    assert fields["6.18"].resolve("skb:kfree_skb.rx_sk") is not None
    assert fields["6.1"].resolve("sched:sched_process_exit.group_dead") is None
    assert fields["6.18"].resolve("sched:sched_process_exit.group_dead") is not None
    for known in fields.values():
        assert known.resolve("syscalls:sys_exit_openat.ret") == 16


@pytest.mark.skipif(not Path(btf.VMLINUX).exists(), reason="this kernel has no BTF")
def test_reduced_types_say_the_same_as_whole_ones() -> None:
    data = Path(btf.VMLINUX).read_bytes()
    whole = btf.BTF(data)
    expressions = {e for probe in all_probes().values() for e in probe.btf.values() if "field " not in e}
    choices = {choice.strip() for e in expressions for choice in e.split("|")}
    structs = {choice.partition(".")[0] for choice in choices if " " not in choice}
    enums = {choice[5:].partition(".")[0] for choice in choices if choice.startswith("enum ")}
    small = reduced_btf.reduced(data, structs, enums)
    assert len(small) < len(data) / 20
    reduced = btf.BTF(small)
    assert {c: reduced.resolve(c) for c in choices} == {c: whole.resolve(c) for c in choices}
    assert sum(whole.resolve(c) is not None for c in choices) > 100
