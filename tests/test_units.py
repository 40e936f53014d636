from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from santabpf import units
from santabpf.units import HOUR, MINUTE, MS, SECOND, US


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("30s", 30 * SECOND), ("1.5m", 90 * SECOND), ("2min", 2 * MINUTE), ("1h", HOUR), ("1d", 24 * HOUR),
        ("200ms", 200 * MS), ("7us", 7 * US), ("7µs", 7 * US), ("3 ns", 3), (" 5 s ", 5 * SECOND), ("5", 5 * SECOND),
        (5, 5 * SECOND), (0.25, 250 * MS),
    ],
)  # fmt: skip
def test_a_duration_is_read_into_nanoseconds(text: str | int | float, ns: int) -> None:
    assert units.parse_duration(text) == ns


@pytest.mark.parametrize(
    "text", ["", "s", "5x", "-5s", "1e3s", "5s5", "fünf", "1,5s", True, -1, float("nan"), float("inf")]
)
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration: .* 30s"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"), (999, "999 ns"), (1_500, "1.5 µs"), (1_234_567, "1.23 ms"), (SECOND, "1 s"), (59 * SECOND, "59 s"),
        (90 * SECOND, "1 min 30 s"), (999_600, "1000 µs"), (HOUR, "1 h 0 min"), (-2 * MS, "-2 ms"),
        (26 * HOUR + MINUTE, "26 h 1 min"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_in_its_largest_unit(ns: int, text: str) -> None:
    assert units.format_duration(ns) == text


@given(st.integers(0, 10**18) | st.floats(0.001, 1e18))
def test_no_duration_is_shown_with_an_exponent(ns: float) -> None:
    assert "e" not in units.format_duration(ns)
    assert "e" not in units.format_bytes(ns)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (12, "12 B"),
        (1536, "1.5 KiB"),
        (1 << 20, "1 MiB"),
        (-2048, "-2 KiB"),
        (5 << 40, "5 TiB"),
        (1023, "1023 B"),
        (2000 << 40, "2000 TiB"),
    ],
)
def test_bytes_are_shown_in_powers_of_1024(count: int, text: str) -> None:
    assert units.format_bytes(count) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0, "0.0 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (1.0, "100 %"), (-0.05, "-5.0 %")]
)
def test_a_ratio_is_shown_in_per_cent(ratio: float, text: str) -> None:
    assert units.format_ratio(ratio) == text


def test_a_count_is_shown_in_groups_of_three() -> None:
    assert units.format_count(1234567) == "1 234 567"
    assert units.format_count(999.6) == "1 000"


def test_a_time_is_shown_in_utc_to_the_millisecond() -> None:
    assert units.format_utc(1_777_636_800_123_999_999) == "2026-05-01 12:00:00.123"
    assert units.format_utc(1_777_636_800_000_000_000, date=False) == "12:00:00.000"


@given(st.integers(-(10**18), 4 * 10**18))
def test_every_time_belongs_to_the_second_that_holds_it(ts_ns: int) -> None:
    start = units.second_of(ts_ns)
    assert start % SECOND == 0
    assert 0 <= ts_ns - start < SECOND


def test_nanoseconds_become_seconds_and_milliseconds() -> None:
    assert (units.seconds(1_500_000_000), units.milliseconds(1_500_000)) == (1.5, 1.5)
