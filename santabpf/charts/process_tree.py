"""The process tree over time: each process a box from its start to its end, below the one that started it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ..display.lanes import Box, Lanes
from ..units import US, format_count, format_duration
from .lives import Key, Life, fewer, read_lives
from .look import OTHER, PALETTE, Tabular
from .signals import Span

#: A canvas draws these in well under 0.2 s, and a report stays small.
MOST_BOXES = 20_000


class Process(NamedTuple):
    """One process: when it lived (UTC), where its box stands, and what is known of it."""

    start_ns: int
    end_ns: int
    row: int
    parent: int  # its place in the list, -1 for none
    tgid: int
    command: str
    argv: str
    cpu_ns: int | None
    status: str  # 'exit 0', 'signal 9', '' while it lives
    born_before: bool  # it lived when the recording started
    lives_on: bool  # its end was not seen: it lived when the recording ended, if ends were recorded at all
    node: str = ""
    identity_ns: int = 0  # start_ns of the tables: with node and tgid, who it is


class Info(NamedTuple):
    """All processes that started or ended in the window, with their ancestors."""

    window: tuple[int, int]
    processes: tuple[Process, ...]
    rows: int
    spans: tuple[Span, ...]
    note: str
    ends_known: bool = True  # exits were recorded


def info(
    fork: Tabular | None = None,
    exec_: Tabular | None = None,
    exit_: Tabular | None = None,
    processes: Tabular | None = None,
    *,
    window: tuple[int, int] | None = None,
    spans: Sequence[Span] = (),
    most: int = MOST_BOXES,
    wanted: Collection[Key] | None = None,
) -> Info:
    """Who lived when, and below whom.

    The tables are those of the probes; each may be missing or empty, and then less is known: without fork a process's
    parent is the one it had at its exec or exit. Identity is (node, tgid, start_ns). A process that neither started,
    ended nor has a descendant that did is left out, and counted in the note; so are those beyond `most`: kept are
    those with the most CPU time, then those that lived longest, and all their ancestors. Two processes share a row
    where one starts after the other, with all it started, has ended.

    wanted: the rows are not those of all processes, and these are drawn even if they did neither; None: of all
    """
    (fork, exec_, exit_), dropped = fewer((fork, exec_, exit_), most)
    lives = read_lives(fork, exec_, exit_, processes)
    if window is None:
        moments = [t for life in lives.values() for t in (life.start, life.end) if t is not None]
        window = (min(moments), max(moments)) if moments else (0, 0)
    start, end = window
    kept, left_out, still = _kept(lives, most, wanted or ())
    left_out += dropped
    if not kept:
        return Info(window, (), 0, tuple(spans), "No process started or ended while recording.")
    index = {key: at for at, key in enumerate(kept)}
    chosen = [lives[key] for key in kept]
    parents = [index.get(life.parent, -1) if life.parent else -1 for life in chosen]
    begins = [min(max(life.start, start), end) for life in chosen]
    ends = [max(begin, end if life.end is None else min(life.end, end))
            for life, begin in zip(chosen, begins, strict=True)]
    rows, height = layout(parents, begins, ends)
    notes = []
    if exit_ is None:
        notes.append("Ends were not recorded: each box runs to the end, whatever became of its process.")
    if left_out:
        notes.append(f"{format_count(len(kept))} of {format_count(len(kept) + left_out)} processes are drawn: those "
                     "that took the most CPU, and their ancestors.")
    if still and wanted is None:
        notes.append("1 process that neither started, ended nor started another is not drawn." if still == 1 else
                     f"{format_count(still)} processes that neither started, ended nor started others are not drawn.")
    drawn = tuple(
        Process(begin, stop, row, parent, life.tgid, life.command, life.argv, life.cpu, life.status, life.born,
                life.end is None, life.key[0], life.key[2])
        for life, begin, stop, row, parent in zip(chosen, begins, ends, rows, parents, strict=True)
    )
    return Info(window, drawn, height, tuple(spans), " ".join(notes), exit_ is not None)


def _kept(
    lives: dict[Key, Life], most: int, wanted: Collection[Key]
) -> tuple[list[Key], int, int]:
    """Which to draw, in the order of their start; how many had to be left out; how many did nothing."""
    active = [life for life in lives.values() if not life.born or life.end is not None or life.key in wanted]
    active.sort(key=lambda life: (life.key not in wanted, -(life.cpu or 0), life.start - (life.end or life.start),
                                  life.start, life.key))
    kept: set[Key] = set()
    left_out = 0
    for life in active:
        line: list[Key] = []
        at: Life | None = life
        while at is not None and at.key not in kept and at.key not in line:
            line.append(at.key)
            at = lives.get(at.parent) if at.parent else None
        if line and len(kept) + len(line) > most:
            left_out += 1
        kept.update(line if len(kept) + len(line) <= most else ())
    still = len(lives) - len(active) - sum(1 for key in kept if lives[key].born and lives[key].end is None)
    return sorted(kept, key=lambda key: (lives[key].start, not lives[key].born, key)), left_out, still


def layout(parents: Sequence[int], starts: Sequence[int], ends: Sequence[int]) -> tuple[list[int], int]:
    """A row for each box so that a child stands below its parent and no two boxes with their children overlap.

    Children of one parent that are equally high share bands; a band is free again when the child in it, with all its
    descendants, has ended. Returns the rows, counted from the top, and how many there are. n log n.
    """
    count = len(parents)
    children: list[list[int]] = [[] for _ in range(count + 1)]  # the last one: those without a parent
    for at, parent in enumerate(parents):
        children[parent if parent >= 0 else count].append(at)
    order, stack = [], list(children[count])
    while stack:  # parents before children
        at = stack.pop()
        order.append(at)
        stack.extend(children[at])
    last, heights, offset = list(ends), [1] * (count + 1), [0] * count
    for at in [*reversed(order), count]:
        below, top = children[at], 0 if at == count else 1
        for height in sorted({heights[child] for child in below}):
            free: list[int] = []
            busy: list[tuple[int, int]] = []
            bands = 0
            for child in sorted((c for c in below if heights[c] == height), key=lambda c: (starts[c], c)):
                while busy and busy[0][0] <= starts[child]:
                    heapq.heappush(free, heapq.heappop(busy)[1])
                if not free:
                    heapq.heappush(free, bands)
                    bands += 1
                band = heapq.heappop(free)
                offset[child] = top + band * height
                heapq.heappush(busy, (max(last[child], starts[child] + 1), band))
            top += bands * height
        heights[at] = max(top, 1)
        if at != count and below:
            last[at] = max(last[at], *(last[child] for child in below))
    rows = [0] * count
    for at in order:
        rows[at] = offset[at] + (rows[parents[at]] if parents[at] >= 0 else 0)
    return rows, heights[count]


def lanes(info: Info) -> Lanes:
    """The boxes for our canvas, coloured by command: the nine that took the most CPU, the others grey."""
    weight: Counter[str] = Counter()
    for process in info.processes:
        weight[process.command] += 1_000_000 if process.cpu_ns is None else process.cpu_ns + 1
    ranked = [name for name, _ in sorted(weight.items(), key=lambda item: (-item[1], item[0]))]
    colours = {name: PALETTE[at] if at < len(PALETTE) else OTHER for at, name in enumerate(ranked)}
    boxes = [
        Box((p.start_ns - info.window[0]) // US, max(0, (p.end_ns - p.start_ns) // US), p.row, p.parent, p.command,
            _facts(p, info.ends_known), p.argv, p.status not in ("", "exit 0"))
        for p in info.processes
    ]
    spans = [((s.from_ns - info.window[0]) // US,
              ((info.window[1] if s.to_ns is None else s.to_ns) - info.window[0]) // US, s.state) for s in info.spans]
    return Lanes(info.window, boxes, info.rows, colours, spans, info.note,
                 f"process tree over time, {len(boxes)} processes")


def _facts(process: Process, ends_known: bool) -> str:
    """What hovering shows below the command."""
    life = format_duration(process.end_ns - process.start_ns)
    if process.lives_on:
        life = f"{life} and longer" if ends_known else "end not recorded"
    if process.born_before:
        life = f"started before the recording; {life}"
    lines = [f"pid {process.tgid}", life]
    if process.cpu_ns is not None:
        lines.append(f"CPU {format_duration(process.cpu_ns)}")
    if process.status:
        lines.append(process.status)
    return " · ".join(lines)
