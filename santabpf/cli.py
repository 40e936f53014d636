"""The command line: flags in, one call, words or JSON out. Imported by nobody.

Exit codes: 0 done and quiet; 1 an error, or no report; 2 bad usage; 3 a scenario fired; 4 one cannot tell.
130 and 143 after Ctrl-C and SIGTERM, when nothing could be kept.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .errors import BadUsage, SantaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .recording import Recording
    from .replay import AlarmEvent, Result
    from .verdict import Verdict

_FIRED, _CANNOT_TELL = 3, 4


class _Commands(click.Group):
    """A group that names the nearest command when one is misspelt, and turns errors into one line."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from .errors import nearest

            raise click.UsageError(
                f"there is no command {args[0]!r}; {nearest(args[0], self.list_commands(ctx))}", ctx
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadUsage as exc:
            _die(str(exc), 2)
        except SantaError as exc:
            _die(str(exc), 1)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(1)


def _die(message: str, code: int) -> NoReturn:
    click.echo(f"santabpf: {_plain(message)}", err=True)
    sys.exit(code)


def _plain(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="santabpf")
def cli() -> None:
    """Record what the kernel of a Linux node does, judge it, and write the postmortem.

    NODE is local, or whatever ssh would take: web-1, root@10.0.0.7, admin@db:2222.
    """


def main() -> None:
    """The entry point: SIGTERM stops a command as cleanly as Ctrl-C does."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt("SIGTERM")

    signal.signal(signal.SIGTERM, terminate)
    try:
        cli.main(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt) as exc:  # click makes an Abort of each KeyboardInterrupt
        cause = exc.__cause__ or exc
        click.echo("santabpf: stopped before it was done", err=True)
        sys.exit(143 if cause.args == ("SIGTERM",) else 130)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)


# ------------------------------------------------------------------------------------------------ shared pieces


def _json_flag(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of words.")(command)


def _ssh_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--accept-new", is_flag=True, help="Trust a host key never seen before (never a changed one)."),
        click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False), help="Instead of ~/.ssh/config."),
    ):
        command = option(command)
    return command


def _record_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("-o", "--out", type=click.Path(path_type=Path), help="The new folder; it must not exist."),
        click.option("--tree", type=int, metavar="PID", help="Only this process and all it starts."),
        click.option("--cgroup", metavar="PATH", help="Only processes in this cgroup and below."),
        click.option("--no-mask", is_flag=True, help="Keep command lines as they are, passwords and tokens too."),
        click.option("-s", "--scenario", "scenarios", multiple=True, help="Record what this scenario needs."),
    ):
        command = option(command)
    return _ssh_flags(command)


def _ssh(accept_new: bool, ssh_config: str | None) -> dict[str, Any]:
    return {"accept_new": accept_new} | ({"config": ssh_config} if ssh_config else {})


def _recording(
    out: Path | None, tree: int | None, cgroup: str | None, no_mask: bool, scenarios: tuple[str, ...], **ssh: Any
) -> dict[str, Any]:
    """What _record_flags gave, as record() and watch() take it."""
    if tree is not None and cgroup is not None:
        raise BadUsage("--tree and --cgroup exclude each other")
    scope = {"tree": tree} if tree is not None else {"cgroup": cgroup} if cgroup is not None else None
    return {"scenarios": scenarios, "out": out, "scope": scope, "mask": not no_mask} | _ssh(**ssh)


def _show(value: object) -> None:
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def _verdict_json(verdicts: Iterable[Verdict]) -> list[Any]:
    return [json.loads(v.to_json()) for v in verdicts]


def _exit_code(verdicts: Iterable[Verdict]) -> int:
    states = {v.state for v in verdicts}
    return _FIRED if "fired" in states else _CANNOT_TELL if "cannot_tell" in states else 0


def _describe(recording: Recording) -> dict[str, Any]:
    return {
        "recording": str(recording.path),
        "state": recording.info["state"],
        "notes": recording.info.get("notes", []),
        "nodes": recording.nodes,
        "rows": {name: recording[name].rows for name in recording.tables},
    }


def _print_recording(recording: Recording) -> None:
    facts = _describe(recording)
    click.echo(f"{facts['recording']}  ({facts['state']}; {', '.join(facts['nodes'])})")
    for name, rows in facts["rows"].items():
        click.echo(f"  {name:<14} {rows:>10} rows")
    for note in facts["notes"]:
        click.echo(f"  note: {_plain(note)}")


# ----------------------------------------------------------------------------------------------------- commands


@cli.command()
@click.argument("node", default="local")
@_ssh_flags
@_json_flag
def check(node: str, accept_new: bool, ssh_config: str | None, as_json: bool) -> None:
    """Can NODE be recorded? Says what is missing and the command that mends it."""
    from .check import check as check_node

    result = check_node(node, **_ssh(accept_new, ssh_config))
    _show(result.as_dict()) if as_json else click.echo(_plain(result.to_text()))
    sys.exit(0 if result.ok else 1)


@cli.command()
@click.argument("nodes", nargs=-1)
@click.option("-p", "--probe", "probes", multiple=True, help="Record this, e.g. runq or runq:min_wait_ns=1000000.")
@click.option("-d", "--duration", default="30s", show_default=True, help="30s, 5m, ...; 0 for until Ctrl-C.")
@_record_flags
@_json_flag
def record(nodes: tuple[str, ...], probes: tuple[str, ...], duration: str, as_json: bool, **flags: Any) -> None:
    """Record NODES (local by default) into a new folder."""
    from .record import record as record_nodes

    recording = record_nodes(
        nodes or ("local",),
        probes=probes,
        duration=None if duration == "0" else duration,
        progress=not as_json and sys.stderr.isatty(),
        **_recording(**flags),
    )
    _show(_describe(recording)) if as_json else _print_recording(recording)
    sys.exit(0 if recording.info["state"] == "complete" else 1)


def _print_result(result: Result, as_json: bool) -> None:
    if as_json:
        _show({"verdicts": _verdict_json(result.verdicts)})
    else:
        click.echo("\n\n".join(v.to_text() for v in result.verdicts))


@cli.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Only this scenario; all by default.")
@_json_flag
def replay(recording: Path, scenarios: tuple[str, ...], as_json: bool) -> None:
    """Judge RECORDING. Exits 0 quiet, 3 fired, 4 cannot tell."""
    from .recording import open as open_recording
    from .replay import replay as replay_recording

    result = replay_recording(open_recording(recording), list(scenarios) or None)
    _print_result(result, as_json)
    sys.exit(_exit_code(result.verdicts))


@cli.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), default="postmortem.html", show_default=True)
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Only this scenario; all by default.")
@click.option("--notebook", type=click.Path(exists=True, path_type=Path), help="Instead of postmortem.ipynb.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="For the notebook.")
@_json_flag
def report(
    recording: Path,
    out: Path,
    scenarios: tuple[str, ...],
    notebook: Path | None,
    parameters: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the postmortem of RECORDING as one HTML file. Exits as replay does; 1 when there is no report."""
    from .recording import open as open_recording
    from .report import report as write_report

    given: dict[str, Any] = {}
    for pair in parameters:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadUsage(f"--parameter {pair!r} must be NAME=VALUE")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    made = write_report(
        open_recording(recording), out, scenarios=list(scenarios) or None, notebook=notebook, parameters=given
    )
    if as_json:
        facts = {"report": str(made.path), "exit_code": made.exit_code, "error": made.error}
        _show(facts | {"verdicts": _verdict_json(made.verdicts)})
    else:
        click.echo("\n\n".join(v.to_text() for v in made.verdicts))
        click.echo(f"\n{made.path}")
    if made.error:
        click.echo(f"santabpf: {_plain(made.error)}; {made.path} holds what came before, and where it failed", err=True)
    sys.exit(made.exit_code)


@cli.command()
@click.argument("node", default="local")
@click.option("-d", "--duration", default="0", help="How long; until Ctrl-C by default.")
@click.option("--exec", "command", metavar="CMD", help="Run by the shell at each alarm; the verdict JSON on its stdin.")
@_record_flags
@_json_flag
def watch(node: str, duration: str, command: str | None, as_json: bool, **flags: Any) -> None:
    """Watch NODE live: alarms as they begin and end. Keeps the recording. With --json, one object a line."""
    from .watch import watch as watch_node

    def tell(event: AlarmEvent) -> None:
        click.echo(json.dumps(event.as_dict(), sort_keys=True) if as_json else _plain(event.to_text()))

    if not as_json:
        click.echo(f"watching {node}; Ctrl-C stops", err=True)
    recording, result = watch_node(
        node,
        duration=None if duration == "0" else duration,
        on_alarm=tell,
        command=command,
        progress=False,
        **_recording(**flags),
    )
    if as_json:
        click.echo(json.dumps(_describe(recording) | {"verdicts": _verdict_json(result.verdicts)}, sort_keys=True))
    else:
        _print_result(result, False)
        _print_recording(recording)
    sys.exit(_exit_code(result.verdicts) if recording.info["state"] == "complete" else 1)


@cli.command()
@click.argument("scenario")
@click.option("--variant", help="Which of its provocations; the first by default.")
@click.option("--seconds", type=int, default=12, show_default=True)
@click.option("--node", default="local", show_default=True, help="Where; only local for now.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the recording in this new folder, anonymised.")
@click.option("--report", "report_to", type=click.Path(path_type=Path), help="Write the postmortem too.")
@_json_flag
def drill(
    scenario: str,
    variant: str | None,
    seconds: int,
    node: str,
    keep: Path | None,
    report_to: Path | None,
    as_json: bool,
) -> None:
    """Provoke SCENARIO for real, record it, and see that the verdict is right. Exits 0 when it is."""
    from .gym import drill as run_drill

    result = run_drill(scenario, variant, seconds=seconds, node=node, keep=keep, report=report_to)
    _show(result.as_dict()) if as_json else click.echo(_plain(result.to_text()))
    sys.exit(0 if result.ok else 1)


@cli.command()
@click.argument("scenario")
@click.option("--variant", help="Which of its provocations; the first by default.")
@click.option("--seconds", type=int, default=12, show_default=True)
@_json_flag
def reproduce(scenario: str, variant: str | None, seconds: int, as_json: bool) -> None:
    """Only provoke SCENARIO, contained, for a while: to see it with tools of your own."""
    from .gym import reproduce as run

    result = run(scenario, variant, seconds=seconds, say=lambda line: click.echo(_plain(line), err=True))
    _show(result.as_dict()) if as_json else click.echo(_plain(result.to_text()))


def _catalogue(table: Any, as_json: bool) -> None:
    rows = table.to_dict("records")
    if as_json:
        _show(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:<16} {row.get('title') or row['summary']}")
        for key, value in row.items():
            if value and key not in ("name", "title") and not (key == "summary" and not row.get("title")):
                click.echo(f"{'':<16} {key}: {', '.join(value) if isinstance(value, list) else value}")


@cli.command()
@_json_flag
def probes(as_json: bool) -> None:
    """What can be recorded."""
    from .catalogue import probes as table

    _catalogue(table(), as_json)


@cli.command()
@_json_flag
def scenarios(as_json: bool) -> None:
    """What can be judged."""
    from .catalogue import scenarios as table

    _catalogue(table(), as_json)


@cli.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default="postmortem.html", show_default=True)
@click.option("--bundled", is_flag=True, help="Use the bundled recording, even where BPF could be used.")
@_json_flag
def demo(out: Path, bundled: bool, as_json: bool) -> None:
    """Provoke a fault, record it, judge it, and write its postmortem: the whole way in under a minute."""
    from .demo import demo as run

    result = run(out, bundled=bundled, say=lambda line: click.echo(_plain(line), err=as_json))
    if as_json:
        _show(result.as_dict())
    sys.exit(result.exit_code)


@cli.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the figures to this Markdown file.")
@click.option("--quick", is_flag=True, help="Half a minute, to see that all can be measured; figures that say little.")
@_json_flag
def bench(out: Path | None, quick: bool, as_json: bool) -> None:
    """Measure what SantaBPF costs on this machine, beside other recorders and its own goals. Six minutes."""
    from .bench import bench as run

    result = run(out, quick=quick, say=lambda line: click.echo(line, err=as_json))
    if as_json:
        _show(result.as_dict())
