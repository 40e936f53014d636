"""An sshd of the tests' own: on loopback, with its own keys and configuration, in a folder that goes away with it.

The client's side is a private configuration file too, so that nothing of ~/.ssh is read or written. A login that
exists for one sshd only is made in a private mount namespace: the machine's own /etc/passwd stays as it is.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from on_the_node import Traces

SSHD = "/usr/sbin/sshd"
LOGIN_UID = 64123  # of no user of a Debian system: not below 1000, not above 60000, not 65534


class Sshd:
    """One running sshd, and all that a client needs to reach it.

    user   the login; None: who runs the tests; another name: a login without root that exists for this sshd only
    lines  more lines of sshd_config, where {folder} stands for this server's folder
    """

    def __init__(self, user: str | None = None, lines: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="santabpf-sshd-"))
        self.folder.chmod(0o755)
        self.user = user or getpass.getuser()
        self.key = self._new_key("id_ed25519")
        self.host_key = self._new_key("host_ed25519")
        shutil.copy(f"{self.key}.pub", self.folder / "authorized_keys")
        self.known_hosts = self.folder / "known_hosts"
        self.config = self.folder / "ssh_config"
        self.log = self.folder / "sshd.log"
        self._lines = [line.replace("{folder}", str(self.folder)) for line in lines]
        self._start(None if self.user == getpass.getuser() else self.user)
        self.trust()
        self.write_config()

    @property
    def node(self) -> str:
        """What to type after `ssh` (with this server's configuration)."""
        return "node-1"

    @property
    def options(self) -> dict[str, object]:
        """What open_transport takes besides the node."""
        return {"config": self.config}

    @property
    def pid(self) -> int:
        """The listening sshd."""
        return self._process.pid

    @property
    def public_host_key(self) -> str:
        """Type and base64, as in known_hosts."""
        return " ".join(Path(f"{self.host_key}.pub").read_text().split()[:2])

    def sessions(self) -> set[int]:
        """The sshd processes of its connections, without what they run."""
        below = Traces().descendants(self.pid)
        return {pid for pid in below if b"sshd" in Path(f"/proc/{pid}/comm").read_bytes()}

    def end_sessions(self) -> None:
        """Break every connection, as a network or a node that dies would."""
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)

    def trust(self, key: str | None = None) -> None:
        """Let known_hosts hold this server's key (or another one) and nothing else."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key or self.public_host_key}\n")

    def write_config(self, *lines: str) -> None:
        """The client's configuration: node-1 is this server; more lines go before all others."""
        text = [
            *lines,
            "Host node-1",
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            "Host *",
            f"  User {self.user}",
            f"  IdentityFile {self.key}",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            f"  UserKnownHostsFile {self.known_hosts}",
            "  GlobalKnownHostsFile none",
            "  HashKnownHosts no",
        ]
        self.config.write_text("\n".join(text) + "\n")

    def new_key(self, name: str) -> Path:
        """Another key pair, known to nobody yet."""
        return self._new_key(name)

    def close(self) -> None:
        """End it and all its sessions; take its folder away."""
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_key(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path

    def _start(self, login: str | None) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it; a service's start would make it
        for _ in range(5):
            self.port = _free_port()
            config = self.folder / "sshd_config"
            config.write_text("\n".join([*self._lines, *self._settings()]) + "\n")
            argv = [SSHD, "-D", "-e", "-f", str(config)]
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    argv if login is None else self._with_login(login, argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if self._listens():
                return
            self._process.kill()
            self._process.wait()
        raise RuntimeError(f"sshd does not start: {self.log.read_text()}")

    def _settings(self) -> list[str]:
        return [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "AllowTcpForwarding yes",
            "MaxStartups 100",
        ]

    def _listens(self) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            if "Server listening" in self.log.read_text(errors="replace"):
                return True
            time.sleep(0.02)
        return False

    def _with_login(self, login: str, argv: list[str]) -> list[str]:
        """The same sshd, in a mount namespace whose passwd and shadow have one more line."""
        for name, line in (
            ("passwd", f"{login}:x:{LOGIN_UID}:{LOGIN_UID}::{self.folder}:/bin/sh"),
            ("shadow", f"{login}:*:19000:0:99999:7:::"),
        ):
            (self.folder / name).write_text(Path("/etc", name).read_text() + line + "\n")
        mounts = " && ".join(f"mount --bind {self.folder}/{name} /etc/{name}" for name in ("passwd", "shadow"))
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mounts} && exec "$@"', "sh", *argv]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
