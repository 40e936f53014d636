"""Rows about processes -> lives: who was born when, of whom, what it ran, and how it ended.

In: the tables fork, exec, exit and processes, each of which may be missing. Out: a Life for each process. Never: a
picture. Where there are far more processes than can be drawn, the rest is left out before a row becomes an object.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .look import NULL, Tabular, arrow, ints, texts

#: Identity of a process: node, tgid, start_ns.
Key = tuple[str, int, int]


class Life:
    """A process while its rows are being put together."""

    __slots__ = ("argv", "born", "command", "cpu", "end", "key", "parent", "start", "status", "tgid")

    def __init__(self, key: Key, start: int, born: bool) -> None:
        self.key, self.tgid, self.start, self.born = key, key[1], start, born
        self.end: int | None = None
        self.parent: Key | None = None
        self.command = self.argv = self.status = ""
        self.cpu: int | None = None


def _keys(table: Any, tgid: str, start: str) -> list[Key]:
    nodes = texts(table, "node")
    return list(zip(nodes, ints(table, tgid).tolist(), ints(table, start).tolist(), strict=True))


def _lines(table: Any) -> list[str]:
    if "argv" not in table.column_names:
        return [""] * int(table.num_rows)
    return [" ".join(part or "" for part in argv) if argv else "" for argv in table.column("argv").to_pylist()]


def read_lives(
    fork: Tabular | None, exec_: Tabular | None, exit_: Tabular | None, processes: Tabular | None
) -> dict[Key, Life]:
    """Each process's life out of the rows about it, oldest first."""
    lives: dict[Key, Life] = {}
    alive: dict[tuple[str, int], Key] = {}
    if processes is not None:
        table = arrow(processes)
        rows = zip(_keys(table, "tgid", "start_ns"), ints(table, "ptgid").tolist(), ints(table, "ts_ns").tolist(),
                   texts(table, "comm"), _lines(table), strict=True)
        fathers = []
        for key, father, ts, comm, line in rows:
            life = lives[key] = Life(key, ts, True)
            life.command, life.argv = comm, line
            alive[key[:2]] = key
            fathers.append((life, father))
        for life, father in fathers:
            life.parent = alive.get((life.key[0], father))
    if fork is not None:
        table = arrow(fork)
        for key, parent, ts, comm in zip(_keys(table, "tgid", "start_ns"), _keys(table, "ptgid", "pstart_ns"),
                                         ints(table, "ts_ns").tolist(), texts(table, "comm"), strict=True):
            life = lives[key] = Life(key, ts, False)
            life.parent, life.command = parent, comm
    if exec_ is not None:
        table = arrow(exec_)
        for key, parent, ts, comm, line in zip(
            _keys(table, "tgid", "start_ns"), _keys(table, "ptgid", "pstart_ns"), ints(table, "ts_ns").tolist(),
            texts(table, "comm"), _lines(table), strict=True,
        ):
            life = lives.get(key) or lives.setdefault(key, Life(key, ts, False))
            life.parent = life.parent or parent
            life.command, life.argv = comm, line or life.argv
    if exit_ is not None:
        _ends(arrow(exit_), lives)
    return lives


def _ends(table: Any, lives: dict[Key, Life]) -> None:
    rows = zip(
        _keys(table, "tgid", "start_ns"), _keys(table, "ptgid", "pstart_ns"), ints(table, "ts_ns").tolist(),
        ints(table, "lifetime_ns").tolist(), ints(table, "cpu_ns").tolist(), ints(table, "code").tolist(),
        ints(table, "signal").tolist(), texts(table, "comm"), strict=True,
    )
    for key, parent, ts, lifetime, cpu, code, signal, comm in rows:
        life = lives.get(key)
        if life is None:
            life = lives[key] = Life(key, ts - max(lifetime, 0), False)
        life.parent = life.parent or parent
        life.end, life.cpu = ts, None if cpu == NULL else cpu
        life.command = comm or life.command
        life.status = f"signal {signal}" if signal not in (0, NULL) else f"exit {max(code, 0)}"


def fewer(
    tables: Sequence[Tabular | None], most: int
) -> tuple[list[pa.Table | None], int]:
    """fork, exec and exit with only the rows about `most` processes and their ancestors; how many were left out.

    Kept are those that took the most CPU, and those that did not end. Left as they are where that saves nothing.
    """
    given = [None if table is None else arrow(table) for table in tables]
    if sum(0 if table is None else table.num_rows for table in given) <= 4 * most:
        return given, 0
    own = [_hashes(table, "tgid", "start_ns") for table in given]
    parent = [_hashes(table, "ptgid", "pstart_ns") for table in given]
    everyone = pc.unique(pa.array(np.concatenate(own)))
    ended = own[2]
    cpu = ints(given[2], "cpu_ns") if given[2] is not None else np.zeros(0, dtype=np.int64)
    dearest = ended[np.argsort(-cpu, kind="stable")[:most]]
    begun = np.concatenate(own[:2])
    lives_on = pc.unique(pa.array(begun[~_among(begun, ended)])).to_numpy()[:most]
    kept = fresh = np.concatenate([dearest, lives_on])
    while fresh.size:
        above = np.concatenate([up[_among(down, fresh)] for down, up in zip(own, parent, strict=True)])
        fresh = pc.unique(pa.array(above[~_among(above, kept)])).to_numpy()
        kept = np.concatenate([kept, fresh])
    chosen = [None if table is None else table.filter(pa.array(_among(down, kept)))
              for table, down in zip(given, own, strict=True)]
    return chosen, int((~_among(everyone.to_numpy(), kept)).sum())


def _among(
    values: np.ndarray[Any, np.dtype[np.int64]], wanted: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the values are wanted; Arrow's hash table does a million in 20 ms, numpy's isin in 200."""
    found = pc.is_in(pa.array(values), value_set=pa.array(wanted)).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=np.bool_)


def _hashes(table: pa.Table | None, tgid: str, start: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """One number for each row's process; two processes of one number would both be kept, that is all."""
    if table is None:
        return np.zeros(0, dtype=np.int64)
    node: Any = 0
    if "node" in table.column_names:
        nodes = pc.dictionary_encode(table.column("node").combine_chunks())
        sums = np.array([zlib.crc32(str(label).encode()) for label in nodes.dictionary.to_pylist()], dtype=np.int64)
        node = sums[nodes.indices.to_numpy(zero_copy_only=False)] if table.num_rows else 0
    with np.errstate(over="ignore"):
        return np.asarray(ints(table, start) * 0x9E3779B1 + ints(table, tgid) * 0x85EBCA77 + node, dtype=np.int64)
