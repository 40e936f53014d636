"""Commands that provoke trouble: drill, reproduce, gym, demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import BadUsage
from .group import cli
from .shared import json_flag, plain, show, ssh_flags, ssh_options


@cli.command()
@click.argument("scenario")
@click.option("--variant", help="Which of its provocations; the first by default.")
@click.option("--seconds", type=int, default=12, show_default=True)
@click.option("--node", default="local", show_default=True, help="Where; on another node it asks first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("-p", "--probe", "probes", multiple=True, help="Record this too, a probe or a set.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the recording in this new folder, anonymised.")
@click.option("--report", "report_to", type=click.Path(path_type=Path), help="Write the postmortem too.")
@ssh_flags
@json_flag
def drill(
    scenario: str,
    variant: str | None,
    seconds: int,
    node: str,
    yes: bool,
    probes: tuple[str, ...],
    keep: Path | None,
    report_to: Path | None,
    as_json: bool,
    **ssh: Any,
) -> None:
    """Provoke SCENARIO for real, record it, and see that the verdict is right. Exits 0 when it is."""
    from ..gym import drill as run_drill

    options = _there(node, yes, ssh)
    result = run_drill(
        scenario, variant, seconds=seconds, node=node, probes=probes, keep=keep, report=report_to, **options
    )
    show(result.as_dict()) if as_json else click.echo(plain(result.to_text()))
    sys.exit(0 if result.ok else 1)


def _there(node: str, yes: bool, ssh: dict[str, Any]) -> dict[str, Any]:
    """What a drill on another node takes: how it is reached, and who says whether it may be."""

    def ask(what: str) -> bool:
        click.echo(plain(what), err=True)
        if not yes and not sys.stdin.isatty():
            raise BadUsage("nobody is here to say yes to that; --yes says it beforehand")
        return yes or click.confirm("Do it?", err=True)

    return {"ask": ask, **ssh_options(**ssh)} if node != "local" else {}


@cli.command()
@click.argument("scenario")
@click.option("--variant", help="Which of its provocations; the first by default.")
@click.option("--seconds", type=int, default=12, show_default=True)
@json_flag
def reproduce(scenario: str, variant: str | None, seconds: int, as_json: bool) -> None:
    """Only provoke SCENARIO, contained, for a while: to see it with tools of your own."""
    from ..gym import reproduce as run

    result = run(scenario, variant, seconds=seconds, say=lambda line: click.echo(plain(line), err=True))
    show(result.as_dict()) if as_json else click.echo(plain(result.to_text()))


@cli.command()
@click.argument("scenarios", nargs=-1)
@click.option("-n", "--times", default=5, show_default=True, help="How often each drill is run.")
@click.option("--seconds", type=int, default=10, show_default=True, help="How long each trouble is provoked.")
@click.option("--node", default="local", show_default=True, help="Where; on another node it asks before each.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--alone", is_flag=True, help="Record and judge each by its own scenario only.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR",
              help="Keep the recordings here; those that are here already are judged again, not made again.")
@click.option("--runs", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Add each run to this file; those that it holds count, and are not made again, unless the drill or "
              "its scenario has changed.")
@click.option("-o", "--out", type=click.Path(path_type=Path),
              help="Write the figures to this Markdown file, instead of printing them.")
@ssh_flags
@json_flag
def gym(
    scenarios: tuple[str, ...],
    times: int,
    seconds: int,
    node: str,
    yes: bool,
    alone: bool,
    keep: Path | None,
    runs: Path | None,
    out: Path | None,
    as_json: bool,
    **ssh: Any,
) -> None:
    """Run all drills and look-alikes of SCENARIOS (all by default): how often are verdicts right? 0: always."""
    from ..gym import gym as run

    def say(line: str) -> None:
        click.echo(plain(line), err=as_json)

    options = _there(node, yes, ssh)
    result = run(
        scenarios, times=times, seconds=seconds, node=node, alone=alone, keep=keep, runs=runs, say=say, **options
    )
    if out is not None:
        out.write_text(result.to_markdown(), encoding="utf-8")
    elif not as_json:
        click.echo(plain(f"\n{result.to_markdown()}"))
    say(result.to_text())
    if as_json:
        show(result.as_dict())
    sys.exit(0 if result.ok else 1)


@cli.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default="postmortem.html", show_default=True)
@click.option("--bundled", is_flag=True, help="Use the bundled recording, even where BPF could be used.")
@json_flag
def demo(out: Path, bundled: bool, as_json: bool) -> None:
    """Provoke a fault, record it, judge it, and write its postmortem: the whole way in under a minute."""
    from ..demo import demo as run

    result = run(out, bundled=bundled, say=lambda line: click.echo(plain(line), err=as_json))
    if as_json:
        show(result.as_dict())
    sys.exit(result.exit_code)


