"""Record a node and judge it while it is recorded, with the very evaluator that replays recordings.

In: a node and scenarios. Out: alarms as they begin and end, and a recording. The recording is the only door between
the two: it is written in segments of one second, and the evaluator follows it on disk.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .record import record
from .recording import open as open_recording
from .scenarios import all_scenarios, get_scenario

if TYPE_CHECKING:
    from .recording import Recording, Writer
    from .replay import AlarmEvent, Evaluator, Result


def watch(
    node: str = "local",
    scenarios: Iterable[str] = (),
    duration: str | int | float | None = None,
    *,
    out: str | Path | None = None,
    on_alarm: Callable[[AlarmEvent], None] | None = None,
    command: str | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> tuple[Recording, Result]:
    """Watch one node until the time is up or somebody says stop (Ctrl-C); keep the recording.

    on_alarm  called with each alarm as it begins, grows from warning to critical, and ends
    command   a shell command, run once for each beginning and end of an alarm, with the verdict as JSON on its
              standard input and SANTABPF_NODE, _SCENARIO, _ALARM and _STATE in its environment; it is not waited for
    options   as for record()

    Returns: the recording and what a replay of it gives. Raises: as record().
    """
    names = list(scenarios) or list(all_scenarios())
    chosen = [get_scenario(name) for name in names]
    watcher = _Watcher([s.name for s in chosen], on_alarm, command)
    recording = record(
        [node], names, duration=duration, out=out, stop=stop, segment_s=1.0, on_second=watcher.look, **options
    )
    return recording, watcher.finish(recording)


class _Watcher:
    """Follows a growing recording and tells of alarms."""

    def __init__(self, names: list[str], on_alarm: Callable[[AlarmEvent], None] | None, command: str | None) -> None:
        self._names, self._on_alarm, self._command = names, on_alarm, command
        self._evaluator: Evaluator | None = None
        self._running: list[subprocess.Popen[bytes]] = []

    def look(self, writer: Writer, closed_ns: int) -> None:
        """All seconds before closed_ns are known: put them on disk and judge them."""
        from .replay import Evaluator

        writer.flush()
        if self._evaluator is None:
            self._evaluator = Evaluator(open_recording(writer.path), self._names)
        self._tell(self._evaluator.advance())

    def finish(self, recording: Recording) -> Result:
        """Judge what the last second brought, and the recording as a whole."""
        from .replay import replay

        if self._evaluator is not None:
            try:
                self._tell(self._evaluator.advance())
            finally:
                self._evaluator.close()
        for child in self._running:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return replay(recording, self._names)

    def _tell(self, events: Iterable[AlarmEvent]) -> None:
        for event in events:
            if self._on_alarm is not None:
                self._on_alarm(event)
            if self._command is not None and event.state in ("warn", "crit", "clear"):
                self._run(event)

    def _run(self, event: AlarmEvent) -> None:
        import os

        assert self._evaluator is not None
        assert self._command is not None
        verdicts = [v for v in self._evaluator.judge().verdicts if v.scenario == event.scenario]
        text = verdicts[0].to_json() if verdicts else json.dumps(None)
        facts = {
            "SANTABPF_NODE": event.node,
            "SANTABPF_SCENARIO": event.scenario,
            "SANTABPF_ALARM": event.alarm,
            "SANTABPF_STATE": event.state,
        }
        child = subprocess.Popen(self._command, shell=True, stdin=subprocess.PIPE, env=os.environ | facts)
        threading.Thread(target=_feed, args=(child, text.encode()), daemon=True).start()
        self._running = [c for c in self._running if c.poll() is None] + [child]


def _feed(child: subprocess.Popen[bytes], text: bytes) -> None:
    """Give a command its input without waiting for it to read."""
    assert child.stdin is not None
    try:
        child.stdin.write(text)
        child.stdin.close()
    except BrokenPipeError:
        child.stdin = None
