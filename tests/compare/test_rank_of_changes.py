"""Change divided by noise, on numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from santabpf.compare.ask import BINS
from santabpf.compare.rank import quantile, quantile_score, rate_scores

SECONDS = np.array([10.0, 2, 2, 2, 2, 2])
QUIET = range(1, 6)


def scores(sums: list[list[float]]) -> list[float]:
    counted = np.array(sums, dtype=float)
    return [round(float(score), 2) for score in rate_scores(counted, counted, SECONDS, 0, QUIET)]


def test_a_few_events_where_there_were_none_are_as_sure_as_their_count() -> None:
    one, nine, hundred = scores([[1, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0], [100, 0, 0, 0, 0, 0]])
    assert one == pytest.approx(1, abs=0.01)
    assert nine == pytest.approx(3, abs=0.05)
    assert 8 < hundred < 10


def test_with_little_noise_twice_as_much_is_ten_and_half_as_much_is_less_than_zero() -> None:
    twice, half, same = scores([[2e6, *[2e5] * 5], [5e5, *[2e5] * 5], [1e6, *[2e5] * 5]])
    assert twice == pytest.approx(10, abs=0.1)
    assert half == pytest.approx(-10, abs=0.1)
    assert same == 0


def test_what_differs_between_quiet_moments_must_change_by_more() -> None:
    steady, restless = scores([[400, 20, 20, 20, 20, 20], [400, 0, 60, 5, 35, 0]])
    assert steady > 3
    assert restless < 0.7 * steady


def test_the_spread_of_one_label_is_drawn_towards_that_of_its_table() -> None:
    alone = scores([[60, 8, 8, 8, 8, 8]])[0]
    among_restless = scores([[60, 8, 8, 8, 8, 8], [100, 0, 80, 0, 10, 10], [100, 90, 0, 0, 0, 10]])[0]
    assert 0 < among_restless < alone


def test_nothing_at_all_is_no_change() -> None:
    assert scores([[0, 0, 0, 0, 0, 0]]) == [0]


def test_chance_alone_stays_below_four_in_thousands_of_statistics() -> None:
    rng = np.random.default_rng(7)
    sums = rng.poisson(5 * SECONDS, size=(3000, 6)).astype(float)
    assert np.abs(rate_scores(sums, sums, SECONDS, 0, QUIET)).max() < 4
    assert max(np.abs(rate_scores(sums, sums, SECONDS, at, [o for o in QUIET if o != at])).max() for at in QUIET) < 4.5


def lengths(rng: np.random.Generator, count: int, typical: float) -> np.ndarray:
    drawn = typical * rng.lognormal(0, 0.5, count)
    return np.bincount((BINS * np.log2(drawn)).astype(int), minlength=64 * BINS).astype(float)


def test_a_quantile_is_read_from_a_histogram_to_within_a_bin() -> None:
    rng = np.random.default_rng(1)
    drawn = 1e6 * rng.lognormal(0, 0.5, 20_000)
    counts = np.bincount((BINS * np.log2(drawn)).astype(int), minlength=64 * BINS).astype(float)
    for share in (0.5, 0.99):
        assert quantile(counts, share) == pytest.approx(np.quantile(drawn, share), rel=2 ** (1 / BINS) - 1)


def test_the_median_of_some_hundred_events_shows_a_doubling_and_their_p99_does_not() -> None:
    rng = np.random.default_rng(2)
    pieces = np.array([lengths(rng, 300, 2e6), *(lengths(rng, 60, 1e6) for _ in QUIET)])
    half = quantile_score(pieces, 0.5, 0, QUIET, coarse=False)
    assert half is not None
    assert half[0] > 4
    assert half[1:] == pytest.approx((2e6, 1e6), rel=0.15)
    tail = quantile_score(pieces, 0.99, 0, QUIET, coarse=False)
    assert tail is None or abs(tail[0]) < 2


def test_too_few_events_have_no_quantile() -> None:
    pieces = np.zeros((6, 64 * BINS))
    pieces[:, 100] = 1
    assert quantile_score(pieces, 0.5, 0, QUIET, coarse=False) is None


def test_a_shift_by_one_bin_of_a_power_of_two_is_not_much() -> None:
    pieces = np.zeros((6, 64 * BINS))
    pieces[0, 20 * BINS], pieces[1:, 19 * BINS] = 1000, 200
    shifted = quantile_score(pieces, 0.5, 0, QUIET, coarse=True)
    assert shifted is not None
    assert 2 < shifted[0] < 3
