"""How much larger a change is than its noise; the same for the incident and for each quiet piece against the others.

In: sums or histograms by piece, seconds watched. Out: scores. Pure numpy.

A score is change / noise, where the change is that of the rate (or mean, or quantile), and the noise has two parts:

    chance or spread, whichever is larger
              chance: the error of a count of n events is sqrt(n); amounts come in events or grains (see measures.py),
              and a quantile of n events is as uncertain as if lengths had a heavy tail (Pareto, 1)
              spread: how much the quiet pieces differ among themselves; what lasts longer is not taken to be less noisy
              (what few pieces say of one label is drawn towards what is usual for the labels of that table)
    drift     two moments are never alike: 5 % of the larger of both values

So a score is never above 20; with little noise 10 is twice as much (or half), and 18 ten times. Where nothing is but
one event in an otherwise empty statistic the score is 1, with nine it is 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .ask import BINS, LEAST_EVENTS, Array

#: What two alike moments of a node may differ by.
DRIFT = 0.05
#: The least number of pieces whose spread says anything.
LEAST_PIECES = 3
#: How many pieces the other labels' usual spread counts for.
PRIOR = 4
#: A quantile out of a histogram of powers of two lies somewhere in its bin.
COARSE = 0.2


def rate_scores(sums: Array, variances: Array, seconds: Array, one: int, others: Sequence[int]) -> Array:
    """Score of each row of `sums` (labels x pieces): piece `one` against the others together."""
    rest = list(others)
    before: Array = sums[:, rest].sum(axis=1) / seconds[rest].sum()
    after = sums[:, one] / seconds[one]
    chance = variances[:, one] / seconds[one] ** 2 + variances[:, rest].sum(axis=1) / seconds[rest].sum() ** 2
    spread = np.zeros_like(before)
    if len(rest) >= LEAST_PIECES:
        rates = sums[:, rest] / seconds[rest]
        each = (seconds[rest] * (rates - before[:, None]) ** 2).sum(axis=1) / (len(rest) - 1)  # in a piece of 1 s
        by_chance = variances[:, rest].sum(axis=1) / seconds[rest].sum()
        seen = by_chance > 0
        typical = (each[seen] / by_chance[seen]).mean() if seen.any() else 0.0
        each = (PRIOR * typical * by_chance + (len(rest) - 1) * each) / (PRIOR + len(rest) - 1)
        spread = each * (1 / min(seconds[one], seconds[rest].mean()) + 1 / seconds[rest].sum())
    drift = DRIFT * np.maximum(np.abs(before), np.abs(after))
    noise = np.sqrt(np.maximum(chance, spread) + drift**2)
    scores: Array = np.divide(after - before, noise, out=np.zeros_like(noise), where=noise > 0)
    return scores


def quantile(counts: Array, share: float) -> float:
    """The length below which this share of the events lies, out of a histogram; between the edges of its bin."""
    together = np.cumsum(counts)
    wanted = share * together[-1]
    at = int(np.searchsorted(together, wanted))
    inside = (wanted - (together[at] - counts[at])) / counts[at] if counts[at] else 0.0
    return float(2.0 ** ((at + inside) / BINS))


def quantile_score(
    histogram: Array, share: float, one: int, others: Sequence[int], coarse: bool
) -> tuple[float, float, float] | None:
    """Score, value in piece `one`, value in the others together; None where there are too few events for it.

    histogram: pieces x bins. coarse: its bins are those of a table, powers of two.
    """
    rest = list(others)
    before, after = histogram[rest].sum(axis=0), histogram[one]
    least = LEAST_EVENTS / min(share, 1 - share) / 2
    if before.sum() < least or after.sum() < least:
        return None
    width = 1.0 if not coarse else float(BINS)
    old, new = (_spread_out(counts, width) for counts in (before, after))
    low, high = quantile(old, share), quantile(new, share)
    tail = share / (1 - share)
    chance = tail / after.sum() + tail / before.sum()
    parts = [histogram[at] for at in rest if histogram[at].sum() >= LEAST_EVENTS]
    spread = 0.0
    if len(parts) >= LEAST_PIECES:
        logs = np.log([quantile(_spread_out(part, width), share) for part in parts])
        weights = np.asarray([part.sum() for part in parts])
        each = float((weights * (logs - np.average(logs, weights=weights)) ** 2).sum()) / (len(parts) - 1)
        spread = each * (1 / min(after.sum(), weights.mean()) + 1 / before.sum())
    drift = COARSE if coarse else DRIFT
    change = 1 - float(np.exp(-abs(np.log(high / low))))
    score = change / np.sqrt(max(chance, spread) + drift**2)
    return (float(score) if high >= low else -float(score)), high, low


def _spread_out(counts: Array, width: float) -> Array:
    """Bins that stand for `width` of them each, with their events shared out over these."""
    if width == 1.0:
        return counts
    out: Any = np.zeros_like(counts)
    for at in np.flatnonzero(counts):
        out[at : at + int(width)] += counts[at] / width
    return np.asarray(out, dtype=np.float64)
