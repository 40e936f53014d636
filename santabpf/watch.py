"""Record a node and judge it while it is recorded, with the very evaluator that replays recordings.

In: a node and scenarios. Out: alarms as they begin and end, and a recording. The recording is the only door between
the two: it is written in segments of one second, and the evaluator follows it on disk, in a thread of its own, so that
a slow judgement holds up no event.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .record import record
from .recording import open as open_recording
from .scenarios import all_scenarios, broken_scenarios, get_scenario

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
    on_second: Callable[[Evaluator], None] | None = None,
    command: str | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> tuple[Recording, Result]:
    """Watch one node until the time is up or somebody says stop (Ctrl-C); keep the recording.

    on_alarm  called with each alarm as it begins, grows from warning to critical, and ends
    on_second called whenever more seconds were judged, with the evaluator that did so; it waits until this returns
    command   a shell command, run once for each beginning and end of an alarm, with the verdict as JSON on its
              standard input and SANTABPF_NODE, _SCENARIO, _ALARM and _STATE in its environment; it is not waited for
    options   as for record()

    A scenario that fails while it is judged costs its own verdict only, which says why; so does one that can't be read,
    unless it was named: then nobody knows what to record for it, and that is an error.

    Returns: the recording and what a replay of it gives. Raises: as record().
    """
    names = list(scenarios) or list(all_scenarios())
    chosen = [get_scenario(name).name for name in names] + ([] if scenarios else list(broken_scenarios()))
    over = stop or threading.Event()
    with _Watcher(chosen, on_alarm, on_second, command, over) as watcher:
        recording = record(
            [node], names, duration=duration, out=out, stop=over, segment_s=1.0, on_second=watcher.look, **options
        )
        return recording, watcher.finish(recording)


class _Watcher:
    """Follows a growing recording and tells of alarms. A context manager: it holds a thread and a process."""

    def __init__(
        self,
        names: list[str],
        on_alarm: Callable[[AlarmEvent], None] | None,
        on_second: Callable[[Evaluator], None] | None,
        command: str | None,
        stop: threading.Event,
    ) -> None:
        self._names, self._on_alarm, self._on_second, self._command = names, on_alarm, on_second, command
        self._stop = stop
        self._evaluator: Evaluator | None = None
        self._running: list[subprocess.Popen[bytes]] = []
        self._news, self._over = threading.Event(), False
        self._failed: BaseException | None = None
        self._thread: threading.Thread | None = None

    def look(self, writer: Writer, closed_ns: int) -> None:
        """All seconds before closed_ns are known: put them on disk and let them be judged."""
        writer.flush()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, args=(writer.path,), name="judge", daemon=True)
            self._thread.start()
        self._news.set()

    def _follow(self, path: Path) -> None:
        """Judge what there is whenever there is more; what fails stops the recording."""
        from .replay import Evaluator

        try:
            self._evaluator = Evaluator(open_recording(path), self._names)
            while self._news.wait() and not self._over:
                self._news.clear()
                self._advance(self._evaluator)
        except BaseException as exc:
            self._failed = exc
            self._stop.set()

    def _advance(self, evaluator: Evaluator) -> None:
        before = evaluator.next
        self._tell(evaluator.advance())
        if self._on_second is not None and evaluator.next != before:
            self._on_second(evaluator)

    def _join(self) -> None:
        self._over = True
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def finish(self, recording: Recording) -> Result:
        """Judge what the last second brought, and the recording as a whole."""
        from .replay import replay

        self._join()
        if self._failed is not None:
            raise self._failed
        if self._evaluator is not None:
            self._advance(self._evaluator)
        for child in self._running:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return replay(recording, self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._join()
        if self._evaluator is not None:
            self._evaluator.close()

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
        verdicts = [v for v in self._evaluator.judge_one(event.scenario) if v.node == event.node]
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
