"""Is a recording whole, to the last byte? And what to do about one that was interrupted.

In: a folder. Out: sentences about what is wrong, or what was mended. Never: changes a row, or a recording that is
being written.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import BadUsage, RecordingError
from . import parquet
from .manifest import FILE, Part, Table, segments
from .read import Recording, open, printable


def verify(path: str | Path) -> list[str]:
    """Everything that is wrong with a recording; empty where all is well. Reads every byte of it.

    An interrupted recording is whole when its parts are; its unlisted parts are told, for recover() to list.
    """
    try:
        recording = open(path)
    except RecordingError as exc:
        return [str(exc)]
    problems = list(recording._ignored)
    for table in recording._manifest.tables.values():
        try:
            recording.check_declaration(table.name)
        except RecordingError as exc:
            problems.append(str(exc))
        for part in table.parts:
            problems += _part_problems(part, table)
    if recording.state != "recording":  # while it is written, there are always files on their way
        listed = {part.path for table in recording._manifest.tables.values() for part in table.parts}
        strange = [file for file in _files(recording.path) if file not in listed]
        problems += [f"{printable(str(file))}: is no part of the recording" for file in strange]
    return problems


def check_bytes(recording: Recording) -> None:
    """Are all parts the very bytes that recording.json lists? Raises RecordingError at the first that is not.

    Parts that were recovered are not listed, so nothing is known of them.
    """
    for table in recording.tables:
        for part in recording.parts(table):
            if part.sha256 is not None and _sha256(part.path) != part.sha256:
                raise RecordingError(f"{part.path}: its sha256 is not the one in recording.json: it was changed")


def _part_problems(part: Part, table: Table) -> Iterator[str]:
    try:
        parquet.check_part(part, table)
        rows = parquet.read_part(part, table)
        digest = _sha256(part.path)
    except RecordingError as exc:
        yield str(exc)
        return
    if part.sha256 is None:
        yield f"{part.path}: is whole, but not listed in recording.json; recover() would list it"
    elif part.sha256 != digest:
        yield f"{part.path}: its sha256 is {digest}, but recording.json says {part.sha256}: it was changed"
    found = parquet.ts_range(rows)
    if found != (part.ts_min, part.ts_max):
        yield f"{part.path}: ts_ns runs {_span(found)}, but recording.json says {_span((part.ts_min, part.ts_max))}"
    if rows.column("ts_ns").null_count:
        yield f"{part.path}: column 'ts_ns' has nulls"


def _span(ends: tuple[int | None, int | None]) -> str:
    return "nowhere" if ends[0] is None else f"from {ends[0]} to {ends[1]}"


def _files(folder: Path) -> Iterator[Path]:
    """All files below the folder but recording.json, in order; links are not followed."""
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*files, *(f for f in folders if os.path.islink(os.path.join(root, f)))]):
            if Path(root, name) != folder / FILE:
                yield Path(root, name)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise RecordingError(f"{path}: cannot be read: {exc.strerror}") from exc


def recover(path: str | Path) -> list[str]:
    """Finish an interrupted recording: list its whole parts, add the empty ones, clear half-written files, and (of any
    recording) parts whose rows are in others.

    Returns: what was done, one sentence each; empty where nothing was to do. Its state stays `interrupted`.
    Raises: BadUsage while it is being written, RecordingError.
    """
    folder = open(path).path
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadUsage(f"{folder}: is being written; stop that first") from None
        manifest = Recording(folder, locked=True)._manifest
        done = list(_clear_replaced(folder, manifest.tables.values()))
        if manifest.state == "complete":
            return done
        for file in [f for f in _files(folder) if f.name.startswith(".") and f.name.endswith(".tmp")]:
            file.unlink()
            done.append(f"{file}: half-written, removed")
        for table in manifest.tables.values():
            for at, part in enumerate(table.parts):
                if part.sha256 is None:
                    table.parts[at] = replace(part, sha256=_sha256(part.path))
                    done.append(f"{part.path}: listed, {part.rows} rows")
            if not table.parts and manifest.nodes:
                target = folder / table.name / f"node={min(manifest.nodes)}" / "part-000000.parquet"
                for parent in (target.parent.parent, target.parent):
                    parquet.make_folder(parent)
                table.parts.append(parquet.write_part(target, min(manifest.nodes), table.arrow.empty_table()))
                done.append(f"{target}: an empty part, for a table without rows")
        if done:
            parquet.write_file(folder / FILE, manifest.dump().encode())
        return done
    except OSError as exc:
        raise RecordingError(f"{folder}: cannot be mended: {exc.strerror}") from exc
    finally:
        os.close(lock)


def _clear_replaced(folder: Path, tables: Iterable[Table]) -> Iterator[str]:
    """Remove parts that are not listed, of segments that are: those that were put together, or were about to be."""
    for table in tables:
        listed = {part.path for part in table.parts}
        for node in {part.node for part in table.parts}:
            newest = max(part.segments[1] for part in table.parts if part.node == node)
            for file in sorted((folder / table.name / f"node={node}").iterdir()):
                found = segments(file.name)
                if file not in listed and found is not None and found[1] <= newest:
                    file.unlink()
                    yield f"{file}: its rows are in other parts, removed"
