"""What kind of machine this is, in words that name nobody, and what can be measured on it. Changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from .units import GIB

NODE_PYTHON = "/usr/bin/python3"  # the distribution's, with the distribution's bcc


def describe() -> str:
    """CPUs, memory, kernel as major.minor, and whether it is virtual: no host name, no model, no path."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kernel = ".".join(platform.release().split(".")[:2])
    kind = "shared virtual machine" if _is_virtual() else "machine"
    return f"{kind}, {os.cpu_count()} CPUs, {memory / GIB:.0f} GiB, {platform.machine()}, Linux {kernel}"


def _is_virtual() -> bool:
    """Whether the CPU says that a hypervisor is there (x86), or the device tree does."""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return " hypervisor" in flags or Path("/proc/device-tree/hypervisor").exists()


def why_no_bpf() -> str:
    """Why nothing can be recorded here; empty when it can."""
    if platform.system() != "Linux":
        return f"this is {platform.system()}, not Linux"
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel has no BTF"
    try:
        done = subprocess.run([NODE_PYTHON, "-c", "import bcc"], capture_output=True)
    except OSError as exc:
        return f"{NODE_PYTHON}: {exc.strerror}"
    return "no bcc: apt-get install python3-bpfcc" if done.returncode else ""


def why_no(tool: str, package: str) -> str:
    """Why a program can't be run here; empty when it can."""
    return "" if shutil.which(tool) else f"there is no {tool}: apt-get install {package}"
