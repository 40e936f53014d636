"""Who may import whom. The table is the architecture: a new arrow is a decision, not an accident."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "santabpf"

#: room -> rooms it may import (its own is always allowed). Rooms not named here may import nothing of ours.
MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "units": set(),
    "wire": set(),
    "whole": set(),
    "shipped": set(),
    "places": {"errors", "shipped"},
    "machine": {"units"},
    "elf": {"wire"},
    "schema": {"errors"},
    "completion": set(),
    "cards": {"display", "probes", "recording", "replay", "scenarios", "tables", "units", "verdict"},
    "probes": {"cards", "errors", "places", "schema", "units"},
    "tables": {"errors", "places", "probes", "schema"},
    # left wing: bytes from a node
    "transport": {"errors", "units"},
    "launch": {"errors", "transport", "units", "wire"},
    "check": {"errors", "launch", "probes", "transport", "units", "wire"},
    "symbols": {"errors", "launch", "tables", "transport", "wire"},
    "decode": {"errors", "probes", "schema", "tables", "units", "wire"},
    "record": {
        "decode", "errors", "launch", "probes", "recording", "scenarios", "symbols", "tables", "transport", "units",
    },
    # the door
    "recording": {"cards", "completion", "errors", "probes", "replay", "schema", "shipped", "tables", "units"},
    # right wing: needs nothing but a folder
    "scenarios": {"cards", "errors", "places", "probes", "schema", "tables", "units"},
    "replay": {"cards", "errors", "probes", "recording", "scenarios", "schema", "tables", "units", "verdict"},
    "verdict": {"cards", "errors", "recording", "replay", "scenarios", "units"},
    "charts": {"display", "errors", "units"},
    "display": {"errors", "shipped", "units"},
    "postmortem": {"cards", "charts", "display", "errors", "recording", "replay", "scenarios", "units", "verdict"},
    "report": {"display", "errors", "recording", "replay", "scenarios", "shipped", "units", "verdict", "whole"},
    "workbench": {
        "charts", "check", "compare", "display", "errors", "places", "postmortem", "probes", "recording", "replay",
        "report", "scenarios", "shipped", "tables", "units", "verdict", "watch", "whole",
    },
    # whole ways
    "lab": {"errors", "shipped"},
    "watch": {"record", "recording", "replay", "scenarios", "errors"},
    "gym": {
        "check", "errors", "launch", "machine", "record", "recording", "replay", "report", "scenarios", "shipped",
        "transport", "units", "verdict",
    },
    "demo": {"check", "errors", "gym", "recording", "replay", "report", "shipped", "units", "verdict"},
    "measure": {"probes", "record", "units"},
    "schedule": {"errors", "places", "units", "whole"},
    "verify": {"errors", "recording", "replay", "report", "scenarios", "verdict"},
    "sweep": {"charts", "display", "errors", "recording", "replay", "report", "scenarios", "units"},
    "compare": {"charts", "display", "errors", "probes", "recording", "replay", "report", "schema", "units"},
    "catalogue": {"completion", "display", "errors", "places", "probes", "scenarios", "schema", "tables"},
    "bench": {
        "charts", "decode", "display", "elf", "errors", "launch", "machine", "probes", "record", "recording", "replay",
        "report", "scenarios", "shipped", "sweep", "tables", "transport", "units", "wire", "workbench",
    },  # of the elf: its stub headers, for the BCC callback that it is compared with
    "cli": None,  # everything; nobody imports it
}
#: foreign library -> the only rooms that may import it
ONE_DOOR = {
    "bcc": {"elf", "bench"},  # bench: the BCC callback that the elf is compared with
    "paramiko": {"transport"},
    "pyarrow.parquet": {"recording"},
    "plotly": {"charts", "display"},
    "papermill": {"report"},
    "nbconvert": {"report"},
    "nbclient": {"report"},
    "nbformat": {"report"},
    "bleach": {"report"},
    "jupyter_client": {"report"},
    "ipywidgets": {"workbench"},
    "anywidget": {"workbench"},
    "traitlets": {"workbench", "report"},
    "duckdb": {"replay"},
    "jinja2": {"verdict", "scenarios", "report", "schedule"},
    "elftools": {"symbols"},
    "itanium_demangler": {"symbols"},
    "click": {"cli"},
    "yaml": {"schema"},
}


def rooms() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] != "_shipped":
            yield inside.parts[0].removesuffix(".py"), path


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import in a file, wherever it stands."""
    package = ["santabpf", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "santabpf" or (node.level and not node.module):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda v: v if isinstance(v, str) else v.stem)
def test_a_room_imports_only_the_rooms_it_may(room: str, path: Path) -> None:
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT whom it may import"
    allowed = MAY_IMPORT[room]
    if allowed is None or room == "__init__":
        return
    for line, name in imported(path):
        parts = name.split(".")
        if parts[0] == "santabpf" and len(parts) > 1 and parts[1] != room and parts[1] in MAY_IMPORT:
            assert parts[1] in allowed, f"{path}:{line}: {room} may not import {parts[1]}"


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda v: v if isinstance(v, str) else v.stem)
def test_a_foreign_library_has_one_door(room: str, path: Path) -> None:
    for line, name in imported(path):
        for library, doors in ONE_DOOR.items():
            if name == library or name.startswith(library + "."):
                assert room in doors, f"{path}:{line}: {library} may be imported in {doors} only"


def test_nobody_imports_the_command_line() -> None:
    for room, path in rooms():
        if room not in ("__main__", "cli"):
            assert not any(name.startswith("santabpf.cli") for _, name in imported(path)), path


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, santabpf; print(' '.join(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "pyarrow", "numpy", "duckdb", "plotly", "paramiko", "click", "yaml"} & set(loaded)


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, contextlib, io\nsys.argv = ['santabpf', '--help']\nfrom santabpf.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n    main()\n"
        "assert 'postmortem' in out.getvalue()\nprint(' '.join(m for m in sys.modules if '.' not in m))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "click" in loaded
    assert not {"pandas", "pyarrow", "numpy", "duckdb", "plotly", "paramiko", "yaml"} & set(loaded)


def test_public_names_stay_themselves_after_a_module_of_that_name_was_imported() -> None:
    code = (
        "import santabpf.recording, santabpf.replay, santabpf.record, santabpf.report, santabpf.check, santabpf as sb\n"
        "print(all(callable(getattr(sb, n)) for n in ('record', 'open', 'replay', 'report', 'check', 'watch')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
