"""The Decoder: bytes of one elf's stream to Arrow batches. Pure: no files, no sockets, no clock.

Nothing that a node sends makes it raise. A frame that breaks the contract ends the stream: what came before is kept,
a row of gaps says why, and nothing is guessed.

Rows of rings are kept until their second closes, or until there are many, so that batches are large. A second's rows
leave before its coverage, and closed_until_ns moves only when they have. Seconds close at ticks only: the paths of the
cgroups that rows name come before each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from .. import wire
from ..probes import Probe, Table, get_probe
from ..probes.procfs import Facts
from ..tables import table_schema
from ..units import SECOND
from ..wire import BadFrame, Frame
from .cgroups import Cgroups
from .columns import Stats
from .coverage import Coverage
from .hello import JUMP_NS, clean_hello, clean_trouble
from .mappings import read_mappings
from .own import Clocks, Loss, Receipt, Row
from .ring import RingTable
from .said import known, text
from .snapshots import MapTable, ProcTable, SnapshotTable
from .times import Clock, Readings

#: Raw bytes of one ring that wait to become a batch.
KEEP_BYTES = 4 << 20
#: The same, where a column waits for the paths of cgroups, which come once a second; and of all maps together.
KEEP_BYTES_FOR_PATHS = 64 << 20
KEEP_TROUBLES = 1000


class Batch(NamedTuple):
    """Rows of one table, in its schema."""

    table: str
    rows: pa.RecordBatch


class Planned(NamedTuple):
    """One table of the plan, with what decodes it."""

    probe: Probe
    table: Table
    reader: RingTable | MapTable | ProcTable


class Decoder:
    """Feed it what came; it returns the rows that are ready.

    hello             the elf's HELLO, its values checked; None before it came
    troubles          what the elf complained of
    closed_until_ns   UTC; the rows of all seconds before it have been returned (0 before the first is closed)
    ended             why the stream ended before its time, in words; None while, or if, all is well
    stats             what has been seen so far
    """

    def __init__(self, plan: dict[str, Any], node: str) -> None:
        self.node = node
        self.hello: dict[str, Any] | None = None
        self.ended: str | None = None
        self.troubles: list[dict[str, Any]] = []
        self.stats = Stats()
        self._tables = {table["id"]: _planned(probe, table) for probe in plan["probes"] for table in probe["tables"]}
        self._reader = wire.Reader()
        self._waiting: dict[int, bytearray] = {}
        self._unnamed: list[tuple[MapTable, pa.RecordBatch]] = []
        self._cgroups = Cgroups()
        self._own: dict[str, list[Row]] = {name: [] for name in ("loss", "gaps", "clock", "receipt", "coverage")}
        self._mapped = plan.get("mappings") is True
        self._out: list[Batch] = []
        self._dead: set[str] = set()
        self._bye: str | None = None
        self._over = False
        self._last_tick: tuple[int, int] | None = None
        self._last_ping: tuple[int, int] | None = None
        self._coverage: Coverage | None = None

    @property
    def closed_until_ns(self) -> int:
        """UTC; no row of a second before this will come any more, but for late ones."""
        return self._coverage.closed_until_ns if self._coverage is not None and self._coverage.has_closed else 0

    def feed(self, chunk: bytes, received_ns: int | None = None, pings: Sequence[int] = ()) -> list[Batch]:
        """Bytes as they came, in pieces of any size.

        received_ns: when they came, by Santa's UTC clock; pings: when, by that clock, each ping was sent. A tick says
        which ping was heard last and when, so that the two clocks can be compared.
        """
        if self._over:
            return []
        self.stats.bytes += len(chunk)
        self._last_tick = None
        try:
            for frame in self._reader.feed(chunk):
                self._frame(frame)
                self.stats.frames += 1
        except BadFrame as exc:
            self._end("bad_frame", str(exc))
        if self._last_tick and received_ns is not None:
            trip_ns = self._round_trip(received_ns, pings)
            self._own["clock"].append(self._clocks.santa(*self._last_tick, received_ns, trip_ns))
        return self._take()

    def _round_trip(self, received_ns: int, pings: Sequence[int]) -> int | None:
        """From a ping's sending to the coming of the tick that answers it, less the time it lay on the node."""
        if self._last_tick is None or self._last_ping is None or not self._last_ping[0] <= len(pings):
            return None
        count, heard_ns = self._last_ping
        trip_ns = (received_ns - pings[count - 1]) - (self._last_tick[0] - heard_ns)
        return trip_ns if trip_ns >= 0 else None

    def finish(self, reason: str = "connection_lost") -> list[Batch]:
        """Nothing more comes. Unless the elf said goodbye because it was asked to, a gap with this reason begins."""
        if not self._over:
            if self._reader.pending:
                self._end(reason, f"the stream ended in the middle of a frame, {self._reader.pending} bytes into it")
            elif self._bye == "asked":
                self._end(None, "")
            else:
                self._end(reason, f"the elf ended by itself: {self._bye}" if self._bye else "there was no goodbye")
        return self._take()

    def _take(self) -> list[Batch]:
        out, self._out = self._out, []
        return out

    # ------------------------------------------------------------------------------------------------- frames

    def _frame(self, frame: Frame) -> None:
        if self._bye is not None:
            raise BadFrame(f"frame {frame.seq}: came after the goodbye")
        if frame.kind == wire.TROUBLE:
            self.troubles[KEEP_TROUBLES - 1 :] = [clean_trouble(frame.json())]
        elif frame.kind == wire.BYE:
            self._bye = text(frame.json().get("reason")) or "for no reason"
        elif frame.kind == wire.HELLO:
            self._hello(frame)
        elif self._coverage is None:
            raise BadFrame(f"frame {frame.seq}: a {wire.KINDS[frame.kind]} came before the hello")
        elif frame.kind == wire.TICK:
            self._name()
            self._tick(frame.json(), self._coverage)
        elif frame.kind == wire.PROC and frame.table == wire.MAPPED:
            self._take_mappings(frame)
        else:
            self._data(frame, self._coverage)
        if frame.kind == wire.TICK and self._coverage is not None and self._coverage.can_close:
            self._flush()
            self._own["coverage"] += self._coverage.close()
            self._flush_own()

    def _hello(self, frame: Frame) -> None:
        if self.hello is not None:
            raise BadFrame(f"frame {frame.seq}: a second hello")
        ids = {planned.table.name: number for number, planned in self._tables.items()}
        hello = clean_hello(frame.json(), ids, {planned.probe.name for planned in self._tables.values()})
        clock, self._cpus, self._latest_ns = hello["clock"], hello["possible_cpus"], hello["armed_ns"]
        self._facts = Facts(hello["clock_tick_hz"], hello["page_bytes"], hello["cgroup_controller"])
        self._clocks = Clocks(clock["mono_ns"], clock["real_ns"], clock["error_ns"])
        self._clock = Clock(self._clocks.offset_ns, self._facts.tick_ns)
        self._own["clock"].append(self._clocks.first)
        armed_ns = self._latest_ns + self._clock.offset_ns
        self._ticks = Readings(armed_ns)
        self._receipt, coverage = Receipt(), Coverage(armed_ns)
        for planned in self._tables.values():
            coverage.watch(planned.probe.name, planned.table.name, once=planned.table.when == "start")
        self._loss = Loss([planned.probe for planned in self._tables.values()])
        self.hello, self._coverage = hello, coverage
        for name, probe in hello["probes"].items():
            if probe["state"] == "failed":
                self._probe_died(name, probe["why"] or "it could not be loaded", coverage)

    def _utc(self, mono_ns: int) -> int:
        """Monotonic to UTC; refuses a time that can't be one of this recording."""
        if mono_ns > self._latest_ns + JUMP_NS:
            raise BadFrame(f"its time is {(mono_ns - self._latest_ns) // SECOND} s after all before it")
        self._latest_ns = max(self._latest_ns, mono_ns)
        return mono_ns + self._clock.offset_ns

    def _data(self, frame: Frame, coverage: Coverage) -> None:
        if frame.kind == wire.MAP and frame.table == wire.CGROUPS:
            self._cgroups.take(frame.payload)
            return
        planned = self._tables.get(frame.table)
        wanted = {wire.RING: RingTable, wire.MAP: MapTable, wire.PROC: ProcTable}[frame.kind]
        if planned is None or not isinstance(planned.reader, wanted):
            raise BadFrame(f"frame {frame.seq}: the plan has no {wire.KINDS[frame.kind]} with table id {frame.table}")
        name, reader, utc_ns = planned.table.name, planned.reader, self._utc(frame.t_before)
        if isinstance(reader, RingTable):
            if reader.check(frame.payload):
                waiting = self._waiting.setdefault(frame.table, bytearray())
                waiting += frame.payload
                if len(waiting) > (KEEP_BYTES_FOR_PATHS if planned.table.schema.needs_paths else KEEP_BYTES):
                    self._flush(frame.table)
            coverage.advance(name, utc_ns)
            return
        first = reader.readings.span is None
        if isinstance(reader, MapTable):
            rows = reader.read(frame.payload, utc_ns, self._cpus, self._clock, self.stats)
        else:
            rows = reader.read(frame.payload, utc_ns, self._facts)
        if rows is not None and isinstance(reader, MapTable) and planned.table.schema.needs_paths:
            self._unnamed.append((reader, rows))
            if sum(rows.nbytes for _, rows in self._unnamed) > KEEP_BYTES_FOR_PATHS:
                self._name()
        elif rows is not None:
            self._emit(name, rows)
        if first:
            coverage.since(name, utc_ns)
        elif reader.readings.span is not None:
            coverage.advance(name, reader.readings.span.ts_ns)

    def _take_mappings(self, frame: Frame) -> None:
        if not self._mapped:
            raise BadFrame(f"frame {frame.seq}: the plan did not ask for mappings")
        self._utc(frame.t_before)
        rows, lost = read_mappings(wire.unpack_files(frame.payload).get("mappings", b""), self._clock)
        self._loss.mappings_lost += lost
        if rows.num_rows:
            self._out.append(Batch("mappings", rows))

    def _tick(self, tick: dict[str, Any], coverage: Coverage) -> None:
        mono_ns = known(tick.get("mono_ns"), "mono_ns")
        real_ns, error_ns = known(tick.get("real_ns"), "real_ns"), known(tick.get("error_ns"), "error_ns")
        span = self._ticks.at(self._utc(mono_ns))
        self._last_tick = mono_ns, real_ns
        ping = tick.get("ping")
        self._last_ping = None
        if isinstance(ping, list) and len(ping) == 2 and ping[0]:
            self._last_ping = known(ping[0], "ping", low=1), known(ping[1], "ping")
        row, gap = self._clocks.node(mono_ns, real_ns, error_ns)
        self._own["clock"].append(row)
        self._own["gaps"] += [gap] if gap else []
        self._own["loss"] += self._loss.rows(tick, span)
        self._own["receipt"] += self._receipt.rows(tick, span)
        dead = tick.get("dead_probes") or []
        if not isinstance(dead, list):
            raise BadFrame("dead_probes is no list")
        for name in dead:
            why = next((t["message"] for t in reversed(self.troubles) if t["probe"] == name), "")
            self._probe_died(str(name), why or "it stopped in mid-recording", coverage)
        coverage.tick_ns = span.ts_ns

    def _probe_died(self, probe: str, why: str, coverage: Coverage) -> None:
        """No coverage from here on, and a row of gaps for each of its tables."""
        if probe not in self._dead:
            self._dead.add(probe)
            for planned in self._tables.values():
                if planned.probe.name == probe:
                    at_ns = coverage.stop(planned.table.name)
                    self._own["gaps"].append(
                        {"ts_ns": at_ns, "table": planned.table.name, "reason": "probe_failed", "detail": why}
                    )

    # --------------------------------------------------------------------------------------------------- rows

    def _end(self, reason: str | None, detail: str) -> None:
        """The stream is over. With a reason, a gap begins where all tables were last known (no rows before a hello)."""
        self._over = True
        self.ended = text(f"{reason}: {detail}") if reason else None
        if self._coverage is None:
            return
        if reason:
            gap = {"ts_ns": self._coverage.known_until_ns, "reason": reason, "detail": text(detail)}
            self._own["gaps"].append(gap)
        self._name()
        self._flush()
        self._own["coverage"] += self._coverage.finish()
        self._flush_own()

    def _flush(self, table: int | None = None) -> None:
        """Decode what waits, of one ring or of all."""
        for number in list(self._waiting) if table is None else [table]:
            waiting, planned = self._waiting.pop(number), self._tables[number]
            assert isinstance(planned.reader, RingTable)
            self._emit(planned.table.name, planned.reader.decode(waiting, self._clock, self.stats, self._cgroups))

    def _name(self) -> None:
        """Give the rows of maps the paths of their cgroups, which come after them and before the tick."""
        for reader, rows in self._unnamed:
            self._emit(reader.table.name, reader.named(rows, self._cgroups))
        self._unnamed.clear()

    def _emit(self, table: str, rows: pa.RecordBatch) -> None:
        assert self._coverage is not None
        self.stats.rows += rows.num_rows
        self.stats.late += self._coverage.count(table, rows)
        self._out.append(Batch(table, rows))

    def _flush_own(self) -> None:
        """The tables about the recording itself; coverage last."""
        for name, rows in self._own.items():
            if rows:
                self._out.append(Batch(name, pa.RecordBatch.from_pylist(rows, schema=table_schema(name).arrow)))
                rows.clear()


def _planned(probe_plan: dict[str, Any], table_plan: dict[str, Any]) -> Planned:
    """What decodes one table of the plan. Raises ValueError where plan and columns differ."""
    probe = get_probe(probe_plan["name"])
    table = next(t for t in probe.tables if t.name == table_plan["name"])
    reader: RingTable | MapTable | ProcTable
    selfcheck = bool(probe_plan.get("selfcheck"))
    if table.source == "ring":
        reader = RingTable(table.schema, table_plan["record_bytes"], selfcheck=selfcheck)
    elif table.snapshot:
        reader = SnapshotTable(table, table_plan["key_bytes"], table_plan["value_bytes"])
    elif table.source == "map":
        reader = MapTable(table, table_plan["key_bytes"], table_plan["value_bytes"], selfcheck=selfcheck)
    else:
        reader = ProcTable(probe, table)
    return Planned(probe, table, reader)
