"""Can this node be recorded? Each obstacle as a TROUBLE: code, one sentence, and the command that mends it.

In: the node's own files. Out: dicts for wire.TROUBLE; a fatal one means that nothing can be recorded. Never: mends.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re

from . import btf, kernel, procfs

_CAPABILITIES = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}
_INSTALL = (
    (("debian", "ubuntu"), "sudo apt-get install --no-install-recommends -y python3-bpfcc"),
    (("fedora", "rhel", "centos", "rocky", "almalinux", "amzn"), "sudo dnf install -y python3-bcc"),
    (("opensuse", "suse", "sles"), "sudo zypper install -y python3-bcc"),
    (("arch",), "sudo pacman -S --noconfirm python-bcc"),
    (("alpine",), "sudo apk add py3-bcc"),
)


def trouble(code: str, message: str, what_to_do: str = "", *, probe: str | None = None, fatal: bool = False) -> dict:
    """The JSON of one TROUBLE."""
    return {"code": code, "message": message, "what_to_do": what_to_do, "probe": probe, "fatal": fatal}


def examine(plan: dict) -> list:
    """Every obstacle that can be seen without loading a program; where none is to be loaded, nothing is in the way."""
    if "core" not in plan:
        return []
    found = [_machine(), _ring_buffers(), _types(), _rights(), _lockdown(), _bcc(), _memory(plan)]
    return [t for t in found if t]


def install_bcc() -> str:
    """The command that installs bcc for /usr/bin/python3 on this distribution."""
    text = (procfs.read_file("/etc/os-release") or b"").decode(errors="replace")
    names = re.findall(r"^ID(?:_LIKE)?=(.*)$", text, re.MULTILINE)
    ids = {word for line in names for word in line.strip("\"'").split()}
    for distributions, command in _INSTALL:
        if any(i in distributions or i.split("-")[0] in distributions for i in ids):
            return command
    return "install BCC's Python module (python3-bpfcc or python3-bcc) with this distribution's package manager"


def bcc_missing(detail: str = "") -> dict:
    """The TROUBLE for a node without bcc."""
    message = "BCC's Python module is not installed for " + _python()
    return trouble("no_bcc", message + (f" ({detail})" if detail else ""), install_bcc(), fatal=True)


def not_permitted(why: str) -> dict:
    """The TROUBLE for a kernel that refuses BPF though nothing else stands in the way."""
    do = "see `dmesg | tail` and /sys/kernel/security/lockdown; in a container, run it with --privileged or on the host"
    return trouble("locked_down", f"the kernel refuses BPF programs here: {why}", do, fatal=True)


def has_capability(name: str) -> bool:
    """Does this process have it?"""
    found = re.search(rb"^CapEff:\s*([0-9a-f]+)", procfs.read_file("/proc/self/status") or b"", re.MULTILINE)
    return bool(found and int(found[1], 16) >> _CAPABILITIES[name] & 1)


def has_kallsyms() -> bool:
    """Are kernel addresses shown, not zeroed?"""
    return any(line[:16].strip(b"0") for line in (procfs.read_file("/proc/kallsyms", 4096) or b"").splitlines()[:20])


def memory(name: str) -> int | None:
    """A line of /proc/meminfo in bytes."""
    found = re.search(rb"^" + name.encode() + rb":\s+(\d+) kB", procfs.read_file("/proc/meminfo") or b"", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _python() -> str:
    return f"/usr/bin/python3 (Python {platform.python_version()})"


def _machine() -> dict | None:
    if platform.machine() in ("x86_64", "AMD64"):
        return None
    why = f"this node is {platform.machine()}; reading its rings safely is only known for x86_64"
    return trouble("wrong_machine", why, fatal=True)


def _ring_buffers() -> dict | None:
    if _machine() or kernel.has_ring_buffers():
        return None
    why = f"Linux {os.uname().release} has no BPF ring buffer; 5.8 and newer have it"
    return trouble("too_old", why, fatal=True)


def _types() -> dict | None:
    if (procfs.read_file(btf.VMLINUX, 2) or b"") == btf.MAGIC:
        return None
    why = f"this kernel has no {btf.VMLINUX} (CONFIG_DEBUG_INFO_BTF), from which the layout of its structs is read"
    return trouble("no_btf", why, "boot a kernel of the distribution's that has it", fatal=True)


def _rights() -> dict | None:
    if os.geteuid() == 0 and has_capability("CAP_SYS_ADMIN"):
        return None
    if has_capability("CAP_BPF") and has_capability("CAP_PERFMON"):
        if has_capability("CAP_DAC_READ_SEARCH"):
            why = "not root: no kernel symbols, no run times of BPF programs, no /proc files of other users"
            return trouble("no_root", why, "log in as root, or let this user run sudo -n")
        why = "CAP_BPF and CAP_PERFMON are there, but not CAP_DAC_READ_SEARCH"
    else:
        why = "neither root nor CAP_BPF and CAP_PERFMON"
    do = "log in as root, or: echo \"$USER ALL=(root) NOPASSWD: /usr/bin/python3\" | sudo tee /etc/sudoers.d/santabpf"
    return trouble("no_root", why, do, fatal=True)


def _lockdown() -> dict | None:
    state = procfs.read_file("/sys/kernel/security/lockdown") or b""
    if b"[confidentiality]" not in state:
        return None
    why = "the kernel is locked down (confidentiality), so BPF programs may not read kernel memory"
    return trouble("locked_down", why, "boot with lockdown=integrity, or without lockdown", fatal=True)


def _bcc() -> dict | None:
    return None if importlib.util.find_spec("bcc") else bcc_missing()


def _memory(plan: dict) -> dict | None:
    available, wanted = memory("MemAvailable"), plan.get("min_available_bytes", 300 << 20)
    if available is None or available >= wanted:
        return None
    why = f"{available >> 20} MiB of memory are available; compiling the probes needs {wanted >> 20} MiB left over"
    return trouble("too_little_memory", why, "free some memory on the node, then try again", fatal=True)
