"""A job -> the text of its files, out of the templates beside this module.

In: a Job, a runner. Out: file names with their text, the same for the same job. Never: a file, a clock.

Each first line says what it is: `# santabpf schedule: {...}`, JSON by which it is listed, and known to be ours.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import sys
from pathlib import Path

import jinja2

from ..errors import BadUsage
from ..places import ENVIRONMENT
from .job import Job, Runner

PREFIX = "santabpf-"
MARK = "# santabpf schedule: "
_FACTS = {"name", "kind", "runner", "when", "recordings", "reports"}
_PLAIN = re.compile(r"[\w@.,:/+=-]+", re.ASCII)
_FILES: dict[Runner, dict[str, str]] = {
    "systemd": {".service": "systemd.service.j2", ".timer": "systemd.timer.j2"},
    "cron": {"": "cron.j2"},
    "kubernetes": {".yaml": "cronjob.yaml.j2"},
}


def render(job: Job, runner: Runner) -> dict[str, str]:
    """File name -> text. Raises BadUsage where a CronJob lacks its image or claim."""
    if runner == "kubernetes" and job.kubernetes is None:
        raise BadUsage("a CronJob needs an image with SantaBPF in it, and a claim on a volume: --image, --claim")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or ""), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"unit": unit_line, "unit_word": unit_word, "crontab": crontab_line, "json": json.dumps}
    program = ["santabpf"] if runner == "kubernetes" else [sys.executable, "-m", "santabpf"]
    script = _script(job.commands(program))
    given = {
        "job": job, "mark": MARK + json.dumps(_facts(job, runner), sort_keys=True),
        "commands": job.commands(program), "user": pwd.getpwuid(os.geteuid()).pw_name, "home": str(Path.home()),
        "own_places": os.environ.get(ENVIRONMENT, ""), "is_root": os.geteuid() == 0, "script": script,
        "locked": ["flock", "-n", str(job.recordings), "/bin/sh", "-c", script], "volume": job.volume,
    }  # fmt: skip
    return {
        f"{PREFIX}{job.name}{suffix}": environment.get_template(template).render(given)
        for suffix, template in _FILES[runner].items()
    }


def _facts(job: Job, runner: Runner) -> dict[str, str]:
    return {
        "name": job.name, "kind": job.kind, "runner": runner, "when": job.when,
        "recordings": str(job.recordings), "reports": str(job.reports),
    }  # fmt: skip


def _script(commands: list[list[str]]) -> str:
    """The commands for a shell, one after the other; that a scenario fired (3) or cannot tell (4) is no failure."""
    return " && ".join(map(shlex.join, commands)) + "; code=$?; case $code in 3|4) exit 0;; esac; exit $code"


def unit_word(text: str) -> str:
    """One word of a unit file, quoted; nothing in it is a specifier, a variable or an escape."""
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def unit_line(argv: list[str]) -> str:
    """A command for ExecStart=. See systemd.service(5), COMMAND LINES."""
    return " ".join(unit_word(word).replace("$", "$$") for word in argv)


def crontab_line(argv: list[str]) -> str:
    """A command for a crontab, where a bare % would begin the standard input."""
    return shlex.join(argv).replace("%", "\\%")


def facts_of(text: str) -> dict[str, str] | None:
    """What the first line of one of our files says, as _facts() put it there; None where it is not ours."""
    first = text.partition("\n")[0]
    try:
        facts = json.loads(first.removeprefix(MARK)) if first.startswith(MARK) else None
    except ValueError:
        return None
    ours = isinstance(facts, dict) and facts.keys() == _FACTS and all(isinstance(v, str) for v in facts.values())
    return facts if ours else None
