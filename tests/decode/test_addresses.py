"""Addresses of both families to text, and what is not known to null."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from santabpf.decode.columns import Stats, address, to_arrow
from santabpf.decode.times import Clock
from santabpf.schema import Column

MAPPED = bytes(10) + b"\xff\xff"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (MAPPED + b"\x7f\0\0\1", "127.0.0.1"),
        (MAPPED + b"\x0a\0\0\0", "10.0.0.0"),
        (MAPPED + bytes(4), "0.0.0.0"),
        (bytes(15) + b"\1", "::1"),
        (bytes.fromhex("20010db8000000000000000000000100"), "2001:db8::100"),
        (bytes.fromhex("fe80000000000000") + bytes(7) + b"\5", "fe80::5"),
        (bytes(16), None),
    ],
)
def test_an_address_is_text_as_people_write_it(raw: bytes, shown: str | None) -> None:
    assert address(raw) == shown


def test_a_column_of_addresses_keeps_its_order_and_its_trailing_zeros() -> None:
    column = Column("remote_ip", "char[16]", "ip", "none", "d")
    values = np.frombuffer((MAPPED + b"\x0a\0\0\0" + bytes(16) + bytes(15) + b"\1") * 3, "S16")
    array = to_arrow(column, values, Clock(0, 1), Stats())
    assert array.type == pa.string()
    assert array.to_pylist() == ["10.0.0.0", None, "::1"] * 3


@pytest.mark.parametrize(("unknown", "shown"), [(None, ""), (0, None)])
def test_an_empty_text_is_null_where_the_column_says_so(unknown: int | None, shown: str | None) -> None:
    column = Column("comm", "char[4]", "text", "none", "d", unknown)
    values = np.array([b"", b"sh"], "S4")
    assert to_arrow(column, values, Clock(0, 1), Stats()).to_pylist() == [shown, "sh"]
