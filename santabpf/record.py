"""The left wing as one recipe: open a node, send the elf, drain its frames, decode, write.

In: node names and what to record. Out: a Recording on disk. Never: looks at what was recorded.
"""

from __future__ import annotations

import datetime
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from .decode import Batch, Decoder
from .errors import BadUsage, CannotRecord, ConnectionLost, NodeError
from .launch import launch
from .probes import Probe, expand, get_probe, parse_probe
from .probes.source import plan as make_plan
from .recording import Recording, Writer
from .recording import open as open_recording
from .scenarios import all_scenarios, get_scenario
from .symbols import Wanted, look_up
from .tables import frame_tables
from .transport import Transport, open_transport
from .units import SECOND, parse_duration

NODE_LABEL = re.compile(r"[a-z][a-z0-9-]*")
Selection = list[tuple[Probe, dict[str, int]]]
#: The note of a recording that ended early, since whoever watched it pressed Ctrl-C.
BY_HAND = "stopped by hand"


def record(
    nodes: Sequence[str] | Mapping[str, str] = ("local",),
    scenarios: Iterable[str] = (),
    probes: Iterable[str] = (),
    duration: str | int | float | None = "30s",
    *,
    out: str | Path | None = None,
    into: str | Path = "recordings",
    scope: dict[str, Any] | None = None,
    mask: bool = True,
    progress: bool = True,
    stop: threading.Event | None = None,
    segment_s: float = 5.0,
    on_start: Callable[[Writer], None] | None = None,
    on_second: Callable[[Writer, int], None] | None = None,
    **ssh: Any,
) -> Recording:
    """Record BPF traces and /proc on nodes for a while, into a new folder of Parquet.

    nodes      "local", or what `ssh` would take ("web-1", "root@10.0.0.7:2222"); a mapping gives your own labels
    scenarios  record all that these need
    probes     record these too: "runq", "runq:min_wait_ns=1000000", a set such as "default"; with neither, what all
               scenarios need
    duration   "30s", "5m"; None records until stopped (`stop` set, or Ctrl-C)
    out        the new folder; by default <into>/<first node>-<UTC time>
    scope      {"tree": tgid} or {"cgroup": "/path"}: only this process and all below it, filtered in the kernel
    mask       star out, on the node, what looks like a password or token in a command line
    on_start   called with the writer, before anything is recorded
    on_second  called with the writer and the start of each second (UTC ns) up to which all is known, on every node
    ssh        accept_new, config, connect_timeout_s, ...: see transport.ssh.SSH

    Returns: the Recording. Its state is "complete", or "interrupted" when a node was lost; its notes say why.
    Raises: BadUsage (names, existing folder), CannotConnect and CannotRecord when a node gave nothing at all,
    KeyboardInterrupt when it was stopped by hand before anything came.
    """
    chosen = select(scenarios, probes)
    targets = label_nodes(nodes)
    path = Path(out) if out is not None else _new_folder(Path(into), next(iter(targets)))
    plan = make_plan(chosen, scope=scope, mask=mask)
    length_ns = None if duration is None else _parse_length(duration)
    session = _Session(path, plan, chosen, list(scenarios), scope, segment_s, stop or threading.Event(), on_second)
    return session.run(targets, length_ns, progress, ssh, on_start)


def select(scenarios: Iterable[str], probes: Iterable[str]) -> Selection:
    """The probes, with their parameters, that these scenarios and probes need; all scenarios' when both are empty.

    The probes of a set, and those that a scenario has recorded along, yield to what is named with other parameters.
    Raises BadUsage for an unknown name, and where two need the same probe with different parameters.
    """
    wanted, specs = [get_scenario(name) for name in scenarios], list(probes)
    if not wanted and not specs:
        wanted = list(all_scenarios().values())
    named = [spec for scenario in wanted for spec in scenario.needs]
    besides = [spec for scenario in wanted for spec in scenario.also]
    for spec in specs:
        members = expand(spec)
        if members is None:
            named.append(spec)
        else:
            besides += members
    chosen: dict[str, tuple[str, dict[str, int]]] = {}
    for spec in named:
        probe, params = parse_probe(spec)
        before = chosen.setdefault(probe.name, (spec, params))
        if before[1] != params:
            raise BadUsage(f"probe {probe.name} is asked for twice, with different parameters: {before[0]} and {spec}")
    for spec in besides:
        probe, params = parse_probe(spec)
        chosen.setdefault(probe.name, (spec, params))
    return [(get_probe(name), params) for name, (_, params) in sorted(chosen.items())]


def frame_columns(chosen: Selection) -> dict[str, tuple[list[str], list[str]]]:
    """The tables whose rows tell of frames: name -> its columns of user frames, and of kernel stacks."""
    out: dict[str, tuple[list[str], list[str]]] = {"mappings": ([], [])}
    for table in (table for probe, _ in chosen for table in probe.tables):
        found = [[c.name for c in table.schema.columns if c.kind == kind] for kind in ("frames", "stack")]
        if any(found):
            out[table.name] = found[0], found[1]
    return out


def label_nodes(nodes: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """{label: node}: the host part, in small letters, fit for a folder name. Raises BadUsage."""
    if isinstance(nodes, str):
        nodes = [nodes]
    if not nodes:
        raise BadUsage("no node was named; write local, or what ssh would take")
    if isinstance(nodes, Mapping):
        for label in nodes:
            if not NODE_LABEL.fullmatch(label):
                raise BadUsage(f"node label {label!r} must match [a-z][a-z0-9-]*")
        return dict(nodes)
    labels: dict[str, str] = {}
    for node in nodes:
        host = node.rsplit("@", 1)[-1]
        host = re.sub(r":\d+$", "", host)
        label = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
        label = label if label[:1].isalpha() else f"n-{label}"
        if label in labels:
            raise BadUsage(f"{labels[label]!r} and {node!r} would both be called {label!r}; pass a mapping of labels")
        labels[label] = node
    return labels


def _parse_length(duration: str | int | float) -> int:
    try:
        length = parse_duration(duration)
    except ValueError as exc:
        raise BadUsage(str(exc)) from exc
    if length < SECOND:
        raise BadUsage(f"a recording of {duration} is too short: at least one second")
    return length


def _new_folder(into: Path, label: str) -> Path:
    now = datetime.datetime.now(tz=datetime.UTC)
    return into / f"{label}-{now:%Y%m%d-%H%M%S}"


class _Session:
    """One recording while it is made: a writer shared by one thread for each node."""

    def __init__(
        self,
        path: Path,
        plan: dict[str, Any],
        chosen: Selection,
        scenarios: list[str],
        scope: dict[str, Any] | None,
        segment_s: float,
        stop: threading.Event,
        on_second: Callable[[Writer, int], None] | None,
    ) -> None:
        self._plan, self._stop, self._on_second = plan, stop, on_second
        self._lock = threading.Lock()
        self._closed: dict[str, int] = {}
        self._told = 0
        self._cut = False
        self._probes: dict[str, dict[str, Any]] = {
            probe.name: {"params": params, "state": "on", "why": None} for probe, params in chosen
        }
        frame_names = list(frame_tables()) if plan["mappings"] else []
        self._framed = frame_columns(chosen) if plan["mappings"] else {}
        self._wanted: dict[str, Wanted] = {}
        self._doing = "recording"
        self._writer = Writer(
            path,
            info={
                "probes": self._probes,
                "scenarios": scenarios,
                "scope": scope,
            },
            tables=[table.name for probe, _ in chosen for table in probe.tables] + frame_names,
            segment_s=segment_s,
        )

    def run(
        self,
        targets: dict[str, str],
        length_ns: int | None,
        progress: bool,
        ssh: dict[str, Any],
        on_start: Callable[[Writer], None] | None,
    ) -> Recording:
        """Record all targets until the time is up, all are lost, or somebody says stop."""
        writer, self._closed = self._writer, dict.fromkeys(targets, 0)
        by_hand: KeyboardInterrupt | None = None
        pool = ThreadPoolExecutor(len(targets), thread_name_prefix="node")
        runs = {pool.submit(self._drain, label, node, length_ns, ssh): label for label, node in targets.items()}
        try:
            if on_start is not None:
                on_start(writer)
            self._wait(runs, length_ns, progress)
        except KeyboardInterrupt as stopped:
            by_hand = stopped
            writer.note(BY_HAND)
        finally:
            self._stop.set()
            pool.shutdown(wait=True)
            failures = {label: exc for run, label in runs.items() if (exc := run.exception()) is not None}
            heard = bool(writer.nodes)
            if heard:
                for label, exc in failures.items():
                    writer.note(f"{label}: {str(exc).removeprefix(f'{label}: ').removeprefix(f'{targets[label]}: ')}")
                writer.close("interrupted" if failures or self._cut else "complete")
            else:
                writer.discard()
        broken = [exc for exc in failures.values() if not isinstance(exc, NodeError)]
        if by_hand is not None and not heard and not broken:
            raise by_hand
        if broken or (failures and not heard):
            raise (broken or list(failures.values()))[0]
        if not heard:
            raise CannotRecord(f"{', '.join(targets)}: nothing was recorded: stopped before the first event came")
        return open_recording(writer.path)

    def _wait(self, runs: Iterable[Future[None]], length_ns: int | None, progress: bool) -> None:
        """Until all nodes are done; a failure that is no node's (a full disk) stops the others too."""
        from tqdm.auto import tqdm

        total = None if length_ns is None else length_ns // SECOND
        started = time.monotonic()
        with tqdm(total=total, unit="s", desc="recording", disable=not progress, leave=False) as bar:
            while (done := wait(runs, timeout=0.25)).not_done:
                if any(not isinstance(run.exception(), (NodeError, type(None))) for run in done.done):
                    self._stop.set()
                elapsed = int(time.monotonic() - started)
                bar.update((elapsed if total is None else min(elapsed, total)) - bar.n)
                bar.set_postfix(rows=self._writer.rows, refresh=False)
                bar.set_description(self._doing, refresh=False)

    def _drain(self, label: str, node: str, length_ns: int | None, ssh: dict[str, Any]) -> None:
        """One node: open, send, drain, decode, write."""
        decoder = Decoder(self._plan, label)
        held: list[Batch] = []  # until a first second is whole, so that a node that only complains leaves no trace
        reason = "stopped"
        try:
            with open_transport(node, **ssh) as transport, launch(transport, self._plan) as stream:
                deadline: int | None = None
                for chunk in stream:
                    held += decoder.feed(chunk, time.time_ns(), stream.pings)
                    if decoder.closed_until_ns:
                        batches, held = held, []
                        self._write(label, decoder, batches)
                    now = time.monotonic_ns()
                    if decoder.hello and deadline is None and length_ns is not None:
                        deadline = now + length_ns
                    if self._stop.is_set() or decoder.ended or (deadline is not None and now >= deadline):
                        stream.stop()
                if decoder.closed_until_ns:
                    self._write(label, decoder, held + decoder.finish(reason))
                    held = []
                    self._name_frames(label, decoder, transport)
        except ConnectionLost:
            reason = "connection_lost"
            if label in self._wanted:
                with self._lock:
                    self._writer.note(f"{label}: frames have no names: the node was lost before they could be read")
            raise
        finally:
            fatal = next((trouble for trouble in decoder.troubles if trouble["fatal"]), None)
            if decoder.hello and (fatal is None or decoder.closed_until_ns):
                self._write(label, decoder, held + decoder.finish(reason))
                self._tell(label, decoder)
        if decoder.hello is None and decoder.ended:
            raise CannotRecord(f"{label}: {decoder.ended}")
        if fatal is not None:
            raise CannotRecord(f"{label}: {fatal['message']}", fatal["what_to_do"])

    def _name_frames(self, label: str, decoder: Decoder, transport: Transport) -> None:
        """When the recording is over: names for the frames that came, read on the node."""
        wanted, hello = self._wanted.get(label), decoder.hello
        if wanted is None or hello is None or not (wanted.files or wanted.addresses or wanted.kernel):
            return
        self._doing = "naming frames"
        rows, notes = look_up(transport, wanted, ts_ns=decoder.closed_until_ns, boot_id=hello["boot_id"])
        with self._lock:
            self._writer.append(label, "symbols", rows)
            for note in notes:
                self._writer.note(f"{label}: {note}")

    def _write(self, label: str, decoder: Decoder, batches: Iterable[Batch]) -> None:
        with self._lock:
            writer = self._writer
            if decoder.hello and label not in writer.nodes:
                writer.add_node(label, decoder.hello)
                self._note_probes(label, decoder.hello)
            for table, rows in batches:
                writer.append(label, table, rows)
                if table in self._framed:
                    self._wanted.setdefault(label, Wanted()).add(table, rows, *self._framed[table])
            self._closed[label] = decoder.closed_until_ns
            closed = min(self._closed.values())
            if self._on_second is not None and closed > self._told:
                self._told = closed
                self._on_second(writer, closed)

    def _note_probes(self, label: str, hello: dict[str, Any]) -> None:
        """What this node could not give stands in the recording: a probe's worst state over all nodes, and why."""
        for name, found in hello.get("probes", {}).items():
            if found["state"] != "on" and self._probes[name]["state"] != "failed":
                self._probes[name] |= {"state": found["state"], "why": f"{label}: {found['why']}"}
                self._writer.note(f"{label}: probe {name} is {found['state']}: {found['why']}")
        self._writer.update(probes=self._probes)

    def _tell(self, label: str, decoder: Decoder) -> None:
        with self._lock:
            if decoder.ended:
                self._cut = True
                self._writer.note(f"{label}: {decoder.ended}")
