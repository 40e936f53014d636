"""One node recorded live, for a panel or a script: check, start, stop, look, keep or throw away. No widgets.

In: a node and scenarios. Out: a glance at any moment, from any thread; at the end a recording and its verdicts. Never:
an exception out of a thread: what goes wrong with a node is a sentence in `message`; more than a bounded history.

    idle -> checking -> idle -> recording -> stopping -> over -> kept or gone

It records and judges by santabpf.watch, so what it shows is what a replay gives. When the Python that runs it ends, in
whatever way, the elf on the node loses its input and ends too.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..check import CheckResult, check
from ..errors import BadUsage, SantaError
from ..recording import Recording
from ..scenarios import all_scenarios, broken_scenarios, get_scenario, scenario_to_judge
from ..units import SECOND, format_duration, parse_duration
from ..watch import watch
from .board import Light, lights
from .investigation import sidecar_of
from .meter import Cost, Meter

if TYPE_CHECKING:
    import pandas as pd

    from ..recording import Writer
    from ..replay import AlarmEvent, Evaluator, Result
    from ..verdict import Verdict

State = Literal["idle", "checking", "recording", "stopping", "over", "kept", "gone"]
RUNNING = ("checking", "recording", "stopping")


@dataclass(frozen=True)
class Glance:
    """What is known at one moment of a recording that is being made."""

    state: State
    message: str  # a sentence on how it stands
    elapsed_s: float  # of the recording; 0 until its first second was judged
    length_s: float | None  # None: until it is stopped
    judged_to_ns: int  # the end of the last second that was judged, UTC; 0: none was
    rows: int  # as they come, judged or not
    lost: int  # events, as far as this kernel can tell
    cost: Cost
    lights: tuple[Light, ...]
    events: tuple[AlarmEvent, ...]
    verdicts: tuple[tuple[Verdict, int], ...]  # and up to when it looked, UTC ns


class LiveSession:
    """A node, and what is done with it. Attributes may be set while nothing runs.

    node       "local", or what ssh would take       scenarios  their names; none: all
    duration   "30s", "5m"; None: until stopped      folder     where the recording goes, as <node>-<UTC time>; also
    ssh        as for record()                                  found one folder up, as notebooks stand beside it
    out        the recording's own folder, instead
    checked    what the last check() found           hindered   sentences: which scenario can't be told there, and why
    recording  the last recording, and its result; None until it is over
    """

    def __init__(
        self,
        node: str = "local",
        scenarios: Iterable[str] = (),
        duration: str | int | float | None = "5m",
        *,
        folder: str | Path = "recordings",
        out: str | Path | None = None,
        **ssh: Any,
    ) -> None:
        self.node, self.scenarios, self.duration, self.ssh = node, tuple(scenarios), duration, ssh
        self.folder, self.out = folder, out
        self.state: State = "idle"
        self.message = "Nothing has been recorded yet."
        self.checked: CheckResult | None = None
        self.hindered: tuple[str, ...] = ()
        self.recording: Recording | None = None
        self.result: Result | None = None
        self._meter: Meter | None = None
        self._writer: Writer | None = None
        self._length_s: float | None = None
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -------------------------------------------------------------------------------------------------------- doing

    def check(self) -> None:
        """Look, in the background, whether the node can be recorded and which scenarios could not be told there."""
        self._begin("checking", f"Checking {self.node}.", self._check)

    def start(self) -> None:
        """Start to record and judge, in the background. Raises BadUsage where something runs already."""
        self._begin("recording", f"Starting the recorder on {self.node}.", self._record)

    def stop(self) -> None:
        """Ask the recorder to finish; nothing where nothing is recorded."""
        with self._lock:
            if self.state == "recording":
                self.state, self.message = "stopping", "Stopping: the last events are fetched and judged."
                self._stop.set()

    def wait(self, timeout_s: float | None = None) -> State:
        """Until nothing runs any more (or the time is up); the state then."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.state

    def keep(self, name: str = "") -> Recording:
        """Keep the recording, under another name in the same folder if one is given. Raises BadUsage.

        What was marked in it goes along, so an investigation of it must be over; so it does when it is thrown away.
        """
        recording = self._finished()
        if name and name != recording.name:
            if Path(name).name != name or name in (".", ".."):
                raise BadUsage(f"{name!r} is no name for a folder")
            path = recording.path.parent / name
            if path.exists():
                raise BadUsage(f"{path} is there already; choose another name")
            marked = sidecar_of(recording.path)
            recording = Recording(recording.path.rename(path))
            if marked.exists():
                marked.replace(sidecar_of(path))
        self.recording = recording
        self._say("kept", f"Kept in {recording.path}.")
        return recording

    def discard(self) -> None:
        """Throw the recording away, for good. Raises BadUsage where there is none that was made here."""
        path = self._finished().path
        sidecar_of(path).unlink(missing_ok=True)
        shutil.rmtree(path)
        self.recording = self.result = None
        self._say("gone", f"Thrown away: {path} is no more.")

    # ------------------------------------------------------------------------------------------------------ looking

    @property
    def is_running(self) -> bool:
        """Is something going on in the background?"""
        return self.state in RUNNING

    def glance(self) -> Glance:
        """How it stands now; cheap, and of bounded size however long it runs."""
        with self._lock:
            meter = self._meter or Meter([])
            elapsed = meter.elapsed_s(self.is_running)
            if self.recording is not None:
                start, end = self.recording.window
                elapsed = (end - start) / SECOND
            if self.state == "recording" and self._length_s is not None and elapsed >= self._length_s:
                self.state, self.message = "stopping", "The time is up: the last events are fetched and judged."
            return Glance(
                self.state, self.message, elapsed, self._length_s, meter.judged_to_ns,
                0 if self._writer is None else self._writer.rows, meter.lost, meter.cost,
                lights(meter.watched, meter.on), tuple(meter.events), meter.verdicts,
            )  # fmt: skip

    def signals(self, scenarios: Iterable[str] | None = None) -> pd.DataFrame:
        """As Result.signals, some hundred points a line at most: of these scenarios, or of those that matter most."""
        with self._lock:
            return (self._meter or Meter([])).table(scenarios)

    # ----------------------------------------------------------------------------------------------- in the background

    def _begin(self, state: State, message: str, work: Any) -> None:
        with self._lock:
            if self.is_running:
                raise BadUsage(f"{self.node} is busy: {self.state}")
            self.state, self.message = state, message
            self._thread = threading.Thread(target=self._guarded, args=(work,), name=f"live-{state}")
            self._thread.start()

    def _guarded(self, work: Any) -> None:
        """Errors of a node are its answer; those of our own are named, not shown as they fell."""
        try:
            work()
        except SantaError as exc:
            self._say("idle", str(exc))
        except Exception as exc:
            self._say("idle", f"SantaBPF itself failed: {type(exc).__name__}: {exc}")

    def _say(self, state: State, message: str) -> None:
        with self._lock:
            self.state, self.message = state, message

    def _check(self) -> None:
        chosen = [get_scenario(name) for name in self.scenarios or all_scenarios()]
        probes = {spec.partition(":")[0] for scenario in chosen for spec in (*scenario.needs, *scenario.also)}
        found = check(self.node, sorted(probes), **self.ssh)
        lacking = {f.name.removeprefix("probe "): f.message.removeprefix(f"{f.name} ") for f in found.findings
                   if f.name.startswith("probe ") and not f.message.startswith("does without")}  # fmt: skip
        with self._lock:
            self.checked = found
            self.hindered = tuple(
                f"{scenario.title} can't be told on {self.node}: it needs the probe {probe}, which {lacking[probe]}."
                for scenario in chosen
                for probe in sorted({spec.partition(":")[0] for spec in scenario.needs} & lacking.keys())
            )
        missing = [f"{f.name}: {f.message}" for f in found.findings if f.state == "missing"]
        self._say("idle", f"{self.node} can be recorded." if found.ok else
                  f"{self.node} can't be recorded: {'; '.join(missing)}.")  # fmt: skip

    def _record(self) -> None:
        chosen = [scenario_to_judge(name) for name in self.scenarios or (*all_scenarios(), *broken_scenarios())]
        duration = self.duration or None
        with self._lock:
            self.recording = self.result = self._writer = None
            self._stop = stop = threading.Event()
            self._meter = meter = Meter([(s.name, s.title) for s in chosen])
            self._length_s = None if duration is None else _seconds(duration)
        threading.Thread(target=_stop_with_python, args=(stop, threading.current_thread()), daemon=True).start()

        def tell(event: AlarmEvent) -> None:
            with self._lock:
                meter.hear(event)

        def see(evaluator: Evaluator) -> None:
            reading = meter.read(evaluator)
            with self._lock:
                meter.take(reading)
                if self.state == "recording":
                    self.message = f"Recording {self.node}."

        def begin(writer: Writer) -> None:
            self._writer = writer

        try:
            recording, result = watch(
                self.node, self.scenarios, duration, out=self.out, into=self._place(), on_alarm=tell,
                on_second=see, on_start=begin, stop=stop, progress=False, **self.ssh,
            )  # fmt: skip
        except SantaError as exc:
            if self._writer is None or not self._writer.path.exists():
                raise  # nothing was recorded
            with self._lock:
                self.recording = Recording(self._writer.path)
            self._say("over", f"It could not be judged to the end: {exc}. {_ending(self.recording)}")
            return
        with self._lock:
            self.recording, self.result = recording, result
            meter.conclude(result)
        self._say("over", _ending(recording))

    def _place(self) -> Path:
        beside = Path("..") / self.folder
        return beside if beside.is_dir() and not Path(self.folder).is_dir() else Path(self.folder)

    def _finished(self) -> Recording:
        if self.is_running:
            raise BadUsage(f"{self.node} is busy: {self.state}")
        if self.recording is None:
            raise BadUsage("there is no recording to keep or throw away")
        return self.recording


def _seconds(duration: str | int | float) -> float:
    try:
        return parse_duration(duration) / SECOND
    except ValueError as exc:
        raise BadUsage(str(exc)) from exc


def _ending(recording: Recording) -> str:
    start, end = recording.window
    told = f"Recorded {format_duration(end - start)} into {recording.path}."
    if recording.state == "complete":
        return told
    return f"It ended before its time: {'; '.join(recording.info['notes'])}. {told}"


def _stop_with_python(stop: threading.Event, work: threading.Thread) -> None:
    """When Python is to end, a recording is ended rather than waited for; what came until then is kept."""
    while work.is_alive():
        if not threading.main_thread().is_alive():
            stop.set()
        time.sleep(0.5)
