"""A report: three files or none that looks whole, an exit code, and nothing left behind."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
import synthetic
from books import NotebookMaker

import santabpf as sb
from santabpf.errors import BadUsage, ReportFailed
from santabpf.recording import Recording
from santabpf.report import Report

ROOT = Path(__file__).parents[2]


def output_of(report: Report, cell: int) -> str:
    """What the last cell printed or returned."""
    found = nbformat.read(report.notebook_path, as_version=4).cells[cell].outputs
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in found)


def test_a_report_is_a_page_a_notebook_and_the_verdicts(made: Report) -> None:
    assert made.exit_code == 3
    assert made.error is None
    assert sorted(p.name for p in made.path.parent.iterdir()) == [
        "postmortem.html", "postmortem.ipynb", "postmortem.verdict.json"]
    written = json.loads(made.verdict_path.read_text())["verdicts"]
    assert written == [json.loads(verdict.to_json()) for verdict in made.verdicts]
    assert {v["scenario"]: v["state"] for v in written}["short_lived_jobs"] == "fired"


def test_the_page_has_every_section_in_its_order(made: Report) -> None:
    page = made.path.read_text()
    wanted = ["summary", "impact", "timeline", "cause", "how-it-was-detected", "ruled-out", "what-could-not-be-told",
              "what-to-do-next", "action-items", "receipt"]
    at = [page.index(f'<h2 id="{name}">') for name in wanted]
    assert at == sorted(at)


def test_the_page_hides_the_code_and_names_no_address(made: Report) -> None:
    page = made.path.read_text()
    body = page.split('<script type="application/octet-stream"')[0]
    assert "postmortem.summary(rec, result)" not in page
    assert "sb.open(recording)" not in page
    assert "http://" not in body.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in body
    assert "Content-Security-Policy" in page
    assert len(page.encode()) < 4 << 20


def test_the_page_says_the_verdict_in_plain_words(made: Report) -> None:
    page = made.path.read_text()
    verdict = made.verdicts[0]
    assert '<div class="santa-state">Fired</div>' in page
    for sentence in verdict.summary:
        assert sentence.text.split("'")[0] in page
    assert f"digest {verdict.digest}" in page


def test_an_empty_recording_is_a_whole_report_that_cannot_tell(tmp_path: Path) -> None:
    empty = sb.open(synthetic.nothing_happened(tmp_path / "empty", ["exec", "exit", "fork", "runq"]))
    made = sb.report(empty, tmp_path / "out.html")
    assert (made.error, made.exit_code) == (None, 4)
    assert "This report is not whole" not in made.path.read_text()


def test_the_same_recording_gives_the_same_page(recording: Recording, made: Report, tmp_path: Path) -> None:
    again = sb.report(str(recording.path), tmp_path / "postmortem.html")  # its folder will do
    assert again.path.read_text() == made.path.read_text()


def test_nothing_is_judged_twice(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = sb.replay(recording)
    marked = tuple(dataclasses.replace(v, title="judged by the parent") for v in result.verdicts)
    module = sys.modules["santabpf.report"]
    monkeypatch.setattr(module, "replay", lambda *_: dataclasses.replace(result, verdicts=marked))
    made = sb.report(recording, tmp_path / "once.html")
    assert "judged by the parent" in made.path.read_text()


def test_a_result_of_another_recording_is_not_taken(
    recording: Recording, hostile: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from santabpf.replay import hand_over
    from santabpf.replay.handed import handed_over

    result = sb.replay(recording)
    for name, value in hand_over(recording, None, result, tmp_path).items():
        monkeypatch.setenv(name, value)
    taken = handed_over(recording, None)
    assert taken is not None
    assert [v.to_json() for v in taken.verdicts] == [v.to_json() for v in result.verdicts]
    assert taken.alarm_rows == result.alarm_rows
    assert taken.signal_rows == result.signal_rows
    assert handed_over(hostile, None) is None
    assert handed_over(recording, ["short_lived_jobs"]) is None


def test_a_result_that_was_changed_on_its_way_is_not_taken(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from santabpf.replay import hand_over
    from santabpf.replay.handed import handed_over

    for name, value in hand_over(recording, None, sb.replay(recording), tmp_path).items():
        monkeypatch.setenv(name, value)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text().replace('\\"state\\": \\"fired\\"', '\\"state\\": \\"quiet\\"'))
    assert handed_over(recording, None) is None
    path.write_text("{")
    assert handed_over(recording, None) is None


def test_plain_papermill_runs_the_notebook_alone(recording: Recording, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(ROOT / "notebooks" / "postmortem.ipynb"), str(out), "-p", "recording",
         str(recording.path)], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = [o for cell in nbformat.read(out, as_version=4).cells for o in cell.get("outputs", [])]
    assert any("Short-lived jobs burn CPU" in o.data["text/plain"] for o in shown if "data" in o)
    assert not any(o.output_type == "error" for o in shown)


def test_the_kernel_is_this_interpreter_over_ipc_without_slow_imports(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    source = notebook("import json, sys, os\nfrom ipykernel.connect import get_connection_info\n"
                      "print(sys.executable, json.loads(get_connection_info())['transport'], "
                      "'rfc3987_syntax' in sys.modules, os.environ['IPYTHONDIR'].startswith('/tmp'))")
    made = sb.report(recording, tmp_path / "k.html", notebook=source)
    assert output_of(made, -1).split() == [sys.executable, "ipc", "False", "True"]


def test_a_failing_cell_leaves_notebook_page_and_verdicts(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    made = sb.report(recording, tmp_path / "bad.html", notebook=notebook("print('before')", "1 / 0", "print('after')"))
    assert made.exit_code == 1
    assert made.error == "mine.ipynb: cell 4 failed: ZeroDivisionError: division by zero"
    page = made.path.read_text()
    assert 'href="#failed-cell"' in page
    assert 'id="failed-cell"' in page
    assert "ZeroDivisionError" in page
    assert "before" in page
    assert "<pre>after" not in page
    told = json.loads(made.verdict_path.read_text())["verdicts"]
    assert {v["scenario"]: v["state"] for v in told}["short_lived_jobs"] == "fired"
    assert "ZeroDivisionError" in made.notebook_path.read_text()


def test_a_kernel_that_dies_leaves_the_verdicts_and_a_sentence(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    with pytest.raises(ReportFailed, match=r"mine\.ipynb.*DeadKernelError"):
        sb.report(recording, tmp_path / "dead.html", notebook=notebook("import os; os._exit(7)"))
    assert [p.name for p in tmp_path.glob("*dead*")] == ["dead.verdict.json"]


def test_an_unknown_parameter_names_the_nearest(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"no parameter 'scenaros'; did you mean 'scenarios'\?"):
        sb.report(recording, tmp_path / "x.html", parameters={"scenaros": []})
    assert list(tmp_path.iterdir()) == []


def test_a_place_with_braces_quotes_and_spaces_works(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    folder = tmp_path / "{node} it's \"x\" ü"
    folder.mkdir()
    made = sb.report(recording, folder / "{recording}.html", notebook=notebook("recording"))
    assert made.path.is_file()
    assert sorted(p.name for p in folder.iterdir()) == [
        "{recording}.html", "{recording}.ipynb", "{recording}.verdict.json"]


@pytest.mark.parametrize(("out", "why"), [
    ("missing/x.html", "does not exist"), ("x.doc", "ends in .html"), ("folder.html", "is a folder")])
def test_a_place_that_can_hold_no_report_is_refused(recording: Recording, tmp_path: Path, out: str, why: str) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(BadUsage, match=why):
        sb.report(recording, tmp_path / out)


def test_the_notebook_that_is_run_is_never_written_over(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path
) -> None:
    source = notebook("1")
    before = source.read_text()
    with pytest.raises(BadUsage, match="choose another name"):
        sb.report(recording, tmp_path / "mine.html", notebook=source)
    assert source.read_text() == before


def test_a_notebook_that_is_none_is_refused(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "no.ipynb").write_text("{}")
    with pytest.raises(BadUsage, match=r"no\.ipynb"):
        sb.report(recording, tmp_path / "x.html", notebook=tmp_path / "no.ipynb")
    with pytest.raises(BadUsage, match="no such notebook"):
        sb.report(recording, tmp_path / "x.html", notebook=tmp_path / "nowhere.ipynb")


def test_a_full_disk_leaves_no_half_page(
    recording: Recording, notebook: NotebookMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def full(descriptor: int) -> None:
        if "half-x.html" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportFailed, match=r"x\.html.*No space left"):
        sb.report(recording, tmp_path / "x.html", notebook=notebook("1"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.ipynb", "x.ipynb", "x.verdict.json"]


def test_ctrl_c_leaves_no_kernel_and_no_page(recording: Recording, notebook: NotebookMaker, tmp_path: Path) -> None:
    flag = tmp_path / "pid"
    source = notebook(f"import os, time\nopen({str(flag)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    code = textwrap.dedent(f"""
        import santabpf as sb
        sb.report(sb.open({str(recording.path)!r}), {str(tmp_path / 'c.html')!r}, notebook={str(source)!r})
    """)
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: flag.exists() and flag.read_text())
        child.send_signal(signal.SIGINT)
        assert child.wait(30) != 0
    finally:
        child.kill()
    kernel = int(flag.read_text())
    wait_for(lambda: not Path(f"/proc/{kernel}").exists())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.verdict.json", "mine.ipynb", "pid"]


def wait_for(done: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
