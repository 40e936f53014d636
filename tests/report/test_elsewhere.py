"""The notebooks run unchanged where others are run: plain papermill, with s3:// paths too, and jupyter-scheduler."""

from __future__ import annotations

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


def shown(book: Any) -> list[Any]:
    return [output for cell in book.cells for output in cell.get("outputs", [])]


def test_papermill_reads_the_notebook_from_s3_and_writes_it_there(bucket: Any, tmp_path: Path) -> None:
    bucket.put_object(Bucket="shelf", Key="in/postmortem.ipynb", Body=(NOTEBOOKS / "postmortem.ipynb").read_bytes())
    done = papermill("s3://shelf/in/postmortem.ipynb", "s3://shelf/out/quiet.ipynb", "-p", "recording",
                     str(RECORDINGS / "quiet_idle"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = bucket.get_object(Bucket="shelf", Key="out/quiet.ipynb")["Body"].read().decode()
    outputs = shown(nbformat.reads(text, as_version=4))
    assert any("Short-lived jobs burn CPU" in o.data["text/plain"] for o in outputs if "data" in o)
    assert list(tmp_path.iterdir()) == []


def test_papermill_runs_the_notebook_of_several_recordings(tmp_path: Path) -> None:
    two = f"[{RECORDINGS / 'accept_queue'}, {RECORDINGS / 'cpu_throttling'}]"
    done = papermill(str(NOTEBOOKS / "incident.ipynb"), "out.ipynb", "-y", f"{{recordings: {two}}}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = shown(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert not any(output.output_type == "error" for output in outputs)
    told = "\n".join(output.data["text/plain"] for output in outputs if "data" in output)
    assert "[FIRED] Connections wait to be accepted, accept_queue on node-1" in told


def test_jupyter_scheduler_runs_the_notebook_as_a_job(tmp_path: Path) -> None:
    """Its own machinery, as its server extension would call it: a job in its database, a process of its own."""
    apart = Path(sys.prefix) / "scheduler"  # among the other packages it would add itself to each JupyterLab
    assert apart.is_dir(), "jupyter-scheduler is not there; deploy/setup.sh test installs it"
    (tmp_path / "postmortem.ipynb").write_bytes((NOTEBOOKS / "postmortem.ipynb").read_bytes())
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{apart}", "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCHEDULED, str(RECORDINGS / "quiet_idle")],
                          capture_output=True, text=True, cwd=tmp_path, timeout=120, env=env)
    assert done.stdout.splitlines()[-1:] == ["COMPLETED"], done.stdout + done.stderr
    staged = (tmp_path / "data").rglob("*.ipynb")  # a copy of the notebook, and what became of it
    outputs = [output for path in staged for output in shown(nbformat.read(path, as_version=4))]
    assert any("Short-lived jobs burn CPU" in o.data["text/plain"] for o in outputs if "data" in o)


SCHEDULED = """
import sys, time
from jupyter_scheduler.environments import CondaEnvironmentManager
from jupyter_scheduler.models import CreateJob
from jupyter_scheduler.orm import create_tables
from jupyter_scheduler.scheduler import Scheduler
create_tables("sqlite:///jobs.sqlite")
scheduler = Scheduler(root_dir=".", environments_manager=CondaEnvironmentManager(), db_url="sqlite:///jobs.sqlite")
job = scheduler.create_job(CreateJob(
    input_uri="postmortem.ipynb", name="night", runtime_environment_name="here", output_formats=["ipynb"],
    parameters={"recording": repr(sys.argv[1])}))
while (found := scheduler.get_job(job, False)).status not in ("COMPLETED", "FAILED"):  # before it starts: STOPPED
    time.sleep(0.2)
print(found.status_message or "")
print(found.status.value)
"""
