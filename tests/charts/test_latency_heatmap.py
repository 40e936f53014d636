"""Lengths over time: what is drawn where hardly anything took a different time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from synthetic import START, S

from santabpf.charts import latency_heatmap


@pytest.mark.parametrize("powers", [[27], [0], [26, 27], [20, 21, 22, 23, 24, 25, 26, 27]])
def test_one_length_is_one_row_among_others_with_a_tick(powers: list[int]) -> None:
    binned = pa.table({"at": [3] * len(powers), "power": powers, "count": [1] * len(powers)})
    made = latency_heatmap.figure(latency_heatmap.info(binned, (START, START + 10 * S), S, "slow calls"))
    low, high = made.layout.yaxis.range
    assert high - low >= max(6, len(powers))
    assert low <= -0.5
    assert high >= len(powers) - 0.5
    assert made.layout.height / (high - low) < 40  # pixels a row
    assert made.layout.yaxis.tickvals
    assert all(low <= at <= high for at in made.layout.yaxis.tickvals)
