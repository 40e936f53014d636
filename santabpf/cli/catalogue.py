"""Commands about what there is, and what it costs: probes, scenarios, bench."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .group import cli
from .shared import json_flag, show, ssh_flags, ssh_options


def _each(table: Any, as_json: bool) -> None:
    """All that is known of each row: a few lines. What was measured, these say in one sentence."""
    rows = table.to_dict("records")
    if as_json:
        show(rows)
        return
    for row in rows:
        click.echo(f"{row['name']:<16} {row.get('title') or row['summary']}")
        for key, value in row.items():
            if key in ("name", "title", "dearer_percent", "ns_a_run") or (key == "summary" and not row.get("title")):
                continue
            if value:
                words = f"{key}: {', '.join(value) if isinstance(value, list) else value}"
                click.echo(click.wrap_text(words, 110, " " * 17, " " * 17 + " " * (len(key) + 2)))


def _lines(table: Any) -> None:
    """One line a probe: its sets, what it was measured to cost, and what it records."""
    click.echo(f"{'probe':<16} {'sets':<26} {'ns a run':>8} {'CPU, under load':>16}  what")
    for row in table.to_dict("records"):
        sets = " ".join(name[:3] for name in row["sets"]) or "-"
        ns = "-" if row["ns_a_run"] is None else row["ns_a_run"]
        dearer = "-" if row["dearer_percent"] is None else f"{row['dearer_percent']:+.1f} %"
        source = f" [{row['source']}]" if row["source"] else ""
        click.echo(f"{row['name']:<16} {sets:<26} {ns:>8} {dearer:>16}  {row['summary'].rstrip('.')}{source}")


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--measure", "node", metavar="NODE", help="Record them on NODE for 10 s, and say what they cost there.")
@ssh_flags
@json_flag
def probes(names: tuple[str, ...], node: str | None, as_json: bool, **ssh: Any) -> None:
    """What can be recorded, and what each probe costs. NAMES: only these probes and sets."""
    from ..catalogue import probe_sets
    from ..catalogue import probes as table

    found = table(names)
    if node is not None:
        _measure(node, list(found["name"]) if names else [], as_json, ssh_options(**ssh))
        return
    if names or as_json:
        _each(found, as_json)
    else:
        _lines(found)
        click.echo("\nMore about one, and its parameters: santabpf probes NAME. Sets, for -p SET:")
        for name, what in probe_sets().items():
            click.echo(f"  {name:<14} {what}")


def _measure(node: str, names: list[str], as_json: bool, ssh: dict[str, Any]) -> None:
    from ..measure import measure
    from ..units import format_count

    rows, elf = measure(node, names, progress=not as_json and sys.stderr.isatty(), **ssh)
    if as_json:
        show({"node": node, "elf_core_percent": elf, "probes": [row._asdict() for row in rows]})
        return
    click.echo(f"{'probe':<16} {'runs a second':>14} {'ns a run':>9} {'% of a core':>12}")
    for row in rows:
        if row.runs_a_second is None:
            click.echo(f"{row.probe:<16} {'-':>14} {'-':>9} {'-':>12}")
        else:
            runs = format_count(round(row.runs_a_second))
            click.echo(f"{row.probe:<16} {runs:>14} {row.ns_a_run:>9.0f} {row.core_percent:>12.3f}")
    total = sum(row.core_percent or 0.0 for row in rows)
    click.echo(f"{'all of these':<16} {'':>14} {'':>9} {total:>12.3f}   borne by what was traced")
    click.echo(f"{'the elf':<16} {'':>14} {'':>9} {elf:>12.3f}   a process of its own")


@cli.command()
@json_flag
def scenarios(as_json: bool) -> None:
    """What can be judged."""
    from ..catalogue import scenarios as table

    _each(table(), as_json)


@cli.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the figures to this Markdown file.")
@click.option("--quick", is_flag=True, help="Half a minute, to see that all can be measured; figures that say little.")
@click.option("--costs", is_flag=True, help="Only each probe's cost, into its folder: half a minute a probe.")
@click.option("-p", "--probe", "names", multiple=True, help="With --costs: only this probe.")
@json_flag
def bench(out: Path | None, quick: bool, costs: bool, names: tuple[str, ...], as_json: bool) -> None:
    """Measure what SantaBPF costs here, beside other recorders and its own goals. Some twenty-five minutes."""
    if costs:
        from ..bench.probe_costs import PAIRS, measure_all

        measure_all(names, 1 if quick else PAIRS, click.echo)
        return
    from ..bench import bench as run

    result = run(out, quick=quick, say=lambda line: click.echo(line, err=as_json))
    if as_json:
        show(result.as_dict())
