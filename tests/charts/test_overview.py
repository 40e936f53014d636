"""The overview of a recording: alarms with their names, and no room for what did not happen."""

from __future__ import annotations

import pyarrow as pa
from synthetic import START, S

from santabpf.charts import overview
from santabpf.charts.signals import Span

EVENTS = pa.table({"at": [0, 1], "table": ["exec", "exec"], "rows": [3, 5]})
NONE_LOST = pa.table({"at": pa.array([], pa.int64()), "lost": pa.array([], pa.int64())})
NO_GAPS = pa.table({name: pa.array([], pa.int64()) for name in ("ts_ns", "end_ns")})
WHOLE = (START, START + 10 * S)


def drawn(*alarms: overview.Alarm, lost: pa.Table = NONE_LOST) -> overview.go.Figure:
    return overview.figure(overview.info(EVENTS, lost, NO_GAPS, WHOLE, S, alarms=alarms))


def names(figure: overview.go.Figure) -> dict[str, tuple[str, str]]:
    """Of the alarms: where each stands, and on which side of that."""
    return {a.text: (a.x[17:], a.xanchor) for a in figure.layout.annotations if a.yref == "y" and a.y is not None}


def test_each_alarm_is_named_once_above_its_bar_on_the_side_that_has_more_room() -> None:
    spans = Span(START + S, START + 2 * S, "warn"), Span(START + 3 * S, START + 4 * S, "crit")
    early = overview.Alarm("early", spans)
    late = overview.Alarm("late", (Span(START + 7 * S, None, "crit"),))
    assert names(drawn(early, late)) == {"early": ("01.000", "left"), "late": ("10.000", "right")}


def test_what_was_not_lost_takes_no_room() -> None:
    some = pa.table({"at": [1], "lost": [23]})
    assert drawn(lost=some).layout.height - drawn().layout.height > 20
    assert any("nothing" in a.text for a in drawn().layout.annotations if a.text.startswith("<b>Lost"))
