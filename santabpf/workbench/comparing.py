"""Two moments compared as widgets: drag a window in either timeline, and everything else follows. Thin.

In: Moments. Out: ipywidgets. Never: a traceback; what fails says so in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import ipywidgets as w

from ..compare import Comparison
from ..display import Flame, Words
from ..errors import SantaError, reason
from ..recording import Recording
from .chart import Chart
from .controls import WIDE, sentence
from .flame import FlameGraph
from .moments import Moments
from .pane import Pane
from .panel_view import PanelView
from .panels import all_panels
from .view import Filter
from .view import Window as Span

_SIDES = {
    "good": ("The good moment", "Drag over a stretch of time when nothing was wrong."),
    "incident": ("The incident", "Drag over the time when it was. Click an alarm to take the time it was on."),
}


class Comparing:
    """Widgets of one comparison, each of which can stand in a cell of its own.

    choice   the two timelines            ranking  what changed, with the noise beside it
    picture  the ranking as a chart       flames   the differential flame graphs, or why there are none
    plain    the ranking without a widget
    moments  the same as calls; None where a recording could not be opened
    """

    def __init__(
        self, incident: Recording | str | Path, good: Recording | str | Path | None = None,
        incident_window: str | None = None, good_window: str | None = None,
    ) -> None:
        self.moments: Moments | None = None
        self._lock = threading.Lock()
        self._notice, self.ranking = Pane(layout=WIDE), Pane(layout=WIDE)
        self.picture, self.flames = Chart(layout=WIDE), w.VBox(layout=WIDE)
        self.choice = w.VBox([self._notice], layout=WIDE)
        try:
            self.moments = Moments(incident, good, incident_window, good_window)
        except SantaError as exc:
            self._fail(str(exc))
            return
        self._views = {name: self._timeline(self.moments, name) for name in _SIDES}
        self.choice.children = [*self._views.values(), self._notice]
        self.moments.listen(self._refresh)
        self._refresh()
        threading.Thread(target=self._judge, args=(self.moments,), daemon=True).start()

    @property
    def plain(self) -> Comparison | Words:
        """The ranking as plain output, which stays where no widget lives; or why there is none."""
        if self.moments is None:
            return sentence(self.ranking.message)
        try:
            return self.moments.comparison
        except SantaError as exc:
            return sentence(str(exc))

    def _timeline(self, moments: Moments, name: str) -> PanelView:
        side = getattr(moments, name)
        heading, about = _SIDES[name]
        panel = replace(all_panels()["overview"], title=f"{heading}: {side.recording.name}", about=about)

        def look(start_ns: int, end_ns: int) -> None:
            self._tell(partial(side.look, start_ns, end_ns))

        def pick(what: Filter | Span) -> None:
            if isinstance(what, Span):
                look(*what)

        return PanelView(panel, pick, look)

    def _judge(self, moments: Moments) -> None:
        """Beside everything else, since it takes seconds; the timelines then show alarms."""
        moments.judge()
        self._draw_timelines(moments)

    def _draw_timelines(self, moments: Moments) -> None:
        with self._lock:
            for name, view in self._views.items():
                view.update(getattr(moments, name))

    def _refresh(self) -> None:
        """Everything follows the two windows."""
        moments = self.moments
        if moments is None:
            return
        self._draw_timelines(moments)
        self._notice.draw(sentence("Comparing …"))
        self._tell(self._compare)

    def _compare(self) -> None:
        assert self.moments is not None
        found = self.moments.comparison
        self.ranking.draw(found.words)
        self.picture.draw(found.chart())
        drawn = [found.flame(table) for table in found.stack_tables or ["profile"]]
        panes: list[FlameGraph | Pane] = [FlameGraph(layout=WIDE) if isinstance(one, Flame) else Pane(layout=WIDE)
                                          for one in drawn]  # fmt: skip
        for pane, one in zip(panes, drawn, strict=True):
            pane.draw(one)
        old, self.flames.children = self.flames.children, panes
        for widget in old:
            widget.close()

    def _tell(self, act: Callable[[], None]) -> None:
        try:
            act()
            self._notice.draw(sentence(""))
        except Exception as exc:  # whatever it is: it would say for ever that it compares
            self._fail(reason(exc))

    def _fail(self, text: str) -> None:
        """Why there is nothing to see, in place of all of it."""
        self._notice.draw(sentence(text))
        self.ranking.say(text)
        self.picture.say(text)
        old, self.flames.children = self.flames.children, ()
        for widget in old:
            widget.close()


def comparing(
    incident: Recording | str | Path, good: Recording | str | Path | None = None, incident_window: str | None = None,
    good_window: str | None = None,
) -> Comparing:
    """Two moments as widgets: choose them by looking, and see what changed between them.

    incident, good    recordings, or their folders or names; without `good` both windows are of the same one
    incident_window   such as '5s..20s' or '12:00:05..12:00:20'; by default the time in which its first alarm was on
    good_window       by default the whole of `good`, or of the same recording what was before the incident

    `.moments.comparison` is the same as a call: sb.compare().
    """
    return Comparing(incident, good, incident_window, good_window)
