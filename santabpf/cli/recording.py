"""Commands that make recordings: check, record, watch."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from .group import cli
from .shared import (
    describe,
    exit_code,
    json_flag,
    plain,
    print_recording,
    print_result,
    record_flags,
    record_options,
    show,
    ssh_flags,
    ssh_options,
    verdict_json,
)

if TYPE_CHECKING:
    from ..replay import AlarmEvent


@cli.command()
@click.argument("node", default="local")
@ssh_flags
@json_flag
def check(node: str, accept_new: bool, ssh_config: str | None, as_json: bool) -> None:
    """Can NODE be recorded? Says what is missing and the command that mends it."""
    from ..check import check as check_node

    result = check_node(node, **ssh_options(accept_new, ssh_config))
    show(result.as_dict()) if as_json else click.echo(plain(result.to_text()))
    sys.exit(0 if result.ok else 1)


@cli.command()
@click.argument("nodes", nargs=-1)
@click.option(
    "-p", "--probe", "probes", multiple=True, help="A probe (runq, runq:min_wait_ns=1000000) or a set (default)."
)
@click.option("-d", "--duration", default="30s", show_default=True, help="30s, 5m, ...; 0 for until Ctrl-C.")
@record_flags
@json_flag
def record(nodes: tuple[str, ...], probes: tuple[str, ...], duration: str, as_json: bool, **flags: Any) -> None:
    """Record NODES (local by default) into a new folder."""
    from ..record import record as record_nodes
    from ..record import select

    chosen = select(flags["scenarios"], probes)
    for probe in () if as_json else (probe for probe, _ in chosen if not probe.sets):
        click.echo(f"{probe.name}: on demand only, in no set. {probe.cost}", err=True)
    recording = record_nodes(
        nodes or ("local",),
        probes=probes,
        duration=None if duration == "0" else duration,
        progress=not as_json and sys.stderr.isatty(),
        **record_options(**flags),
    )
    show(describe(recording)) if as_json else print_recording(recording)
    sys.exit(0 if recording.info["state"] == "complete" else 1)


@cli.command()
@click.argument("node", default="local")
@click.option("-d", "--duration", default="0", help="How long; until Ctrl-C by default.")
@click.option("--exec", "command", metavar="CMD", help="Run by the shell at each alarm; the verdict JSON on its stdin.")
@record_flags
@json_flag
def watch(node: str, duration: str, command: str | None, as_json: bool, **flags: Any) -> None:
    """Watch NODE live: alarms as they begin and end. Keeps the recording. With --json, one object a line."""
    from ..watch import watch as watch_node

    def tell(event: AlarmEvent) -> None:
        click.echo(json.dumps(event.as_dict(), sort_keys=True) if as_json else plain(event.to_text()))

    if not as_json:
        click.echo(f"watching {node}; Ctrl-C stops", err=True)
    recording, result = watch_node(
        node,
        duration=None if duration == "0" else duration,
        on_alarm=tell,
        command=command,
        progress=False,
        **record_options(**flags),
    )
    if as_json:
        click.echo(json.dumps(describe(recording) | {"verdicts": verdict_json(result.verdicts)}, sort_keys=True))
    else:
        print_result(result, False)
        print_recording(recording)
    sys.exit(exit_code(result.verdicts) if recording.info["state"] == "complete" else 1)
