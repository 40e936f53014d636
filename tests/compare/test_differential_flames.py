"""The differential flame graph: what a second took, before and after, over moments of different lengths."""

from __future__ import annotations

from pathlib import Path

import made_stacks as made
import pytest
from planted_moments import moment, sampled

from santabpf.charts.flame_graph import WHOLE, difference, flame
from santabpf.compare import compare
from santabpf.display import Flame
from santabpf.errors import BadUsage

MAIN = ("main", "serve")
BEFORE = {(*MAIN, "render"): 20.0, (*MAIN, "query", "ksys_write"): 10.0}
AFTER = {(*MAIN, "render"): 20.0, (*MAIN, "query", "ksys_write"): 10.0, (*MAIN, "compress", "deflate"): 30.0}


def test_what_takes_as_much_of_a_second_as_before_is_the_same_though_its_share_is_not() -> None:
    busy, idle = made.table([([made.MAIN, made.SORT], 300), ([made.MAIN, made.HASH], 300)]), made.table(
        [([made.MAIN, made.SORT], 600)])  # fmt: skip
    both = difference(idle, busy, seconds=(20.0, 10.0))
    tree = both.columns
    at = {name: n for n, name in enumerate(tree.name)}
    assert both.seconds == (20.0, 10.0)
    # 30 of a second before and after in sort; 0 and 30 in hash; the busier second has 60 samples
    assert tree.width[at["sort"]] == pytest.approx(WHOLE / 2, rel=1e-6)
    assert tree.width[at["hash"]] == pytest.approx(WHOLE / 4, rel=1e-6)
    assert flame(both).payload()["seconds"] == (20.0, 10.0)
    assert "more of a second after than before" in flame(both).reading()


def test_a_moment_without_length_is_refused() -> None:
    table = made.table(made.ROWS)
    with pytest.raises(BadUsage, match="0 s cannot be compared"):
        difference(table, table, seconds=(0.0, 5.0))


def test_a_comparison_draws_what_was_added(tmp_path: Path) -> None:
    friday = moment(tmp_path / "friday", 10, sampled(1, 10, AFTER))
    monday = moment(tmp_path / "monday", 30, sampled(2, 30, BEFORE))
    found = compare(friday, monday)
    assert found.stack_tables == ["profile"]
    drawn = found.flame()
    assert isinstance(drawn, Flame)
    frames = {frame.name: frame for frame in drawn.frames}
    assert list(frames)[:4] == ["all", "shop", "main", "serve"]
    assert (frames["deflate"].before, frames["ksys_write"].kind) == (0, "kernel")
    assert frames["deflate"].value == pytest.approx(300, rel=0.2)
    assert frames["render"].before / 30 == pytest.approx(frames["render"].value / 10, rel=0.3)
    assert drawn.sample_ns == 1_000_000_000 // 49
    assert "friday" in drawn.lead


def test_without_stacks_a_sentence_says_how_to_record_them(tmp_path: Path) -> None:
    still = [moment(tmp_path / name, 5, {}, ["exec"]) for name in ("friday", "monday")]
    found = compare(*still)
    assert found.stack_tables == []
    assert "`profile` was not recorded in friday and monday" in str(found.flame())
    with pytest.raises(BadUsage, match="runq has no stacks"):
        found.flame("runq")
