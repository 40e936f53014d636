"""Files of jobs: written, listed, removed. A file whose first line does not say that it is ours is never touched.

In: a Job and a folder. Out: what was written, found or removed. Never: half a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadUsage, nearest
from ..whole import write_whole
from .job import RUNNERS, Job, Runner
from .render import PREFIX, facts_of, render


@dataclass(frozen=True)
class Written:
    """The files of a job, and which of them were not there before, word for word."""

    paths: tuple[Path, ...]
    changed: tuple[Path, ...]


@dataclass(frozen=True)
class Found:
    """A job that is there: what its files say of it."""

    name: str
    kind: str
    runner: str
    when: str
    recordings: str
    reports: str
    paths: tuple[Path, ...]


def place(runner: Runner) -> Path:
    """Where that runner looks for jobs; for Kubernetes, which looks nowhere, the current folder."""
    if runner == "cron":
        return Path("/etc/cron.d")
    if runner == "kubernetes":
        return Path.cwd()
    return Path("/etc/systemd/system") if os.geteuid() == 0 else Path.home() / ".config" / "systemd" / "user"


def write(job: Job, runner: Runner, folder: Path | None = None) -> Written:
    """Write a job's files, by default to where the runner looks. Done again, it changes nothing.

    The folders of recordings and reports are made where they are missing (not for Kubernetes, where they are inside).
    Raises BadUsage for a folder that can't be written to, and for a file of that name that is not ours.
    """
    texts = render(job, runner)
    into = place(runner) if folder is None else folder
    made = [into] if runner == "kubernetes" else [into, Path(job.recordings), Path(job.reports)]
    changed = []
    try:
        for needed in made:
            needed.mkdir(parents=True, exist_ok=True)
        for name in texts:
            _check_ours(into / name, job.name)
        for name, text in texts.items():
            if not (into / name).exists() or (into / name).read_text(encoding="utf-8") != text:
                write_whole(into / name, text)
                changed.append(into / name)
    except OSError as exc:
        raise BadUsage(f"{exc.filename or into}: {exc.strerror or exc}; choose a folder with --to, or be root") from exc
    return Written(tuple(into / name for name in texts), tuple(changed))


def jobs(folders: Iterable[Path] | None = None) -> list[Found]:
    """All jobs in these folders, by default in those where runners look; in the order of names."""
    found: dict[tuple[str, str, Path], list[Path]] = {}
    said: dict[tuple[str, str, Path], dict[str, str]] = {}
    for folder in dict.fromkeys(map(place, RUNNERS) if folders is None else folders):
        for path in sorted(folder.glob(f"{PREFIX}*")) if folder.is_dir() else ():
            facts = _facts(path)
            if facts is not None:
                key = (facts["name"], facts["runner"], folder)
                found.setdefault(key, []).append(path)
                said[key] = facts
    return [Found(**facts, paths=tuple(found[key])) for key, facts in sorted(said.items())]


def remove(name: str, folders: Iterable[Path] | None = None, *, dry_run: bool = False) -> list[Path]:
    """Delete the files of a job. Returns: which. Raises BadUsage where there is no such job."""
    everything = jobs(folders)
    paths = [path for job in everything if job.name == name for path in job.paths]
    if not paths:
        raise BadUsage(f"there is no job {name!r}; {nearest(name, {job.name for job in everything})}")
    if not dry_run:
        for path in paths:
            try:
                path.unlink()
            except OSError as exc:
                raise BadUsage(f"{path}: can't be deleted: {exc.strerror}") from exc
    return paths


def _facts(path: Path) -> dict[str, str] | None:
    try:
        return facts_of(path.read_text(encoding="utf-8")) if path.is_file() and not path.is_symlink() else None
    except (OSError, UnicodeDecodeError):
        return None


def _check_ours(path: Path, name: str) -> None:
    facts = _facts(path)
    if os.path.lexists(path) and (facts is None or facts["name"] != name):
        raise BadUsage(f"{path}: is there already, and `santabpf schedule` did not write it; choose another name")
