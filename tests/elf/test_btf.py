"""Offsets out of BTF: on a small one made here, and on the running kernel's."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from santabpf.elf.btf import BTF, VMLINUX

STRUCT, UNION, ENUM, TYPEDEF, PTR, FUNC_PROTO, INT, CONST = 4, 5, 6, 8, 2, 13, 1, 10


class Maker:
    """Writes BTF: types are numbered from 1 in the order in which they are added."""

    def __init__(self) -> None:
        self._text, self._types = b"\0", b""

    def name(self, text: str) -> int:
        if not text:
            return 0
        at = len(self._text)
        self._text += text.encode() + b"\0"
        return at

    def add(self, kind: int, name: str, size: int, members: list[tuple[str, int, int]] = [], *, extra: bytes = b"",  # noqa: B006
            bit_fields: bool = False) -> None:  # fmt: skip
        info = kind << 24 | len(members) | int(bit_fields) << 31
        self._types += struct.pack("<III", self.name(name), info, size) + extra
        for label, type_id, offset in members:
            if kind == ENUM:
                self._types += struct.pack("<Ii", self.name(label), offset)
            elif kind == FUNC_PROTO:
                self._types += struct.pack("<II", self.name(label), type_id)
            else:
                self._types += struct.pack("<III", self.name(label), type_id, offset)

    def done(self) -> BTF:
        head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._text))
        return BTF(head + self._types + self._text)


@pytest.fixture
def small() -> BTF:
    maker = Maker()
    maker.add(INT, "int", 4, extra=struct.pack("<I", 32))  # 1
    maker.add(STRUCT, "inner", 8, [("a", 1, 0), ("b", 1, 32)])  # 2
    maker.add(UNION, "", 8, [("left", 1, 0), ("right", 2, 0)])  # 3
    maker.add(CONST, "", 2)  # 4: const struct inner
    maker.add(STRUCT, "outer", 24, [("first", 1, 0), ("", 3, 64), ("last", 4, 128)])  # 5
    maker.add(STRUCT, "fields", 8, [("flag", 1, 3 | 1 << 24), ("after", 1, 32)], bit_fields=True)  # 6
    maker.add(ENUM, "colour", 4, [("red", 0, 7), ("blue", 0, -2)])  # 7
    maker.add(FUNC_PROTO, "", 0, [("", 1, 0), ("task", 1, 0), ("dead", 1, 0)])  # 8
    maker.add(PTR, "", 8)  # 9
    maker.add(TYPEDEF, "btf_trace_some_event", 9)  # 10
    maker.add(TYPEDEF, "inner", 1)  # 11: a typedef that is called like the struct
    return maker.done()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inner.b", 4),
        ("outer.last", 16),
        ("outer.last.b", 20),
        ("outer.left", 8),
        ("outer.right.b", 12),
        ("fields.after", 4),
        ("outer.gone|outer.first", 0),
        ("gone.at_all|inner.gone|outer.last", 16),
        ("outer.gone", None),
        ("gone.member", None),
        ("outer.first.deeper", None),
        ("enum colour.red", 7),
        ("enum colour.blue", -2),
        ("enum colour.green", None),
        ("enum gone.red", None),
        ("args some_event", 2),
        ("args some_event 2", 2),
        ("args some_event 3", None),
        ("args no_event", None),
    ],
)
def test_an_expression_has_its_value(small: BTF, expression: str, value: int | None) -> None:
    assert small.resolve(expression) == value


@pytest.mark.parametrize("data", [b"", b"\x9f\xeb", b"\0" * 100])
def test_what_is_no_btf_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="it"):
        BTF(data)


@pytest.mark.skipif(not Path(VMLINUX).exists(), reason="this kernel has no BTF")
def test_the_running_kernel_knows_all_that_the_probes_need() -> None:
    from santabpf.probes import all_probes

    types = BTF.of_kernel()
    for probe in all_probes().values():
        for const in probe.needs:
            assert types.resolve(probe.btf[const]) is not None, f"{probe.name}: {probe.btf[const]}"
        for point in probe.attach:
            kind, _, name = point.rstrip("?").partition(":")
            if kind != "raw_tracepoint":
                continue  # a classic tracepoint has a format file instead
            assert (types.resolve(f"args {name}") or 0) > 0
