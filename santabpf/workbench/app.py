"""The investigation as one widget: recordings, overview, what is looked at, panels, findings. Thin: it decides nothing.

In: an Investigation, and clicks. Out: ipywidgets. Never: a traceback; what fails says so in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as w

from ..display import Words
from ..display.escape import shorten
from ..display.words import Heading, Paragraph
from ..errors import SantaError, reason
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import Result, replay
from ..shipped import shipped
from ..units import format_utc
from . import library
from .controls import WIDE, button, sentence
from .findings_box import FindingsBox
from .investigation import Investigation
from .judged import Judged
from .pane import Pane
from .panel_view import PanelView
from .panels import GROUPS, all_panels
from .player_panel import PlayerBox, play
from .times import parse_moment
from .view import Filter, Window


class Workbench(w.VBox):  # type: ignore[misc]
    """A recording under investigation: everything on it is also a call of `investigation`. views: panel by name."""

    investigation: Investigation | None

    def __init__(
        self, recording: Investigation | Recording | str | Path | None = None, folder: str | Path = "recordings"
    ) -> None:
        """recording: the one to begin with; none: people choose. folder: where the others are."""
        found = library.find_folder(folder)
        self.folder = found or shipped("recordings")
        self._where = (f"Recordings in {found.resolve().name}/" if found else
                       f"There is no folder {folder}; these recordings come with SantaBPF")
        self.investigation = None
        self._lock = threading.RLock()
        self._judged = Judged()
        self._entries = library.entries(self.folder)
        self._chooser = Pane(layout=WIDE)
        self._chooser.on_click(self._chosen)
        self._judge_all = button("Judge those that are not judged yet", self._start_judging, "One after the other")
        self._judge_all.layout.align_self = "flex-start"
        self._library = w.Accordion([w.VBox([self._chooser, self._judge_all], layout=WIDE)], layout=WIDE)
        self._title, self._notice, self._answer = (Pane(layout=WIDE) for _ in range(3))
        self._answer.add_class("santa-answer")
        self._place = w.VBox(layout=WIDE)
        super().__init__([self._library, self._notice, self._title, self._place], layout=WIDE)
        self.add_class("santa-workbench")
        self._list()
        if recording is not None:
            self.go_to(recording)
        else:
            self._library.selected_index = 0

    # ---------------------------------------------------------------------------------------------- which recording

    def go_to(self, recording: Investigation | Recording | str | Path) -> None:
        """Investigate this recording, or that of this folder or name; a sentence where it can't be opened."""
        try:
            opened = recording if isinstance(recording, Investigation) else Investigation(
                recording if isinstance(recording, Recording) else self._path(recording))
        except SantaError as exc:
            _say(self._notice, str(exc))
            return
        with self._lock:
            if self.investigation is not None:
                self.investigation.close()
            self.investigation = opened
            self._library.selected_index = None
            _say(self._notice, opened.notice)
            self._build(opened)
        threading.Thread(target=self._judge, args=(opened,), daemon=True).start()

    def end(self) -> None:
        """Close it, and what answers its queries; what people did is kept."""
        with self._lock:
            opened, self.investigation = self.investigation, None
        if opened is not None:
            opened.close()
        self.close()

    def _path(self, recording: str | Path) -> str | Path:
        named = self.folder / recording
        return named if not Path(recording).exists() and named.is_dir() else recording

    def _list(self) -> None:
        said = {entry.path: text for entry in self._entries if (text := self._judged.get(entry.path)) is not None}
        self._chooser.draw(Words(library.table(self._entries, said)), len(self._entries))
        self._library.titles = (f"{self._where}: {len(self._entries)}",)

    def _chosen(self, said: dict[str, Any]) -> None:
        entry = self._entries[said["row"]]
        if entry.problem:
            _say(self._notice, entry.problem)
        else:
            self.go_to(entry.path)

    def _judge(self, opened: Investigation) -> None:
        """Beside everything else: judging a large recording takes seconds."""
        self._keep(opened.recording.path, lambda: opened.result)
        if self.investigation is opened:
            with self._lock:
                self._list()
                self._refresh()

    def _keep(self, path: Path, judge: Callable[[], Result]) -> None:
        """Judge it, and keep what is to be said of it in the table."""
        try:
            said = library.said(judge())
        except Exception as exc:  # whatever it is: nobody would hear of it otherwise
            said = f"could not be judged: {reason(exc)}"
        self._judged.put(path, said)

    def _start_judging(self) -> None:
        self._judge_all.disabled = True
        threading.Thread(target=self._judge_rest, daemon=True).start()

    def _judge_rest(self) -> None:
        for entry in [e for e in self._entries if not e.problem and self._judged.get(e.path) is None]:
            self._keep(entry.path, partial(_replayed, entry.path))
            self._list()
        self._judge_all.disabled = False

    # ---------------------------------------------------------------------------------------------- what is shown

    def _build(self, opened: Investigation) -> None:
        views = {name: PanelView(panel, self._pick, self._look) for name, panel in all_panels().items()}
        self.views, self._stale = views, set(views)
        self._tabs = w.Tab(
            [w.VBox([v for v in views.values() if v.panel.group == group], layout=WIDE) for group in GROUPS],
            titles=list(GROUPS.values()), selected_index=0, layout=WIDE)
        self._tabs.observe(lambda _: self._draw(), "selected_index")
        self._crumbs = w.HBox(layout={"flex_flow": "row wrap", "align_items": "center"})
        self._findings = FindingsBox(opened)
        recording = opened.recording
        start, end = opened.everything
        how = "" if recording.state == "complete" else f" · {recording.state}"
        facts = f"{', '.join(recording.nodes) or 'no node'} · {format_utc(start)[:10]} · {Window(start, end)}{how}"
        self._title.draw(Words(Heading(recording.name), Paragraph(facts)))
        player = PlayerBox(lambda: play(recording, result=opened.judged))
        self._place.children = [
            views["overview"], player, self._crumbs, self._answer, views["unknown"], self._tabs, self._findings]
        opened.listen(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        """Everything follows the view: what is seen at once, the rest when it is looked at."""
        with self._lock:
            if self.investigation is None:
                return
            self._stale = set(self.views)
            old, self._crumbs.children = self._crumbs.children, self._breadcrumbs(self.investigation)
            for crumb in old:
                crumb.close()
            _say(self._answer, "")
            _say(self._notice, self.investigation.notice)
            self._findings.show()
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self.investigation is None:
                return
            group = list(GROUPS)[self._tabs.selected_index or 0]
            is_waiting = self.investigation.judged is None and not self.investigation.not_judged
            for name, view in self.views.items():
                if name in self._stale and view.panel.group in ("overview", group):
                    self._stale.discard(name)
                    if view.panel.group == "verdicts" and is_waiting:
                        view.wait("The recording is being judged …")
                    else:
                        view.update(self.investigation)

    def _breadcrumbs(self, opened: Investigation) -> list[w.Widget]:
        back = button("← Step back", opened.back, "To what was looked at before",
                      disabled=not opened.steps)
        start, end = (w.Text(format_utc(ts, date=False), continuous_update=False, layout={"width": "116px"})
                      for ts in opened.window)

        def typed(_: Any) -> None:
            self._tell(lambda: opened.look(*(parse_moment(box.value, opened.everything) for box in (start, end))))

        for box, name in ((start, "from, UTC"), (end, "to, UTC")):
            box.tooltip = name
            box.observe(typed, "value")
        whole = button("Whole recording", opened.whole, "Look at all of it",
                       disabled=opened.window == opened.everything)
        compare = (
            button("Compare with this window", lambda: opened.compare_with(opened.window),
                    "Flame graphs then show what changed since this window")
            if opened.against is None else
            button(f"Compare no more with {opened.against}", lambda: opened.compare_with(None),
                   "Flame graphs then show this window alone"))
        chips = [
            button(f"✕ {shorten(str(a_filter), 60)}", partial(opened.without, a_filter),
                    "Take this filter off", style="info")
            for a_filter in opened.filters]
        words = [w.HTML(f"&nbsp;{text}&nbsp;") for text in ("from", "to", "UTC")]
        return [back, words[0], start, words[1], end, words[2], whole, compare, *chips]

    def _pick(self, what: Filter | Window) -> None:
        if self.investigation is None:
            return
        if isinstance(what, Filter):
            self.investigation.only(what)
        else:
            self._look(*what)

    def _look(self, start_ns: int, end_ns: int) -> None:
        if self.investigation is not None:
            self._tell(partial(self.investigation.look, start_ns, end_ns))

    def _tell(self, act: Callable[[], Any]) -> None:
        """Do it; what goes wrong is said below the boxes in which a window is typed."""
        said = ""
        try:
            act()
        except SantaError as exc:
            said = str(exc)
        _say(self._answer, said)

    def __repr__(self) -> str:
        return f"<Workbench on {self.investigation!r}>" if self.investigation else f"<Workbench on {self.folder}>"


def _say(place: Pane, text: str) -> None:
    """Show the sentence there; without one, it takes no room."""
    place.draw(sentence(text))
    place.layout.display = "" if text else "none"


def _replayed(path: Path) -> Result:
    return replay(open_recording(path))


def investigate(
    recording: Investigation | Recording | str | Path | None = None, folder: str | Path = "recordings"
) -> Workbench:
    """The workbench on a recording: an overview, and panels that follow the window and the filters that you choose.

    recording  or its folder or name; none: choose from the table
    folder     where the recordings are; the bundled ones where there is no such folder

    `.investigation` is the same as calls: look(), only(), back(), mark(), panel(), postmortem().
    """
    return Workbench(recording, folder)
