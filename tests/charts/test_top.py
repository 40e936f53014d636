"""Top commands."""

from __future__ import annotations

from synthetic import ROUNDS, tables

from santabpf.charts import top


def test_commands_come_by_cpu_time_with_counts_failures_and_starters() -> None:
    t = tables(jobs=0)
    info = top.info(t["exec"], t["exit"])
    assert [row.command for row in info.rows] == ["bzip2", "dd", "backup.sh", "bash"]
    bzip2 = info.rows[0]
    assert (bzip2.processes, bzip2.cpu_ns, bzip2.failed) == (ROUNDS, ROUNDS * 620_000_000, ROUNDS // 6)
    assert (bzip2.started_by, bzip2.starters, bzip2.median_lifetime_ns) == ("bash", 1, 880_000_000)
    assert info.rows[1].example == "dd if=/dev/urandom"
    assert abs(sum(row.cpu_ratio for row in info.rows) - 1) < 1e-9


def test_without_exits_starts_are_counted_and_cpu_is_not_known() -> None:
    t = tables(jobs=0)
    info = top.info(t["exec"], None)
    assert {row.command: row.processes for row in info.rows} == {"backup.sh": 1, "bash": 18, "dd": 18, "bzip2": 18}
    assert all(row.cpu_ns is None for row in info.rows)
    assert info.note == "Ends were not recorded: starts are counted, and CPU is not known."
    assert "CPU" not in [column.title for column in top.table(info).columns]


def test_commands_that_do_not_fit_are_counted_in_the_note() -> None:
    t = tables(jobs=140, hostile=True)
    info = top.info(t["exec"], t["exit"])
    assert len(info.rows) == top.MOST_ROWS
    shown = sum(row.processes for row in info.rows)
    rest = t["exit"].num_rows - shown
    assert info.note.startswith(f"3 more commands with {rest} processes")


def test_nothing_recorded_gives_a_note() -> None:
    t = tables(jobs=0)
    for info in (top.info(None, None), top.info(t["exec"].slice(0, 0), t["exit"].slice(0, 0))):
        assert info.rows == ()
        assert "No process started" in top.table(info).html()


def test_hostile_commands_are_text() -> None:
    t = tables(jobs=140, hostile=True)
    page = top.table(top.info(t["exec"], t["exit"])).html()
    assert "<script>" not in page
    assert "<a href" not in page
    assert "&lt;a href=x&gt;" in page
