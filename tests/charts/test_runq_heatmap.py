"""The run queue over time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from synthetic import START, S, tables

from santabpf.charts import runq_heatmap


def hist(rows: list[tuple[int, int, int]]) -> pa.Table:
    """(second, wait_ns, waits) as the table."""
    return pa.table({"ts_ns": [START + (s + 1) * S for s, _, _ in rows], "span_ns": [S] * len(rows),
                     "wait_ns": [w for _, w, _ in rows], "waits": [n for _, _, n in rows]})


def test_each_wait_is_counted_in_its_second_and_length() -> None:
    info = runq_heatmap.info(hist([(0, 1024, 5), (0, 4096, 7), (2, 1024, 11), (2, 1024, 2)]))
    assert info.ts_ns == [START, START + S, START + 2 * S]
    assert info.wait_ns == [1024, 2048, 4096]
    assert info.waits.tolist() == [[5, 0, 13], [0, 0, 0], [7, 0, 0]]


def test_the_columns_cover_the_window() -> None:
    info = runq_heatmap.info(hist([(3, 1024, 5)]), (START + S // 2, START + 6 * S))
    assert info.ts_ns == [START + n * S for n in range(6)]
    assert info.waits.tolist() == [[0, 0, 0, 5, 0, 0]]


def test_no_wait_is_lost_when_seconds_are_added_up() -> None:
    rows = [(second, 1 << (10 + second % 3), 1 + second % 5) for second in range(1300)]
    info = runq_heatmap.info(hist(rows))
    assert info.step_ns == 3 * S
    assert len(info.ts_ns) == 434
    assert int(info.waits.sum()) == sum(n for _, _, n in rows)
    assert info.note == "One column is 3 seconds."


def test_a_row_belongs_to_the_second_in_which_most_of_its_span_lies() -> None:
    table = hist([(0, 1024, 5)]).set_column(0, "ts_ns", pa.array([START + S + 3_000_000]))
    assert runq_heatmap.info(table).ts_ns == [START]


def test_no_waits_give_a_note() -> None:
    info = runq_heatmap.info(hist([(0, 1024, 5)]).slice(0, 0))
    assert info.ts_ns == []
    assert "No waits" in runq_heatmap.figure(info).layout.annotations[0].text


def test_counts_of_zero_only_are_drawn_as_an_empty_field() -> None:
    drawing = runq_heatmap.figure(runq_heatmap.info(hist([(0, 1024, 0), (1, 2048, 0)])))
    assert np.isnan(np.asarray(drawing.data[0].z, dtype=float)).all()


def test_the_figure_names_lengths_at_powers_of_ten() -> None:
    drawing = runq_heatmap.figure(runq_heatmap.info(tables(jobs=0)["runq_hist"]))
    assert list(drawing.layout.yaxis.ticktext) == ["1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]
    assert len(drawing.data[0].x) == 30
