"""A job: what is to be done, where and when; and the commands that do it.

In: what people ask for. Out: a checked Job; command lines; its time as systemd and cron write it. Never: a file.

    daily   record NODES for a while, then make a report of every recording that has none: a health report
    folder  now and then, make a report of every recording in a folder that has none
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import BadUsage
from ..units import HOUR, MINUTE, SECOND, parse_duration

Kind = Literal["daily", "folder"]
Runner = Literal["systemd", "cron", "kubernetes"]
RUNNERS: tuple[Runner, ...] = ("systemd", "cron", "kubernetes")
#: What can be the name of a unit, of a file in cron.d and of a CronJob (52 characters with our prefix).
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,41}[a-z0-9])?")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_STEPS = [minutes for minutes in range(1, 61) if 60 % minutes == 0] + [
    60 * hours for hours in range(2, 25) if 24 % hours == 0
]


@dataclass(frozen=True)
class Kubernetes:
    """What only a CronJob needs: an image with SantaBPF in it, the claim on the volume that holds recordings and
    reports, and the Secret with the files of ~/.ssh where nodes are reached over SSH."""

    image: str
    claim: str
    ssh_secret: str = ""


@dataclass(frozen=True)
class Job:
    """One job. Raises BadUsage for a name, time or path that no scheduler would take.

    recordings, reports  folders; absolute paths, and for Kubernetes those inside of the container
    at       daily: time of day, HH:MM, in the scheduler's own time zone
    every    folder: 5min, 15min, 1h, ...: a part of an hour or of a day
    nodes, duration, scenarios   daily: as for record(); without scenarios, the default set of probes
    formats  of the reports: html, md, pdf
    """

    name: str
    kind: Kind
    recordings: str | Path
    reports: str | Path
    at: str = "06:00"
    every: str = "15min"
    nodes: Sequence[str] = ("local",)
    duration: str = "60s"
    scenarios: Sequence[str] = ()
    formats: Sequence[str] = ("html",)
    kubernetes: Kubernetes | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadUsage(f"a job's name has small letters, digits and dashes, 43 at most; {self.name!r} does not fit")
        for text in (*self._texts(), *self.nodes, *self.scenarios):
            if not text or not text.isprintable():
                raise BadUsage(f"{text!r} can't stand in a schedule: it is empty or has control characters in it")
        for path in (self.recordings, self.reports):
            if not Path(path).is_absolute():
                raise BadUsage(f"{path}: a schedule runs anywhere, so its folders need absolute paths")
        if self.kubernetes is not None and self.volume == "/":
            raise BadUsage("recordings and reports need to lie on one volume: /data/recordings and /data/reports, say")
        if self.kind == "daily":
            if not _TIME.fullmatch(self.at):
                raise BadUsage(f"{self.at!r} is no time of day; write it like 06:00")
            if not SECOND <= _length(self.duration) <= 12 * HOUR:
                raise BadUsage(f"a daily job records for 1 s at least and 12 h at most, not {self.duration}")
        elif self.minutes not in _STEPS:
            raise BadUsage(f"every {self.every} is not a part of an hour or of a day; try 5min, 15min, 1h or 6h")

    def _texts(self) -> list[str]:
        more = self.kubernetes
        return [str(self.recordings), str(self.reports), *([more.image, more.claim] if more else [])]

    @property
    def minutes(self) -> float:
        """Minutes from one run to the next."""
        return 24 * 60 if self.kind == "daily" else _length(self.every) / MINUTE

    @property
    def duration_s(self) -> int:
        """How long a daily job records, in whole seconds."""
        return _length(self.duration) // SECOND

    @property
    def limit_s(self) -> int:
        """After so many seconds a run is given up."""
        return 3600 + (self.duration_s if self.kind == "daily" else 0)

    @property
    def spread_s(self) -> int:
        """Up to so many seconds later does it start, so that not all machines start at once."""
        return min(300, int(self.minutes * 6))

    @property
    def on_calendar(self) -> str:
        """When, as systemd writes it: see systemd.time(7)."""
        if self.kind == "daily":
            hour, minute = self._hour_and_minute
            return f"*-*-* {hour:02}:{minute:02}:00"
        hours, minutes = divmod(int(self.minutes), 60)
        return f"*-*-* *:0/{minutes}:00" if not hours else f"*-*-* 0/{hours}:00:00"

    @property
    def cron(self) -> str:
        """When, as cron writes it: see crontab(5)."""
        if self.kind == "daily":
            hour, minute = self._hour_and_minute
            return f"{minute} {hour} * * *"
        hours, minutes = divmod(int(self.minutes), 60)
        return f"*/{minutes} * * * *" if not hours else f"0 */{hours} * * *"

    @property
    def _hour_and_minute(self) -> tuple[int, int]:
        hour, minute = self.at.split(":")
        return int(hour), int(minute)

    @property
    def when(self) -> str:
        """When, for people."""
        return f"every day at {self.at}" if self.kind == "daily" else f"every {self.every}"

    @property
    def is_local(self) -> bool:
        """Whether it records the machine it runs on, which takes root."""
        return self.kind == "daily" and "local" in self.nodes

    @property
    def volume(self) -> str:
        """Where in a container the volume is mounted: what its folders have in common."""
        return os.path.commonpath([self.recordings, self.reports])

    def commands(self, program: Sequence[str]) -> list[list[str]]:
        """What runs, one after the other; each only if the one before it went well. program: what santabpf is there."""
        report = [*program, "report", "--new", str(self.recordings), "--into", str(self.reports)]
        report += ["--format", ",".join(self.formats)] if tuple(self.formats) != ("html",) else []
        if self.kind == "folder":
            return [report]
        wanted = [part for name in self.scenarios for part in ("-s", name)] or ["-p", "default"]
        record = [*program, "record", "-d", self.duration, *wanted, "--into", str(self.recordings), "--", *self.nodes]
        return [record, report]


def _length(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise BadUsage(str(exc)) from exc
