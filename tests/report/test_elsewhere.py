"""The notebooks run unchanged where others are run: plain papermill, with s3:// paths too, and jupyter-scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS, RECORDINGS = ROOT / "notebooks", ROOT / "recordings"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket `shelf` of an S3 on loopback, to which boto3 leads here and in what is started from here."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="shelf")
        yield client
        client.close()
    finally:
        server.stop()


def papermill(*argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.run([sys.executable, "-m", "papermill", *argv], capture_output=True, text=True, env=env, cwd=cwd)


def told(book: Any) -> str:
    """All that its cells gave, as plain text; none gave an error."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    return "\n".join(output.data["text/plain"] for output in outputs if "data" in output)


#: notebook -> its parameters, on recordings that come with SantaBPF, and what its outputs must say.
RUNS = {
    "postmortem": ({"recording": str(RECORDINGS / "quiet_idle")}, "Short-lived jobs burn CPU"),
    "incident": (
        {"recordings": [str(RECORDINGS / "accept_queue"), str(RECORDINGS / "cpu_throttling")]},
        "[FIRED] Connections wait to be accepted, accept_queue on node-1",
    ),
    "findings": ({"recording": str(RECORDINGS / "short_lived_jobs")}, "Nobody marked a finding."),
    "investigate": (
        {"recordings": str(RECORDINGS), "recording": "short_lived_jobs"},
        "Investigation of short_lived_jobs: 19:13:24.212 to 19:13:40.022 UTC (15.8 s); 0 findings",
    ),
    "compare": (
        {"incident": str(RECORDINGS / "cpu_throttling"), "good": str(RECORDINGS / "cpu_throttling_quiet_within_limit")},
        "What changed most: waits for a CPU",
    ),
}  # fmt: skip


def test_every_notebook_but_that_of_a_live_node_is_run_here() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {*RUNS, "live"}


@pytest.mark.parametrize("name", RUNS)
def test_papermill_runs_the_notebook_and_leaves_nothing_else(name: str, tmp_path: Path) -> None:
    given, said = RUNS[name]
    done = papermill(str(NOTEBOOKS / f"{name}.ipynb"), "out.ipynb", "-y", json.dumps(given), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert said in told(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]


@pytest.mark.parametrize("name", ["postmortem", "compare"])
def test_papermill_reads_the_notebook_from_s3_and_writes_it_there(name: str, bucket: Any, tmp_path: Path) -> None:
    given, said = RUNS[name]
    bucket.put_object(Bucket="shelf", Key=f"in/{name}.ipynb", Body=(NOTEBOOKS / f"{name}.ipynb").read_bytes())
    done = papermill(f"s3://shelf/in/{name}.ipynb", "s3://shelf/out/done.ipynb", "-y", json.dumps(given), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = bucket.get_object(Bucket="shelf", Key="out/done.ipynb")["Body"].read().decode()
    assert said in told(nbformat.reads(text, as_version=4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["postmortem", "findings"])
def test_jupyter_scheduler_runs_the_notebook_as_a_job(name: str, tmp_path: Path) -> None:
    """Its own machinery, as its server extension would call it: a job in its database, a process of its own."""
    apart = Path(sys.prefix) / "scheduler"  # among the other packages it would add itself to each JupyterLab
    assert apart.is_dir(), "jupyter-scheduler is not there; deploy/setup.sh test installs it"
    given, said = RUNS[name]
    (tmp_path / f"{name}.ipynb").write_bytes((NOTEBOOKS / f"{name}.ipynb").read_bytes())
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{apart}", "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCHEDULED, f"{name}.ipynb", json.dumps(given)],
                          capture_output=True, text=True, cwd=tmp_path, timeout=120, env=env)
    assert done.stdout.splitlines()[-1:] == ["COMPLETED"], done.stdout + done.stderr
    staged = (tmp_path / "data").rglob("*.ipynb")  # a copy of the notebook, and what became of it
    assert any(said in told(nbformat.read(path, as_version=4)) for path in staged)


SCHEDULED = """
import json, sys, time
from jupyter_scheduler.environments import CondaEnvironmentManager
from jupyter_scheduler.models import CreateJob
from jupyter_scheduler.orm import create_tables
from jupyter_scheduler.scheduler import Scheduler
create_tables("sqlite:///jobs.sqlite")
scheduler = Scheduler(root_dir=".", environments_manager=CondaEnvironmentManager(), db_url="sqlite:///jobs.sqlite")
job = scheduler.create_job(CreateJob(
    input_uri=sys.argv[1], name="night", runtime_environment_name="here", output_formats=["ipynb"],
    parameters={name: repr(value) for name, value in json.loads(sys.argv[2]).items()}))
while (found := scheduler.get_job(job, False)).status not in ("COMPLETED", "FAILED"):  # before it starts: STOPPED
    time.sleep(0.2)
print(found.status_message or "")
print(found.status.value)
"""
