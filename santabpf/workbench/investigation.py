"""An investigation: a recording, what is looked at in it, the way there and back, and what was found. No widgets.

In: a recording; what people choose. Out: a view that panels draw, findings, a postmortem of just that view. Never: a
change of the recording: what people do is kept beside it, in a small JSON file, and is there after a restart.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BadUsage, reason
from ..recording import Recording
from ..recording import open as open_recording
from ..replay import Result, hand_over, replay
from ..whole import write_whole
from .lens import Lens
from .view import Filter, Finding, View, Window, dump, load_finding, load_view

if TYPE_CHECKING:
    from ..report import Report
    from ..verdict import Verdict
    from .part import Part

FORMAT = 1
SUFFIX = ".investigation.json"
T = TypeVar("T")
#: Steps back that are kept.
MOST_STEPS = 200


class Investigation:
    """What is looked at in a recording: look(), only(), back(), mark(), postmortem().

    view      the window and the filters that all panels follow
    against   the other window that flame graphs compare with, or None
    findings  what was marked so far, oldest first
    notice    a sentence for people: why what they did could not be read, or cannot be written; '' for none
    """

    def __init__(self, recording: Recording | str | Path, *, sidecar: str | Path | None = "") -> None:
        """sidecar: where it is kept; by default beside the recording, or in the user's data folder where that can't be
        written to; None: nowhere. Raises RecordingError, NewerFormat."""
        self.recording = recording if isinstance(recording, Recording) else open_recording(recording)
        self.lens = Lens(self.recording)
        self.sidecar = sidecar_of(self.recording.path) if sidecar == "" else None if sidecar is None else Path(sidecar)
        self.view = View(self.everything)
        self.against: Window | None = None
        self.findings: tuple[Finding, ...] = ()
        self.notice = ""
        self._steps: list[View] = []
        self._made: dict[str, Any] = {}
        self._failure: Exception | None = None  # of judging it
        self._listeners: list[Callable[[], None]] = []
        self._load()

    # ------------------------------------------------------------------------------------------------ what is looked at

    @property
    def everything(self) -> Window:
        """The whole recording."""
        return Window(*self.recording.window)

    @property
    def window(self) -> Window:
        """The window that is looked at."""
        return self.view.window

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filters that are on, in the order in which they came."""
        return self.view.filters

    def panel(self, name: str) -> list[Part]:
        """What a panel shows of the view: pieces, each with a display value. Raises BadUsage where there is none."""
        from .panels import draw

        return draw(self, name)

    def look(self, start_ns: int, end_ns: int) -> None:
        """Look at this window, cut to the recording's. Raises BadUsage where nothing is left of it."""
        first, last = self.everything
        start, end = max(first, int(start_ns)), min(last, int(end_ns))
        if last <= first:
            raise BadUsage(f"{self.recording.name} covers no time, so there is no window in it to look at")
        if end <= start:
            raise BadUsage(f"the window {Window(int(start_ns), int(end_ns))} lies outside the recording, which is "
                           f"{self.everything}")
        self._go(View(Window(start, end), self.filters))

    def whole(self) -> None:
        """Look at all of the recording again; filters stay."""
        self._go(View(self.everything, self.filters))

    def only(self, a_filter: Filter) -> None:
        """Show only what has to do with it, besides the filters that are on."""
        if a_filter not in self.filters:
            self._go(View(self.window, (*self.filters, a_filter)))

    def without(self, a_filter: Filter) -> None:
        """Take a filter off."""
        self._go(View(self.window, tuple(f for f in self.filters if f != a_filter)))

    @property
    def steps(self) -> Sequence[View]:
        """The views before this one, oldest first."""
        return tuple(self._steps)

    def back(self) -> None:
        """The view before this one; nothing where there is none."""
        if self._steps:
            self.view = self._steps.pop()
            self._changed()

    def compare_with(self, window: Window | None) -> None:
        """Flame graphs are drawn as a difference: from that window to the one that is looked at. None: no more."""
        self.against = window
        self._changed()

    def _go(self, view: View) -> None:
        if view != self.view:
            self._steps = [*self._steps, self.view][-MOST_STEPS:]
            self.view = view
            self._changed()

    # ------------------------------------------------------------------------------------------------ what was found

    @cached_property
    def result(self) -> Result:
        """The recording judged; once. Raises as replay()."""
        if self._failure is not None:
            raise self._failure
        try:
            return replay(self.recording)
        except Exception as exc:
            self._failure = exc  # it would be the same again
            raise

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What make() gives, made once: for what depends on nothing that can be chosen."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]  # type: ignore[no-any-return]

    @property
    def judged(self) -> Result | None:
        """The result, if the recording has been judged already."""
        return self.__dict__.get("result")

    @property
    def not_judged(self) -> str:
        """Why the recording could not be judged, in a sentence; '' where it was, or has not been yet."""
        return "" if self._failure is None else f"The recording could not be judged: {reason(self._failure)}"

    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts: first those whose alarm was on in the window, then the rest; each in the order of Result."""
        return tuple(sorted(self.result.ranked, key=lambda v: v.state != "fired" or not self.alarms(v)))

    def alarms(self, verdict: Verdict) -> list[dict[str, Any]]:
        """The alarms of a verdict that were on in the window, from their first sign on; see Result.alarms_of."""
        start, end = self.window
        return [alarm for alarm in self.result.alarms_of(verdict)
                if alarm["onset_ns"] < end and (alarm["to_ns"] is None or alarm["to_ns"] > start)]

    def mark(self, note: str, author: str = "") -> Finding:
        """Keep this view with a note. Raises BadUsage where the note is empty."""
        if not note.strip():
            raise BadUsage("a finding needs a note: what did you see?")
        finding = Finding(note.strip(), author.strip(), time.time_ns(), self.view)
        self.findings = (*self.findings, finding)
        self._changed()
        return finding

    def forget(self, finding: Finding) -> None:
        """Take a finding away."""
        self.findings = tuple(f for f in self.findings if f != finding)
        self._changed()

    def show(self, finding: Finding) -> None:
        """Look at what a finding was marked in."""
        self._go(finding.view)

    def postmortem(self, path: str | Path | None = None) -> Report:
        """The HTML with exactly this window, these filters and these findings. Raises as sb.report().

        path  <recording>-postmortem.html by default; a report leaves a notebook of that name beside it
        """
        from ..report import report
        from ..shipped import shipped

        given = {"investigation": json.dumps(self._dump())}
        with tempfile.TemporaryDirectory(prefix="santabpf-judged-") as folder:
            handed = {} if self.judged is None else hand_over(self.recording, None, self.judged, Path(folder))
            os.environ.update(handed)  # so that it is not judged again
            try:
                return report(self.recording, path or f"{self.recording.name}-postmortem.html", parameters=given,
                              notebook=shipped("notebooks") / "findings.ipynb")
            finally:
                for name in handed:
                    os.environ.pop(name, None)

    # ------------------------------------------------------------------------------------------------ kept and told

    def listen(self, act: Callable[[], None]) -> None:
        """Call act() after each change."""
        self._listeners.append(act)

    def _changed(self) -> None:
        self.notice = ""
        try:
            self.save()
        except OSError as exc:
            self.notice = f"{self.sidecar} cannot be written ({exc.strerror}): what you do here is gone at a restart."
        for act in self._listeners:
            act()

    def _dump(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "recording": self.recording.name, "view": dump(self.view),
            "steps": [dump(view) for view in self._steps], "against": list(self.against) if self.against else None,
            "findings": [dump(finding) for finding in self.findings],
        }

    def save(self) -> None:
        """Write the sidecar, whole. Raises OSError."""
        if self.sidecar is not None:
            self.sidecar.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.sidecar, json.dumps(self._dump(), indent=1))

    def _load(self) -> None:
        if self.sidecar is None or not self.sidecar.is_file():
            return
        try:
            self.restore(json.loads(self.sidecar.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as exc:
            aside = self.sidecar.with_suffix(".broken")
            self.notice = f"{self.sidecar.name} could not be read ({exc}); it begins anew"
            try:
                os.replace(self.sidecar, aside)
                self.notice += f", and the old one is kept as {aside.name}."
            except OSError:
                self.notice += "."

    def restore(self, body: dict[str, Any]) -> None:
        """Take over what another one kept. Raises ValueError, KeyError or TypeError, and changes nothing then."""
        if body["format"] != FORMAT:
            raise ValueError(f"it is of format {body['format']}, and this SantaBPF knows {FORMAT}")
        view, steps = load_view(body["view"]), [load_view(view) for view in body["steps"]]
        findings = tuple(load_finding(finding) for finding in body["findings"])
        against = load_view({"window": body["against"], "filters": []}).window if body["against"] else None
        self.view, self._steps, self.findings, self.against = view, steps, findings, against

    def close(self) -> None:
        """End the process that answers its queries."""
        self.lens.close()

    def __repr__(self) -> str:
        return f"<Investigation of {self.recording.name}: {self.view}; {len(self.findings)} findings>"


def sidecar_of(folder: Path) -> Path:
    """Where what people did with a recording is kept: beside it, or where that can't be written to, in the user's data
    folder."""
    whole = folder.resolve()
    beside = whole.with_name(whole.name + SUFFIX)
    if beside.exists() or os.access(whole.parent, os.W_OK):
        return beside
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "santabpf" / "investigations"
    return data / f"{whole.name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:12]}{SUFFIX}"


