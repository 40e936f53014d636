"""JupyterLab on the notebooks: started, told where to look, and ended cleanly.

In: a folder. Out: a server on loopback, and its address. Never: another machine's access, news, a token in the list of
processes, a notebook of yours that is overwritten.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .errors import BadUsage, SantaError
from .shipped import shipped

FIRST_PORT, MOST_PORTS = 8888, 50
NOTEBOOK = "investigate.ipynb"
_SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
#: A server that is asked to end shuts its kernels down first, which takes seconds.
_PATIENCE_S = 15


def lab(
    folder: str | Path = ".", *, port: int | None = None, browser: bool = True, say: Callable[[str], None] = print
) -> None:
    """Serve this folder until Ctrl-C; its notebooks/ gets those of SantaBPF that it does not have.

    port  a free one from 8888 on by default
    Raises BadUsage (no JupyterLab, no folder, a port that is taken), SantaError where the server ends by itself.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise BadUsage(f"{folder}: there is no such folder")
    with serving(root, port) as (url, server):
        say(f"JupyterLab serves {root} at:\n\n  {url}\n\nEnd it with Ctrl-C.")
        if browser:
            webbrowser.open(url)
        try:
            code = server.wait()
        except KeyboardInterrupt:
            say("\nJupyterLab ends, and its kernels with it.")
        else:
            raise SantaError(f"JupyterLab ended by itself, with exit code {code}; what it said stands above")


@contextmanager
def serving(root: Path, port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on this folder that answers: the address of the first notebook, with its token, and the process."""
    if find_spec("jupyterlab") is None:
        raise BadUsage("JupyterLab is not installed here; install it with: pip install 'santabpf[lab]'")
    place_notebooks(root)
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="santabpf-lab-") as private:
        server, chosen = _started(root, port, token, Path(private))
        try:
            yield f"http://127.0.0.1:{chosen}/lab/tree/notebooks/{NOTEBOOK}?token={token}", server
        finally:
            _end(server)


def place_notebooks(root: Path) -> list[Path]:
    """Copy the notebooks that come with SantaBPF into notebooks/ there, except those it has. Returns: the new ones.

    Raises BadUsage where that can't be written to.
    """
    folder, new = root / "notebooks", []
    try:
        folder.mkdir(exist_ok=True)
        for source in sorted(shipped("notebooks").glob("*.ipynb")):
            if not (folder / source.name).exists():
                shutil.copyfile(source, folder / source.name)
                new.append(folder / source.name)
    except OSError as exc:
        raise BadUsage(f"{folder}: notebooks cannot be put there ({exc.strerror}); give a folder of yours") from exc
    return new


def free_port(wanted: int | None = None) -> int:
    """This port, or the first free one from 8888 on. Raises BadUsage where it is taken."""
    for port in [wanted] if wanted is not None else range(FIRST_PORT, FIRST_PORT + MOST_PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as exc:
                why = exc.strerror
            else:
                return int(probe.getsockname()[1])
    raise BadUsage(f"port {wanted}: {why}; choose another with --port" if wanted is not None else
                   f"no port from {FIRST_PORT} to {FIRST_PORT + MOST_PORTS - 1} is free; choose one with --port")


def _started(root: Path, port: int | None, token: str, private: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server that answers, and its port; a free port may be taken just then, so that another is tried."""
    for last in (False, False, True):
        chosen = free_port(port)
        server = _start(root, chosen, token, private)
        try:
            _wait(server, chosen, token)
        except BaseException as exc:
            _end(server)
            if last or port is not None or not isinstance(exc, SantaError):
                raise
        else:
            return server, chosen
    raise AssertionError("the last try raises")


def _start(root: Path, port: int, token: str, private: Path) -> subprocess.Popen[bytes]:
    settings = private / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps(_SETTINGS), encoding="utf-8")
    places = [str(private), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    flags = [
        "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}", "--LabApp.news_url=", "--ServerApp.log_level=WARN",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if os.geteuid() == 0:
        flags.append("--allow-root")
    return subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *flags], cwd=root, stdin=subprocess.DEVNULL,
        env={**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": os.pathsep.join(places)},
        start_new_session=True,  # Ctrl-C is ours: JupyterLab would ask back
    )


def _wait(server: subprocess.Popen[bytes], port: int, token: str, seconds: float = 60) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SantaError(f"JupyterLab could not be started (exit code {server.returncode}); see what it said above")
        try:
            with direct.open(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SantaError(f"JupyterLab did not answer within {seconds:g} s")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
