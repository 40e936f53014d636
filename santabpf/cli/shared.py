"""What several commands share: flags, and how things are printed. Never: a command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..errors import BadUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..recording import Recording
    from ..replay import Result
    from ..verdict import Verdict

_FIRED, _CANNOT_TELL = 3, 4
FORMATS = ("html", "md", "pdf")


def die(message: str, code: int) -> NoReturn:
    click.echo(f"santabpf: {plain(message)}", err=True)
    sys.exit(code)


def plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def json_flag(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of words.")(command)


def formats_flag(command: Callable[..., Any]) -> Callable[..., Any]:
    """--format html,md,pdf"""

    def split(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
        formats = None if value is None else tuple(dict.fromkeys(name.strip().lower() for name in value.split(",")))
        for name in formats or ():
            if name not in FORMATS:
                raise click.BadParameter(f"{name!r} is none of {', '.join(FORMATS)}")
        return formats

    return click.option("--format", "formats", callback=split, metavar="html,md,pdf", help="Of the report.")(command)


def ssh_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--accept-new", is_flag=True, help="Trust a host key never seen before (never a changed one)."),
        click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False), help="Instead of ~/.ssh/config."),
    ):
        command = option(command)
    return command


def record_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--into", type=click.Path(path_type=Path), help="A folder in which the new one is made."),
        click.option("-o", "--out", type=click.Path(path_type=Path), help="The new folder; it must not exist."),
        click.option("--tree", type=int, metavar="PID", help="Only this process and all it starts."),
        click.option("--cgroup", metavar="PATH", help="Only processes in this cgroup and below."),
        click.option("--no-mask", is_flag=True, help="Keep command lines as they are, passwords and tokens too."),
        click.option("-s", "--scenario", "scenarios", multiple=True, help="Record what this scenario needs."),
    ):
        command = option(command)
    return ssh_flags(command)


def ssh_options(accept_new: bool, ssh_config: str | None) -> dict[str, Any]:
    return {"accept_new": accept_new} | ({"config": ssh_config} if ssh_config else {})


def record_options(
    out: Path | None,
    into: Path | None,
    tree: int | None,
    cgroup: str | None,
    no_mask: bool,
    scenarios: tuple[str, ...],
    **ssh: Any,
) -> dict[str, Any]:
    """What record_flags gave, as record() and watch() take it."""
    if tree is not None and cgroup is not None:
        raise BadUsage("--tree and --cgroup exclude each other")
    if out is not None and into is not None:
        raise BadUsage("--out and --into exclude each other")
    scope = {"tree": tree} if tree is not None else {"cgroup": cgroup} if cgroup is not None else None
    where = {"out": out} | ({"into": into} if into is not None else {})
    return {"scenarios": scenarios, **where, "scope": scope, "mask": not no_mask} | ssh_options(**ssh)


def show(value: object) -> None:
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def verdict_json(verdicts: Iterable[Verdict]) -> list[Any]:
    return [json.loads(v.to_json()) for v in verdicts]


def exit_code(verdicts: Iterable[Verdict]) -> int:
    states = {v.state for v in verdicts}
    return _FIRED if "fired" in states else _CANNOT_TELL if "cannot_tell" in states else 0


def describe(recording: Recording) -> dict[str, Any]:
    return {
        "recording": str(recording.path),
        "state": recording.info["state"],
        "notes": recording.info.get("notes", []),
        "nodes": recording.nodes,
        "rows": {name: recording[name].rows for name in recording.tables},
    }


def print_recording(recording: Recording) -> None:
    facts = describe(recording)
    click.echo(f"{facts['recording']}  ({facts['state']}; {', '.join(facts['nodes'])})")
    for name, rows in facts["rows"].items():
        click.echo(f"  {name:<14} {rows:>10} rows")
    for note in facts["notes"]:
        click.echo(f"  note: {plain(note)}")


def print_result(result: Result, as_json: bool) -> None:
    if as_json:
        why = [explanation.as_dict() for explanation in result.explanations]
        also = [{"scenario": v.scenario, "node": v.node} for v in result.also_seen]
        show({"verdicts": verdict_json(result.verdicts), "explanations": why, "also_seen": also,
              "notes": list(result.notes)})
    else:
        click.echo(str(result))
