"""A guest: a second node with another kernel, under qemu, reached over SSH on a forwarded port of loopback.

In: an Image. Out: what open_transport takes to get there. It is emulated where KVM does not work, so that its times
mean nothing. Never: changes the image (what it writes is gone at its end), outlives the process that started it.

    python tests/guest/machine.py [6.12]     # boots one, says how to log in, ends it when its input ends
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
from guest.image import KERNELS, Image, cpio, image

QEMU = "qemu-system-x86_64"
# what is emulated. Without cx16: qemu 7.2 emulates a cmpxchg16b without `lock` wrongly, and Linux 6.12 dies of it while
# it boots; Linux 6.1 does not, and x86-64-v2, for which numpy is made, has it
CPU, CPU_V2 = "max,cx16=off", "max"
BOOT_S = 400.0  # 20 s are usual on two quiet cores, several times that beside other guests and tests
# Stands between us and qemu: when this process ends, however it ends, it gets a SIGTERM and leaves nothing behind. The
# tests that run beside it come after it: what is planted there has its times, and all there takes ten times as long.
# Where the kernel shares CPUs by session (autogroup), nice counts within one only, and each has a nice of its own.
KEEPER = """
folder=$1; shift
{ echo -5 > /proc/self/autogroup; } 2> /dev/null
trap 'kill -9 $!; wait $!; rm -rf "$folder"; exit' TERM
setpriv --pdeathsig KILL nice -n -5 "$@" & wait $!
"""
KVM_S = 5.0  # a kernel says its first word in a tenth of a second where KVM works
_PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class NoGuest(Exception):
    """It did not boot; the message ends with the last that it said."""


class Guest:
    """One running guest. kernel: the start of its version, 6.1 say.

    disks: images that it sees besides, read-only: /dev/vdb and so on. cpu: what is emulated where KVM does not work.
    """

    def __init__(self, booted: Image, disks: Sequence[Path] = (), cpu: str = CPU) -> None:
        self.kernel = booted.version
        self.disks = tuple(disks)
        self.cpu = cpu
        self.folder = Path(tempfile.mkdtemp(prefix="santabpf-guest-"))
        self.config = self.folder / "ssh_config"
        self.console = self.folder / "console"
        self.console.touch()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            for name in ("login_key", "host_key"):
                _make_key(self.folder / name)
            initrd = self.folder / "initrd"
            initrd.write_bytes(booted.initrd.read_bytes() + cpio(self._boot_files()))
            self.port = _free_port()
            self._write_config()
            keeper = ["/bin/sh", "-c", KEEPER, "sh", str(self.folder)]
            self._process = _start([*keeper, *self._argv(booted, initrd)], signal.SIGTERM)
            self._wait()
        except BaseException:
            self.close()
            raise

    @property
    def node(self) -> str:
        """What to type after `ssh` (with this guest's configuration)."""
        return "guest"

    @property
    def options(self) -> dict[str, object]:
        """What open_transport takes besides the node."""
        return {"config": self.config}

    def ssh(self, command: str, timeout_s: float = 60) -> str:
        """What a shell in the guest prints, by the plain ssh. Raises CalledProcessError."""
        argv = ["ssh", "-F", str(self.config), self.node, command]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout_s
        ).stdout

    def close(self) -> None:
        """Pull its plug; take its folder away."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _boot_files(self) -> dict[str, bytes]:
        return {
            "boot-files/root/.ssh/authorized_keys": (self.folder / "login_key.pub").read_bytes(),
            "boot-files/etc/ssh/ssh_host_ed25519_key": (self.folder / "host_key").read_bytes(),
            "boot-files/etc/ssh/ssh_host_ed25519_key.pub": (self.folder / "host_key.pub").read_bytes(),
        }

    def _write_config(self) -> None:
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")
        self.config.write_text(
            f"Host {self.node}\n  HostName 127.0.0.1\n  Port {self.port}\n  User root\n"
            f"  IdentityFile {self.folder}/login_key\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile none\n"
            "  StrictHostKeyChecking yes\n  HashKnownHosts no\n  ConnectTimeout 60\n"
        )

    def _argv(self, booted: Image, initrd: Path) -> list[str]:
        forward = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:22"
        return [
            *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"),
            *accelerator(booted.kernel, self.cpu),
            *("-smp", "2", "-m", "2048", "-rtc", "base=utc"),
            *("-kernel", str(booted.kernel), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on systemd.show_status=false"),
            *("-drive", f"file={booted.disk},format=raw,if=virtio,snapshot=on,cache=unsafe"),
            *(part for disk in self.disks for part in ("-drive", f"file={disk},format=raw,if=virtio,readonly=on")),
            *("-netdev", forward, "-device", "virtio-net-pci,netdev=net,romfile="),
            *("-device", "virtio-rng-pci", "-serial", f"file:{self.console}"),
        ]

    def _wait(self) -> None:
        """Until its sshd answers and systemd has started all that it wanted to."""
        deadline = time.monotonic() + BOOT_S
        while not self._greets():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.console.read_text(errors="replace").strip().splitlines()[-5:]
                raise NoGuest(f"Linux {self.kernel} did not come up under {QEMU}: {' / '.join(said) or 'no word'}")
            time.sleep(0.3)
        with contextlib.suppress(subprocess.CalledProcessError):  # its exit code says what it prints
            self.ssh("systemctl is-system-running --wait", timeout_s=BOOT_S)

    def _greets(self) -> bool:
        """Whether an sshd says who it is; qemu itself takes the connection long before."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                return sock.recv(16).startswith(b"SSH-")
        except OSError:
            return False


@functools.cache
def accelerator(kernel: Path, cpu: str) -> tuple[str, ...]:
    """KVM where a kernel says its first word under it, else emulation of that CPU. /dev/kvm alone promises nothing."""
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        argv = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"]
        argv += ["-accel", "kvm", "-cpu", "max", "-m", "512", "-kernel", str(kernel), "-serial", "stdio"]
        argv += ["-append", "console=ttyS0 earlyprintk=serial panic=-1"]
        trial = _start(argv, signal.SIGKILL, stdout=subprocess.PIPE)
        try:
            said, _ = trial.communicate(timeout=KVM_S)
        except subprocess.TimeoutExpired:
            trial.kill()
            said, _ = trial.communicate()
        if b"Linux version" in said:
            return ("-accel", "kvm", "-cpu", "max")
    return ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", cpu)


def why_not() -> str:
    """Why no guest can be booted here; empty when it can. Programs only."""
    if not shutil.which(QEMU):
        return f"there is no {QEMU}: apt-get install qemu-system-x86"
    return "" if shutil.which("ssh-keygen") else "there is no ssh-keygen: apt-get install openssh-client"


def _start(argv: list[str], at_our_end: int, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """A process to which the kernel sends that signal when this one ends, however it ends."""
    parent = os.getpid()

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, at_our_end)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.DEVNULL if stdout == subprocess.PIPE else None,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


if __name__ == "__main__":
    started = time.monotonic()
    running = Guest(image(sys.argv[1] if len(sys.argv) > 1 else next(iter(KERNELS))))
    try:
        print(f"up after {time.monotonic() - started:.0f} s: ssh -F {running.config} {running.node}", flush=True)
        sys.stdin.read()
    finally:
        running.close()
