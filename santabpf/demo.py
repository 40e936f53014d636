"""The main job in one go: provoke the first scenario, record it with BPF, judge it, write its postmortem.

In: where the page goes. Out: the page, and the verdict. Never: more than a minute. Where BPF or a contained drill is
not to be had, it says why in one line and does the rest from the recording that comes with SantaBPF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import NodeError, RecordingError
from .shipped import shipped

if TYPE_CHECKING:
    from .verdict import Verdict

SCENARIO = "short_lived_jobs"
SECONDS = 10


@dataclass(frozen=True)
class Demo:
    """What the demo showed. live: it was recorded here and now; else why tells what stood in the way."""

    page: Path
    verdict: Verdict
    live: bool
    why: str

    @property
    def exit_code(self) -> int:
        """0 when the fault was found, which is what the demo is to show; else 1."""
        return 0 if self.verdict.state == "fired" else 1

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"report": str(self.page), "state": self.verdict.state, "live": self.live, "why": self.why}


def demo(out: str | Path, *, bundled: bool = False, say: Callable[[str], None] = print) -> Demo:
    """Provoke, record, judge, report; say is told, line by line, what happens. bundled: only judge and report.

    Raises RecordingError where nothing can be recorded and no recording came with this SantaBPF, and as report() does.
    """
    shown = None
    why = "the bundled recording was asked for" if bundled else ""
    if not why:
        say(f"provoking {SCENARIO} for {SECONDS} s in a cell of its own, and recording it with BPF")
        try:
            shown = _live(Path(out))
        except NodeError as exc:
            why = _line(exc)
            say(f"not recorded here: {why}")
    if shown is None:
        say("judging the recording that comes with SantaBPF instead")
        shown = _bundled(Path(out), why)
    say("")
    say(shown.verdict.to_text())
    say("")
    say(f"the postmortem: {shown.page}")
    return shown


def _live(out: Path) -> Demo:
    """As it happens. Raises NodeError where BPF can't be used, or the fault can't be contained."""
    from .gym import drill

    done = drill(SCENARIO, seconds=SECONDS, report=out)
    assert done.report is not None
    return Demo(done.report, done.verdict, True, "")


def _bundled(out: Path, why: str) -> Demo:
    from .recording import open as open_recording
    from .report import report

    folder = shipped("recordings") / SCENARIO
    if not folder.is_dir():
        raise RecordingError(f"{folder}: the bundled recording is not there, so there is nothing to show")
    made = report(open_recording(folder), out, scenarios=[SCENARIO])
    return Demo(made.path, made.verdicts[0], False, why)


def _line(exc: NodeError) -> str:
    return " ".join(str(exc).split()).rstrip(".")
