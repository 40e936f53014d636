"""Commands that let reports make themselves: schedule daily, folder, list, remove."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from .group import Commands, cli
from .shared import formats_flag, json_flag, plain, show


@cli.group(cls=Commands)
def schedule() -> None:
    """Reports that make themselves: by systemd, cron or Kubernetes."""


def _job_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    folder = click.Path(path_type=Path)
    for option in (
        click.option("--dry-run", is_flag=True, help="Print the files; write nothing."),
        click.option("--ssh-secret", default="", help="kubernetes: the Secret with the files of ~/.ssh."),
        click.option("--claim", default="", help="kubernetes: the volume claim that holds recordings and reports."),
        click.option("--image", default="", help="kubernetes: an image with santabpf in it."),
        click.option("--to", type=folder, help="Where the files go; by default to where they take effect."),
        click.option(
            "--with", "runner", type=click.Choice(["systemd", "cron", "kubernetes"]), default="systemd",
            show_default=True, help="Who runs it.",
        ),
        formats_flag,
        click.option("--reports", type=folder, required=True, help="Where reports gather, with their index.html."),
        click.option("--recordings", type=folder, required=True, help="Where recordings lie."),
    ):
        command = option(command)
    return json_flag(command)


@schedule.command()
@click.argument("name")
@click.argument("nodes", nargs=-1)
@click.option("--at", default="06:00", show_default=True, help="Time of day.")
@click.option("-d", "--duration", default="60s", show_default=True, help="How long it records.")
@click.option("-s", "--scenario", "scenarios", multiple=True, help="Record what this scenario needs.")
@_job_flags
def daily(name: str, nodes: tuple[str, ...], **flags: Any) -> None:
    """A health report every day: record NODES (local by default) for a while, judge, report."""
    _write(name=name, kind="daily", nodes=nodes or ("local",), **flags)


@schedule.command()
@click.argument("name")
@click.option("--every", default="15min", show_default=True, help="A part of an hour or of a day.")
@_job_flags
def folder(name: str, **flags: Any) -> None:
    """A report for every new recording in a folder."""
    _write(name=name, kind="folder", **flags)


def _write(
    *, runner: str, to: Path | None, image: str, claim: str, ssh_secret: str, dry_run: bool, as_json: bool,
    recordings: Path, reports: Path, **job: Any,
) -> None:  # fmt: skip
    from ..schedule import Job, Kubernetes, Runner, render, units, write

    if runner == "kubernetes" and image and claim:
        job["kubernetes"] = Kubernetes(image, claim, ssh_secret)
    job["formats"] = job["formats"] or ("html",)
    asked = Job(recordings=recordings.absolute(), reports=reports.absolute(), **job)
    by = cast(Runner, runner)
    if dry_run:
        texts = render(asked, by)
        show(texts) if as_json else click.echo("\n".join(f"# --- {file}\n{text}" for file, text in texts.items()))
        return
    written = write(asked, by, to)
    told = units.start(written.paths)
    if as_json:
        show({"files": list(map(str, written.paths)), "changed": list(map(str, written.changed)), "ran": told})
        return
    for path in written.paths:
        click.echo(plain(f"{path}  {'written' if path in written.changed else 'unchanged'}"))
    for command in told:
        click.echo(plain(f"ran: {command}"))
    if runner == "kubernetes":
        click.echo(plain(f"apply it: kubectl apply -f {written.paths[0]}"))


@schedule.command(name="list")
@click.option("--to", type=click.Path(path_type=Path), help="Look in this folder instead.")
@json_flag
def list_jobs(to: Path | None, as_json: bool) -> None:
    """All jobs that are there."""
    from ..schedule import jobs

    found = jobs(None if to is None else [to])
    if as_json:
        show([dataclasses.asdict(job) | {"paths": list(map(str, job.paths))} for job in found])
        return
    for job in found:
        click.echo(plain(f"{job.name}  {job.kind}, {job.when}, by {job.runner}: {job.recordings} -> {job.reports}"))
        click.echo(plain("".join(f"  {path}\n" for path in job.paths)), nl=False)
    if not found:
        click.echo("There are no jobs. Make one: santabpf schedule daily --help")


@schedule.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="Look in this folder instead.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@json_flag
def remove(name: str, to: Path | None, dry_run: bool, as_json: bool) -> None:
    """Take the job NAME away; recordings and reports stay."""
    from ..schedule import remove as remove_job
    from ..schedule import units

    folders = None if to is None else [to]
    paths = remove_job(name, folders, dry_run=True)
    if not dry_run:
        units.stop(paths)
        remove_job(name, folders)
        units.reload(paths)
    show({"removed": list(map(str, paths)), "dry_run": dry_run}) if as_json else click.echo(
        plain("\n".join(f"{'would delete' if dry_run else 'deleted'} {path}" for path in paths))
    )
