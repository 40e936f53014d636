"""An sshd of the benchmark's own: on loopback, with its own keys and configuration, in a folder that goes with it.

In: an empty folder. Out: a node's name and the options with which open_transport gets there. Never: a service, ~/.ssh.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from ..errors import SantaError

SSHD = "/usr/sbin/sshd"  # it insists on being called by its whole path
START_S = 10.0


def why_no_sshd() -> str:
    """Why no sshd can be started here; empty when it can."""
    there = shutil.which(SSHD) and shutil.which("ssh-keygen")
    return "" if there else "there is no sshd: apt-get install openssh-server"


class Sshd:
    """One running sshd; a context manager that leaves nothing running."""

    node = "node-1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("host", "login"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/login.pub\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        public = (folder / "host.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
        (folder / "ssh_config").write_text(
            f"Host {self.node}\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n"
            f" IdentityFile {folder}/login\n IdentitiesOnly yes\n IdentityAgent none\n"
            f" UserKnownHostsFile {folder}/known_hosts\n GlobalKnownHostsFile none\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it; a service's start would make it
        with (folder / "log").open("wb") as log:
            self._child = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        """What open_transport takes besides the node."""
        return {"config": self._folder / "ssh_config"}

    @property
    def pid(self) -> int:
        """The one that listens; its sessions are below it."""
        return self._child.pid

    def __enter__(self) -> Sshd:
        deadline = time.monotonic() + START_S
        log = self._folder / "log"
        while "Server listening" not in log.read_text(errors="replace"):
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SantaError(f"sshd did not start: {log.read_text(errors='replace').strip()[-200:]}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(START_S)
