"""Can a node be recorded? In: a node. Out: what works there, what is degraded, what is missing, and what mends it.

It connects, becomes root and starts the elf in its `check` mode, as a recording would; it loads no probe and leaves
nothing behind. What is wrong with a node is its answer, never an exception.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from . import wire
from .errors import CannotConnect, NodeError
from .launch import launch
from .transport import Transport, open_transport
from .units import format_bytes

State = Literal["works", "degraded", "missing"]
PLAN = {"version": 1, "check": True}

#: what a capability is for, and how to get it where it is lacking
CAPABILITIES = {
    "bpf_stats": ("what BPF itself costs", "can't be measured", "record as root"),
    "kallsyms": ("names of kernel functions", "are hidden", "sysctl -w kernel.kptr_restrict=1"),
}
#: ID or ID_LIKE in /etc/os-release -> how the elf's one need is installed there
INSTALL = {
    "debian": "apt-get install --no-install-recommends python3-bpfcc",
    "ubuntu": "apt-get install --no-install-recommends python3-bpfcc",
    "fedora": "dnf install python3-bcc",
    "rhel": "dnf install python3-bcc",
    "suse": "zypper install python3-bcc",
    "arch": "pacman -S python-bcc",
    "alpine": "apk add py3-bcc",
}


@dataclass(frozen=True)
class Finding:
    """One thing that a recording needs, and how it is on the node."""

    name: str
    state: State
    message: str
    what_to_do: str = ""


@dataclass(frozen=True)
class CheckResult:
    """What was found on a node. ok: it can be recorded, if perhaps with less."""

    node: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(finding.state != "missing" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"node": self.node, "ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def to_text(self) -> str:
        """For people: one line a finding, and below it the command that mends it."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:9} {finding.name}: {finding.message}")
            if finding.what_to_do:
                lines.append(f"          mend it with: {finding.what_to_do}")
        degraded = any(finding.state == "degraded" for finding in self.findings)
        with_less = " (with less: see above)" if degraded else ""
        lines.append(f"{self.node} can be recorded{with_less}" if self.ok else f"{self.node} can't be recorded")
        return "\n".join(lines)


def check(node: str = "local", **options: Any) -> CheckResult:
    """Look whether a node can be recorded; options are those of the transport (accept_new, config, ...).

    Raises BadUsage for a name that is no node.
    """
    try:
        with open_transport(node, **options) as transport:
            return CheckResult(node, (Finding("connection", "works", _connected(node)), *check_elf(transport)))
    except NodeError as exc:
        name = "connection" if isinstance(exc, CannotConnect) else "recorder"
        return CheckResult(node, (_lack(name, exc, node),))


def check_elf(transport: Transport) -> list[Finding]:
    """Start the elf in its check mode and read what it says."""
    reader = wire.Reader()
    hello: dict[str, Any] | None = None
    troubles: list[dict[str, Any]] = []
    try:
        with launch(transport, PLAN) as stream:
            for chunk in stream:
                for frame in reader.feed(chunk):
                    if frame.kind == wire.HELLO:
                        hello = frame.json()
                    elif frame.kind == wire.TROUBLE:
                        troubles.append(frame.json())
    except NodeError as exc:
        return [*_works(hello), *_troubles(troubles, transport), _lack("recorder", exc, transport.name)]
    except wire.BadFrame as exc:
        return [*_works(hello), Finding("recorder", "missing", f"it speaks in another way than expected: {exc}")]
    return [*_works(hello), *_troubles(troubles, transport)]


def install_command(os_release: str) -> str:
    """/etc/os-release -> the command that installs bcc for Python there; empty when the distribution is not known."""
    said = dict(line.partition("=")[::2] for line in os_release.splitlines() if "=" in line)
    ids = [said.get("ID", ""), *said.get("ID_LIKE", "").strip('"').split()]
    return next((INSTALL[name] for value in ids for name in [value.strip('"').split("-")[0]] if name in INSTALL), "")


def _works(hello: dict[str, Any] | None) -> list[Finding]:
    if hello is None:
        return []
    memory, cpus = hello.get("memory_bytes"), hello.get("cpus")
    machine = f"{hello.get('machine')}, {cpus} CPUs" + (f", {format_bytes(memory)}" if memory else "")
    found = [
        Finding("kernel", "works", f"Linux {hello.get('kernel')} on {machine}"),
        Finding("python", "works", f"{hello.get('python')}"),
    ]
    if hello.get("bcc"):
        found.append(Finding("bcc", "works", f"{hello['bcc']}"))
    for name, has in sorted((hello.get("capabilities") or {}).items()):
        what, lack, how = CAPABILITIES.get(name, (name, "is lacking", ""))
        found.append(Finding(name, "works", what) if has else Finding(name, "degraded", f"{what} {lack}", how))
    return found


def _troubles(troubles: list[dict[str, Any]], transport: Transport) -> list[Finding]:
    found = []
    for trouble in troubles:
        how = trouble.get("what_to_do") or ""
        if trouble.get("code") == "no_bcc":
            how = install_command(_os_release(transport)) or how
        state: State = "missing" if trouble.get("fatal") else "degraded"
        found.append(Finding(str(trouble.get("probe") or trouble.get("code")), state, str(trouble.get("message")), how))
    return found


def _os_release(transport: Transport) -> str:
    try:
        return transport.run(["cat", "/etc/os-release"]).out.decode("utf-8", "replace")
    except NodeError:
        return ""


def _lack(name: str, exc: NodeError, node: str) -> Finding:
    return Finding(name, "missing", exc.message.removeprefix(f"{node}: "), exc.what_to_do)


def _connected(node: str) -> str:
    return "this machine, without SSH" if node.startswith("local") else f"SSH to {node}"
