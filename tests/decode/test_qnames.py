"""Names of DNS to text; none of them, however broken, becomes another name or a line of its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from santabpf.decode.columns import Stats, to_arrow
from santabpf.decode.qnames import qname
from santabpf.decode.times import Clock
from santabpf.schema import Column


def wire_form(*labels: bytes) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (wire_form(b"planted-7", b"example"), "planted-7.example"),
        (b"", "."),
        (wire_form(b"a.b", b"c\\d"), r"a\.b.c\\d"),
        (wire_form(b"<b>\n\x1b[31m", b"\xc3\xa9"), r"<b>\010\027[31m.\195\169"),
        (wire_form(b"x" * 63, b"org"), "x" * 63 + ".org"),
        (b"\3ww", "ww…"),
        (wire_form(b"www") + b"\xc0\x0c", "www.…"),
        (b"\x05a\0b", "a…"),
    ],
)
def test_a_name_is_text_as_people_write_it(raw: bytes, shown: str) -> None:
    column = Column("name", "char[128]", "qname", "none", "d")
    array = to_arrow(column, np.array([raw], "S128"), Clock(0, 1), Stats())
    assert array.type == column.arrow_type == pa.string()
    assert array.to_pylist() == [shown]


def test_a_name_that_fills_its_field_says_that_it_is_cut() -> None:
    long = wire_form(*[b"y" * 31] * 8)
    assert qname(long[:127], 128).endswith("yyy…")
    assert qname(wire_form(b"y" * 62, b"y" * 63)[:127], 128).endswith("yyy…"), "whether it ends there is not known"
    assert not qname(long[:96], 128).endswith("…")
