"""Reports that make themselves: a job -> the files by which systemd, cron or Kubernetes runs it.

    from santabpf.schedule import Job, write, jobs, remove
    write(Job("night", "daily", recordings="/srv/recordings", reports="/srv/reports"), "systemd")

    job.py     what is to be done, where and when; the commands that do it
    render.py  a job -> the text of its files, out of templates/
    files.py   written, listed and removed; never a file that is not ours
    units.py   systemd told of a timer that came or goes

In: a job. Out: files that say in their first line what they are. Never: runs a job.
"""

from __future__ import annotations

from .files import Found, Written, jobs, place, remove, write
from .job import RUNNERS, Job, Kubernetes, Runner
from .render import render

__all__ = ["RUNNERS", "Found", "Job", "Kubernetes", "Runner", "Written", "jobs", "place", "remove", "render", "write"]
