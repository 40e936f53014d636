"""A node recorded live in a notebook: choose, check, start, watch, stop, then keep or throw away, and investigate.

In: a node, scenarios. Out: a widget. Never: a thought of its own: what it shows is the session's glance, twice a
second while something runs, and what goes wrong is a sentence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ..charts import signals as chart
from ..charts.look import times
from ..display import Figure, Note, Tiles, Words
from ..display.words import Col, Details, Paragraph, Table, Tile
from ..errors import SantaError
from ..postmortem import summary
from ..postmortem.pictures import about_signals
from ..units import SECOND, format_bytes, format_count, format_duration, format_ratio, format_utc
from .board import Board, spans
from .chart import Chart
from .controls import sentence
from .live_session import Glance, LiveSession
from .pane import Pane
from .scenario_picker import ScenarioPicker

#: How often it shows something new; s.
UPDATE_S = 0.5
MOST_PANELS = 4
_INTO = "Investigate", "arrow-right", "Look into the recording"
_BACK = "Back to how it ran", "arrow-left", "Close what you look into; what you marked there is kept"
_SO_FAR = {"fired": "fired", "quiet": "quiet so far", "cannot_tell": "cannot tell yet"}
_FINAL = {"fired": "fired", "quiet": "quiet", "cannot_tell": "cannot tell"}


def live(
    node: str = "local",
    scenarios: Iterable[str] = (),
    duration: str | int | float | None = "5m",
    *,
    folder: str | Path = "recordings",
    start: bool = False,
    **options: Any,
) -> LivePanel:
    """A panel that records a node and judges it while it does so.

    node       "local", or what ssh would take       scenarios  their names; none: all
    duration   "30s", "5m"; None: until stopped      folder     where the recording goes, as <node>-<UTC time>
    start      begin at once                         options    `out` and those of record(): see LiveSession

    Its .session does all of this without a panel.
    """
    panel = LivePanel(LiveSession(node, scenarios, duration, folder=folder, **options))
    if start:
        panel.start()
    return panel


class LivePanel(widgets.VBox):  # type: ignore[misc]
    """What people see and press of a LiveSession."""

    def __init__(self, session: LiveSession) -> None:
        self.session = session
        self._lock = threading.RLock()
        self._ticking = False
        self._drawn_to_ns = 0
        self._notice = ""  # what was wrong with what people asked for last
        self._node = widgets.Text(session.node, description="Node", placeholder="local, or as for ssh",
                                  layout={"width": "300px"})
        length = "" if session.duration is None else str(session.duration)
        self._length = widgets.Text(length, description="For", placeholder="until stopped", layout={"width": "190px"})
        self._scenarios = ScenarioPicker(session.scenarios)
        self._check = _button("Check", "search", "Can this node be recorded?", self.check)
        self._start = _button("Start", "circle", "Record and judge", self.start, "danger")
        self._stop = _button("Stop", "stop", "Finish the recording", session.stop)
        self._progress = widgets.FloatProgress(min=0.0, max=1.0, layout={"flex": "1 1 120px", "min_width": "120px"})
        self._message = Pane(layout={"flex": "4 1 300px"})
        self._message.add_class("santa-message")
        self._found, self._numbers, self._lights, self._verdicts, self._lines = (Pane() for _ in range(5))
        self._chart = Chart(message="Signals are drawn as soon as a second was judged.")
        self._name = widgets.Text(description="Keep as", placeholder="its name", layout={"width": "340px"})
        self._keep = _button("Keep", "save", "Keep the recording", self.keep, "success")
        self._discard = _button("Throw away", "trash", "Delete the recording for good", self.discard)
        self._go_on = _button("", "", "", self._go, "primary")
        self._after = widgets.HBox([self._name, self._keep, self._discard, self._go_on])
        self._running = widgets.VBox([self._numbers, self._lights, self._chart, self._lines, self._verdicts])
        self._below = widgets.VBox()
        setup = widgets.VBox([widgets.HBox([self._node, self._length]), self._scenarios])
        doing = widgets.HBox([self._check, self._start, self._stop, self._progress, self._message],
                             layout={"align_items": "center", "flex_flow": "row wrap"})
        super().__init__([setup, doing, self._found, self._after, self._running, self._below])
        self.refresh()

    # -------------------------------------------------------------------------------------------------------- doing

    def check(self) -> None:
        """Look whether the node can be recorded."""
        self._asked(self.session.check)

    def start(self) -> None:
        """Record the node as it is set."""
        self._leave()
        self._asked(self.session.start)

    def stop(self) -> None:
        """Finish the recording."""
        self.session.stop()
        self.refresh()

    def keep(self) -> None:
        """Keep the recording, under the name that is written there; where it is looked into, that goes on there."""
        was_inside = bool(self._below.children)
        self._leave()
        self._asked(lambda: self.session.keep(self._name.value.strip()))
        if was_inside:
            self._go()

    def discard(self) -> None:
        """Throw the recording away."""
        self._leave()
        self._asked(self.session.discard)

    def wait(self) -> Words:
        """Until nothing runs any more; how it ended."""
        self.session.wait()
        self.refresh()
        return Words(Paragraph(self.session.message))

    def verdicts(self) -> Words:
        """The verdicts on the last recording; a note where there is none (yet)."""
        recording, result = self.session.recording, self.session.result
        if recording is None or result is None:
            return Words(Note("There is no recording yet. Press Start, and run this cell again when it is over."))
        return summary(recording, result)

    def investigate(self) -> Any:
        """The last recording, to be looked into; a note where there is none (yet)."""
        from .app import investigate

        if self.session.recording is None:
            return Words(Note("There is no recording yet. Press Start, and run this cell again when it is over."))
        path = self.session.recording.path
        return investigate(path, path.parent)

    def _go(self) -> None:
        """Look into the recording, in place of how it ran, so that it is seen; or back to that."""
        if self._below.children:
            self._leave()
        else:
            self._below.children = (self.investigate(),)
        self.refresh()

    def _leave(self) -> None:
        """Back to how it ran."""
        left, self._below.children = self._below.children, ()
        for bench in left:
            bench.end()

    def _asked(self, do: Callable[[], Any]) -> None:
        """Do what was asked for, with what is written in the fields; what is wrong with it is shown."""
        session, self._notice = self.session, ""
        if not session.is_running:
            session.node, session.scenarios = self._node.value.strip(), tuple(self._scenarios.value)
            session.duration = self._length.value.strip() or None
        try:
            do()
        except SantaError as exc:
            self._notice = str(exc)
        self.refresh()
        with self._lock:
            if session.is_running and not self._ticking:
                self._ticking = True
                threading.Thread(target=self._keep_showing, name="live-panel", daemon=True).start()

    def _keep_showing(self) -> None:
        due = time.monotonic()
        while self._ticking:
            due = max(due + UPDATE_S, time.monotonic())  # what one update took is no part of the wait for the next
            time.sleep(max(0.0, due - time.monotonic()))
            with self._lock:
                self._ticking = self.session.is_running
                self.refresh()

    # ------------------------------------------------------------------------------------------------------ showing

    def refresh(self) -> None:
        """Show how it stands now."""
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        glance = self.session.glance()
        is_running = self.session.is_running
        for widget in (self._node, self._length, self._scenarios, self._check, self._start):
            widget.disabled = is_running
        self._stop.disabled = glance.state != "recording"
        self._message.draw(sentence(self._notice or glance.message))
        self._progress.value = min(1.0, glance.elapsed_s / glance.length_s) if glance.length_s else 0.0
        self._progress.layout.display = "flex" if is_running and glance.length_s else "none"
        has_ended = self.session.recording is not None and not is_running
        if has_ended and self._name.disabled:
            self._name.value = self.session.recording.name if self.session.recording else ""
        for widget in (self._name, self._keep, self._discard, self._go_on):
            widget.disabled = not has_ended
        self._after.layout.display = "flex" if has_ended else "none"
        self._show_check()
        was_started = glance.elapsed_s > 0
        is_inside = bool(self._below.children)
        self._running.layout.display = "flex" if was_started and not is_inside else "none"
        self._go_on.description, self._go_on.icon, self._go_on.tooltip = _BACK if is_inside else _INTO
        if was_started:
            self._numbers.draw(Words(Tiles(_tiles(glance))))
            self._lights.draw(Board(glance.lights, None))
            self._lines.draw(Board(None, glance.events))
            self._verdicts.draw(Words(_verdicts(glance, has_ended)))
            self._draw(glance)

    def _show_check(self) -> None:
        found = self.session.checked
        self._found.layout.display = "none" if found is None else "block"
        if found is not None:
            rows = [(f.state, f.name, f.message, f.what_to_do) for f in found.findings]
            columns = [Col("state"), Col("what"), Col("how it is"), Col("mend it with", "code")]
            told = [Note(said) for said in self.session.hindered]
            self._found.draw(Words(*told, Details("What the check found", [Table(columns, rows)])))

    def _draw(self, glance: Glance) -> None:
        """The signals that matter most, over the whole run so far; drawn anew when a second more was judged."""
        if glance.judged_to_ns == self._drawn_to_ns:
            return
        self._drawn_to_ns = glance.judged_to_ns
        table = self.session.signals()
        if table.empty:
            return
        start = int(table["second"].min())
        info = chart.info(table, spans(glance.events), **about_signals(set(table["scenario"])))
        figure = chart.figure(chart.foremost(info, MOST_PANELS), uirevision=str(start))  # until then a zoom lasts
        end = start + round(max(30.0, glance.elapsed_s) * SECOND)
        figure.update_xaxes(autorangeoptions_include=times([start, end]))  # a range that grows would undo a zoom
        self._chart.draw(Figure(figure, "signals, live"))


def _button(words: str, icon: str, tooltip: str, act: Callable[[], Any], style: str = "") -> widgets.Button:
    button = widgets.Button(description=words, icon=icon, tooltip=tooltip, button_style=style, layout={"width": "auto"})
    button.on_click(lambda _: act())
    return button


def _tiles(glance: Glance) -> list[Tile]:
    cost, of = glance.cost, "" if glance.length_s is None else f"of {format_duration(round(glance.length_s) * SECOND)}"

    def known(value: float | None, form: Callable[[Any], str]) -> str:
        return "?" if value is None else form(value)

    return [
        Tile("Recorded", format_duration(int(glance.elapsed_s) * SECOND) if glance.elapsed_s >= 1 else "0 s", of),
        Tile("Rows kept", format_count(glance.rows), "in all tables"),
        Tile("Events lost", format_count(glance.lost), "as far as this kernel can tell"),
        Tile("Recorder's CPU", known(cost.cpu_ratio, format_ratio),
             f"of one CPU; {known(cost.private_bytes, format_bytes)} of memory"),
        Tile("BPF programs", known(cost.bpf_ratio, format_ratio), "of one CPU, borne by what is traced"),
    ]


def _verdicts(glance: Glance, is_final: bool) -> Table:
    words = _FINAL if is_final else _SO_FAR
    rows = [
        (words[v.state], v.title, v.node, " ".join(said.text for said in v.summary), format_utc(at, date=False)[:8])
        for v, at in glance.verdicts
    ]
    columns = [Col("verdict"), Col("scenario"), Col("node"), Col("what was seen"), Col("up to (UTC)")]
    order = {state: at for at, state in enumerate(words.values())}
    return Table(columns, sorted(rows, key=lambda row: (order[row[0]], row[1])), empty="No scenario was judged yet.")
