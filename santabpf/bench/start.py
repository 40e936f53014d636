"""How long it takes to begin: the package, the command line, and a recording until its first event."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import SantaError
from ..probes import EVERYTHING, expand
from ..units import SECOND
from .elves import Elf
from .figures import Family, Figure, Goal, Spread
from .sshd import Sshd, why_no_sshd

IMPORT, HELP = Goal(0.2), Goal(0.4)
PLANNED = [Figure("one probe", "s", None), Figure("all probes", "s", None)]
_TIMED_IMPORT = "import time; t = time.perf_counter(); import santabpf; print(time.perf_counter() - t)"


def measure_package(rounds: int) -> Family:
    """`import santabpf` inside a new Python, and `santabpf --help` from outside it."""
    imports, helps = [], []
    for _ in range(rounds):
        imports.append(float(_run(["-c", _TIMED_IMPORT])))
        before = time.perf_counter()
        _run(["-m", "santabpf", "--help"])
        helps.append(time.perf_counter() - before)
    return Family(
        "The package",
        figures=[
            Figure("import santabpf", "s", Spread.of(imports), IMPORT, "without the start of Python itself"),
            Figure("santabpf --help", "s", Spread.of(helps), HELP, "with the start of Python"),
        ],
    )


def measure_first_event(rounds: int, many: str) -> Family:
    """From the call that starts an elf to the arrival of its first event: with one probe, and with a set of them."""
    family = Family("From the start to the first event")
    with ExitStack() as stack:
        ways: list[tuple[str, str, int | None, dict[str, Any]]] = [("local", "local", None, {})]
        if not why_no_sshd():
            sshd = stack.enter_context(Sshd(Path(stack.enter_context(TemporaryDirectory(prefix="santabpf-")))))
            ways.append(("over SSH", sshd.node, sshd.pid, sshd.options))
        for what, specs in (("one probe", ["switches"]), (_named(many), expand(many) or [])):
            for way, node, sshd_pid, options in ways:
                family.figures.append(_first_event(f"{what}, {way}", specs, node, sshd_pid, options, rounds))
    return family


def _named(many: str) -> str:
    count = len(expand(many) or [])
    return f"all {count} probes" if many == EVERYTHING else f"{count} probes"


def _first_event(
    what: str, specs: list[str], node: str, sshd_pid: int | None, options: dict[str, Any], rounds: int
) -> Figure:
    took, compiler = [], []
    try:
        for _ in range(rounds):
            with Elf(specs, node, sshd_pid, **options) as elf:
                assert elf.first_event_s is not None
                took.append(elf.first_event_s)
                elf.stop()
            compiler.append(elf.compiler_ns)
    except SantaError as exc:
        return Figure(what, "s", None, None, str(exc))
    cost = f"the compiler's CPU: {Spread.of(compiler).median / SECOND:.2f} s" if any(compiler) else ""
    return Figure(what, "s", Spread.of(took), None, cost)


def _run(arguments: list[str]) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SantaError(f"python {arguments[0]} failed: {done.stderr.strip()[-200:]}")
    return done.stdout
