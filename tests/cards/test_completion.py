"""What IPython's own completer offers behind a recording, a table, and the shelves of probes and scenarios."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import santabpf as sb

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[False, True], ids=["plain", "jedi"])
def offered(request: pytest.FixtureRequest) -> Any:
    """offered(text, names) -> what is offered where the cursor stands at its end."""
    if request.param:
        pytest.importorskip("jedi")

    def complete(text: str, **names: Any) -> set[str]:
        completer = InteractiveShell.instance().Completer
        completer.use_jedi, completer.namespace = request.param, {"sb": sb, **names}
        with provisionalcompleter():
            found = {each.text for each in completer.completions(text, len(text))}
        return {each.strip("'\"]").rpartition(".")[2] for each in found}

    return complete


OPENED = f"import santabpf as sb; rec = sb.open({str(ROOT / 'recordings' / 'short_lived_jobs')!r})"
TERMINAL = """
import json
from IPython.terminal.ptutils import IPythonPTCompleter
from prompt_toolkit.document import Document
shell = get_ipython()
asked = {asked!r}
complete = IPythonPTCompleter(shell=shell).get_completions
print(json.dumps([[each.text for each in complete(Document(text), None)] for text in asked]))
"""
#: What is typed -> what must be offered, and what must not.
TYPED = {
    'rec["exec"]["': ({"comm", "argv", "node"}, {"%%!"}),
    'rec["exec"]["co': ({"comm", "container_id"}, {"argv"}),
    'rec["exec"].c': ({"comm", "container_id"}, {"argv"}),
    'rec["exec"].': ({"comm", "df", "schema"}, set()),
    "rec['exec'].sche": ({"schema"}, {"comm"}),
    'sb.scenarios["slow_dns"].al': ({"alarms"}, {"title"}),
    'sb.probes["runq"].': ({"tables", "summary"}, set()),
    "sb.probes.runq.t": ({"tables"}, {"summary"}),
}


def in_a_kernel() -> list[list[str]]:
    """As JupyterLab asks."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(cwd=str(ROOT))
    try:
        client.execute_interactive(OPENED, timeout=60)
        return [client.complete(text, len(text), reply=True, timeout=60)["content"]["matches"] for text in TYPED]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def in_a_terminal(*options: str) -> list[list[str]]:
    code = OPENED + TERMINAL.format(asked=list(TYPED))
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", *options, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    found: list[list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("shell", [
    in_a_kernel, in_a_terminal, partial(in_a_terminal, "--Completer.use_jedi=False"),
], ids=["kernel", "terminal", "terminal without jedi"])  # fmt: skip
def test_what_stands_behind_an_item_is_offered_too(shell: Any) -> None:
    for (text, (there, absent)), found in zip(TYPED.items(), shell(), strict=True):
        names = {each.strip(".'\"]") for each in found}
        assert there <= names, text
        assert not absent & names, text


def test_ipython_is_not_imported_for_it() -> None:
    code = f"import sys; {OPENED}; sb.probes; sys.exit('IPython' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.fixture(scope="module")
def rec() -> sb.Recording:
    return sb.open(ROOT / "recordings" / "short_lived_jobs")


def test_the_tables_of_a_recording(offered: Any, rec: sb.Recording) -> None:
    assert set(rec.tables) <= offered('rec["', rec=rec)
    assert set(rec.tables) <= offered("rec.", rec=rec)
    assert {"sql", "window", "info"} <= offered("rec.", rec=rec)
    assert "runq_hist" in offered("rec.run", rec=rec)


def test_the_columns_of_a_table(offered: Any, rec: sb.Recording) -> None:
    assert {"comm", "argv", "ts_ns", "node"} <= offered("rec.exec.", rec=rec)
    assert {"comm", "argv", "ts_ns", "node"} <= offered('table["', table=rec["exec"])
    assert {"df", "arrow", "schema"} <= offered("table.", table=rec["exec"])


def test_probes_and_scenarios(offered: Any) -> None:
    assert {"exec", "runq", "tcp"} <= offered("sb.probes.")
    assert {"exec", "runq", "tcp"} <= offered('sb.probes["')
    assert {"short_lived_jobs", "slow_dns"} <= offered('sb.scenarios["')
    assert {"short_lived_jobs", "slow_dns"} <= offered("sb.scenarios.")
    assert {"compare", "open", "probes"} <= offered("sb.")


def test_columns_are_what_they_are_named(rec: sb.Recording) -> None:
    assert rec.exec.comm.equals(rec["exec"]["comm"])
    assert len(rec.exec.comm) == rec["exec"].rows
    with pytest.raises(AttributeError, match="no column 'com'; did you mean 'comm'"):
        _ = rec.exec.com
    assert sb.probes.runq is sb.probes["runq"]
    assert "runq" in sb.probes
    assert len(sb.scenarios) == len(list(sb.scenarios))
    with pytest.raises(AttributeError, match="did you mean 'runq'"):
        _ = sb.probes.runk
    with pytest.raises(sb.SantaError, match="did you mean 'runq'"):
        _ = sb.probes["runk"]


def test_a_table_cannot_take_the_name_of_what_a_recording_does(offered: Any, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    shutil.copytree(ROOT / "recordings" / "cpu_usage", folder)
    told = json.loads((folder / "recording.json").read_text())
    for name in ("sql", "path", "refresh", "window", "state"):
        told["tables"][name] = {**told["tables"]["gaps"], "parts": [], "rows": 0}
    (folder / "recording.json").write_text(json.dumps(told))
    rec = sb.open(folder)
    assert rec.path == folder
    assert callable(rec.sql)
    assert rec.state == "complete"
    assert isinstance(rec.window, tuple)
    assert {"sql", "path", "metrics"} <= offered('rec["', rec=rec)
    rec.refresh()
    assert rec.path == folder
