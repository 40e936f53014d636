"""Can a node be recorded? In: a node. Out: what works there, what is degraded, what is missing, and what mends it.

It connects, becomes root and starts the elf with every probe, as a recording would, and ends it as soon as it has said
hello. It keeps nothing and leaves nothing behind. What is wrong with a node is its answer, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from . import wire
from .errors import CannotConnect, NodeError
from .launch import PYTHON, launch
from .probes import Probe, all_probes, get_probe
from .probes.source import plan
from .transport import Transport, open_transport
from .units import format_bytes

State = Literal["works", "degraded", "missing"]

#: what a capability is for, and how to get it where it is lacking
CAPABILITIES = {
    "bpf_stats": ("what BPF itself costs", "can't be measured", "record as root"),
    "kallsyms": ("names of kernel functions", "are hidden", "sysctl -w kernel.kptr_restrict=1"),
}
#: ID or ID_LIKE in /etc/os-release -> how the elf's own needs are installed there
INSTALL = {
    "debian": "apt-get install --no-install-recommends python3 python3-bpfcc",
    "ubuntu": "apt-get install --no-install-recommends python3 python3-bpfcc",
    "fedora": "dnf install python3 python3-bcc",
    "rhel": "dnf install python3 python3-bcc",
    "suse": "zypper install python3 python3-bcc",
    "arch": "pacman -S python python-bcc",
    "alpine": "apk add python3 py3-bcc",
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


def check(node: str = "local", probes: Iterable[str] | None = None, **options: Any) -> CheckResult:
    """Look whether a node can be recorded: with these probes, or with all, which takes some seconds longer.

    options are those of the transport (accept_new, config, ...). Raises BadUsage for a name that is no node or probe.
    """
    wanted = None if probes is None else [get_probe(name) for name in probes]
    try:
        with open_transport(node, **options) as transport:
            return CheckResult(node, (Finding("connection", "works", _connected(node)), *check_elf(transport, wanted)))
    except NodeError as exc:
        name = "connection" if isinstance(exc, CannotConnect) else "recorder"
        return CheckResult(node, (_lack(name, exc, node),))


def check_elf(transport: Transport, probes: Iterable[Probe] | None = None) -> list[Finding]:
    """Start the elf with these probes, or with every one, and read what it says."""
    reader = wire.Reader()
    hello: dict[str, Any] | None = None
    troubles: list[dict[str, Any]] = []
    wanted = all_probes().values() if probes is None else probes
    try:
        with launch(transport, plan([(probe, {}) for probe in wanted])) as stream:
            for chunk in stream:
                for frame in reader.feed(chunk):
                    if frame.kind == wire.HELLO:
                        hello = frame.json()
                        stream.stop()
                    elif frame.kind == wire.TROUBLE:
                        troubles.append(frame.json())
    except NodeError as exc:
        lack = _lack("recorder", exc, transport.name)
        if f"no {PYTHON}" in exc.message:
            lack = replace(lack, name="python", what_to_do=_install_command(transport) or exc.what_to_do)
        return [*_facts(hello, troubles), lack]
    except wire.BadFrame as exc:
        return [*_facts(hello, troubles), Finding("recorder", "missing", f"its frames are none: {exc}")]
    return _facts(hello, troubles)


def install_command(os_release: str) -> str:
    """/etc/os-release -> the command that installs Python and bcc; empty when the distribution is not known."""
    said = dict(line.partition("=")[::2] for line in os_release.splitlines() if "=" in line)
    ids = [said.get("ID", ""), *said.get("ID_LIKE", "").strip('"').split()]
    return next((INSTALL[name] for value in ids for name in [value.strip('"').split("-")[0]] if name in INSTALL), "")


def _facts(hello: dict[str, Any] | None, troubles: list[dict[str, Any]]) -> list[Finding]:
    """What the elf has said, as findings: first what works, then what does not."""
    found = _troubles(troubles)
    if hello is None:
        return found
    memory, cpus = hello.get("memory_bytes"), hello.get("cpus")
    machine = f"{hello.get('machine')}, {cpus} CPUs" + (f", {format_bytes(memory)}" if memory else "")
    found.append(Finding("kernel", "works", f"Linux {hello.get('kernel')} on {machine}"))
    found.append(Finding("python", "works", f"Python {hello.get('python')}"))
    if hello.get("bcc"):
        found.append(Finding("bcc", "works", f"BCC {hello['bcc']}"))
        found += _capabilities(hello.get("capabilities") or {})
    probes = hello.get("probes") or {}
    fatal = any(trouble.get("fatal") for trouble in troubles)  # then that is why a probe failed
    found += _probes(probes, set(probes) if fatal else {trouble.get("probe") for trouble in troubles})
    return sorted(found, key=lambda finding: ("works", "degraded", "missing").index(finding.state))


def _capabilities(capabilities: dict[str, bool]) -> list[Finding]:
    found = []
    for name, has in sorted(capabilities.items()):
        what, lack, how = CAPABILITIES.get(name, (name, "is lacking", ""))
        found.append(Finding(name, "works", what) if has else Finding(name, "degraded", f"{what} {lack}", how))
    return found


def _probes(probes: dict[str, dict[str, Any]], told: set[str | None]) -> list[Finding]:
    """told: the probes that a trouble is about, which needs not be said twice."""
    found = []
    loaded = sorted(name for name, probe in probes.items() if probe.get("state") == "on")
    if loaded:
        found.append(Finding("probes", "works", ", ".join(loaded)))
    for name, probe in sorted(probes.items()):
        if name in loaded or name in told:
            continue
        lacks = ", ".join(probe.get("missing") or [])
        why = probe.get("why") or (f"this kernel does not have {lacks}" if lacks else "no reason is known")
        what = "does without" if probe.get("state") == "partial" else "can't be used"
        found.append(Finding(f"probe {name}", "degraded", f"{what}: {why}"))
    return found


def _troubles(troubles: list[dict[str, Any]]) -> list[Finding]:
    found = []
    for trouble in troubles:
        name = f"probe {trouble['probe']}" if trouble.get("probe") else str(trouble.get("code"))
        state: State = "missing" if trouble.get("fatal") else "degraded"
        found.append(Finding(name, state, str(trouble.get("message")), trouble.get("what_to_do") or ""))
    return found


def _install_command(transport: Transport) -> str:
    try:
        return install_command(transport.run(["cat", "/etc/os-release"]).out.decode("utf-8", "replace"))
    except NodeError:
        return ""


def _lack(name: str, exc: NodeError, node: str) -> Finding:
    return Finding(name, "missing", exc.message.removeprefix(f"{node}: "), exc.what_to_do)


def _connected(node: str) -> str:
    return "this machine, without SSH" if node.startswith("local") else f"SSH to {node}"
