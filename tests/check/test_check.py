"""`santabpf check`: what an elf says, told as findings; and the real thing, on this machine and over SSH."""

from __future__ import annotations

from typing import Any

import pytest
from own_sshd import Sshd

from santabpf import wire
from santabpf.check import CheckResult, Finding, check, check_elf, install_command
from santabpf.errors import BadUsage
from santabpf.transport.fake import Fake

FACTS: dict[str, Any] = {
    "kernel": "6.1.0-9-amd64",
    "machine": "x86_64",
    "cpus": 4,
    "memory_bytes": 8 << 30,
    "python": "3.11.2",
    "bcc": "0.26.0",
    "capabilities": {"bpf_stats": True, "kallsyms": True},
    "probes": {"exec": {"state": "on"}, "runq": {"state": "on"}},
}


def said(*messages: tuple[int, dict[str, Any]], err: bytes = b"", code: int = 0) -> list[Finding]:
    """The findings about an elf that says this."""
    frames = [wire.pack(kind, 0, seq, 0, payload) for seq, (kind, payload) in enumerate(messages)]
    return check_elf(Fake(frames, err=err, code=code, name="node-1"))


def trouble(code: str, *, fatal: bool = False, probe: str | None = None) -> tuple[int, dict[str, Any]]:
    text = {"code": code, "message": f"it is {code}", "what_to_do": f"mend {code}", "probe": probe, "fatal": fatal}
    return wire.TROUBLE, text


BYE = (wire.BYE, {"reason": "asked"})


def test_a_node_that_has_everything_works() -> None:
    found = said((wire.HELLO, FACTS), BYE)
    assert {finding.state for finding in found} == {"works"}
    assert Finding("kernel", "works", "Linux 6.1.0-9-amd64 on x86_64, 4 CPUs, 8 GiB") in found
    assert Finding("probes", "works", "exec, runq") in found


def test_a_fatal_trouble_is_missing_and_comes_with_its_command() -> None:
    found = said((wire.HELLO, FACTS | {"bcc": None, "probes": {}}), trouble("no_bcc", fatal=True), BYE)
    assert found[-1] == Finding("no_bcc", "missing", "it is no_bcc", "mend no_bcc")
    assert not CheckResult("node-1", tuple(found)).ok


def test_a_probe_that_fails_is_degraded_and_told_once() -> None:
    probes = {"exec": {"state": "on"}, "runq": {"state": "failed", "why": "no such tracepoint"}}
    found = said((wire.HELLO, FACTS | {"probes": probes}), trouble("probe_failed", probe="runq"), BYE)
    about = [finding for finding in found if "runq" in finding.name]
    assert about == [Finding("probe runq", "degraded", "it is probe_failed", "mend probe_failed")]
    assert CheckResult("node-1", tuple(found)).ok


def test_a_probe_that_lacks_a_field_is_degraded() -> None:
    probes = {"exec": {"state": "partial", "why": None, "missing": ["OFF_KN_ID"]}}
    found = said((wire.HELLO, FACTS | {"probes": probes}), BYE)
    assert found[-1] == Finding("probe exec", "degraded", "does without: this kernel does not have OFF_KN_ID")


def test_a_capability_that_lacks_is_degraded_and_says_what_mends_it() -> None:
    found = said((wire.HELLO, FACTS | {"capabilities": {"bpf_stats": True, "kallsyms": False}}), BYE)
    assert found[-1] == Finding(
        "kallsyms", "degraded", "names of kernel functions are hidden", "sysctl -w kernel.kptr_restrict=1"
    )


def test_an_elf_that_does_not_start_is_missing() -> None:
    found = said(err=b"sudo: a password is required\n", code=1)
    assert [finding.state for finding in found] == ["missing"]
    assert found[0].message == "recording needs root, and sudo says no to this login: a password is required"
    assert found[0].what_to_do.startswith('echo "$USER ALL=(root) NOPASSWD: /usr/bin/python3"')


def test_no_python_is_mended_as_the_distribution_does_it() -> None:
    class Suse(Fake):
        def run(self, argv: list[str], **options: Any) -> Any:
            assert argv == ["cat", "/etc/os-release"]
            return super().run(argv, **options)._replace(out=b'ID="opensuse-leap"\nID_LIKE="suse opensuse"\n')

    (found,) = check_elf(Suse(err=b"sh: /usr/bin/python3: not found\n", code=127, name="node-1"))
    assert found == Finding("python", "missing", "there is no /usr/bin/python3", "zypper install python3 python3-bcc")


def test_frames_that_are_none_are_an_answer_too() -> None:
    found = check_elf(Fake([b"SBPF" + b"\0" * 60]))
    assert [(finding.name, finding.state) for finding in found] == [("recorder", "missing")]


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ID=debian\n", "apt-get install --no-install-recommends python3 python3-bpfcc"),
        ("ID=linuxmint\nID_LIKE=ubuntu\n", "apt-get install --no-install-recommends python3 python3-bpfcc"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install python3 python3-bcc"),
        ("ID=nixos\n", ""),
        ("", ""),
    ],
)
def test_each_distribution_has_its_command(text: str, command: str) -> None:
    assert install_command(text) == command


def test_a_node_that_can_not_be_reached_is_an_answer() -> None:
    result = check("nowhere.invalid")
    assert [(finding.name, finding.state) for finding in result.findings] == [("connection", "missing")]
    assert result.to_text().endswith("nowhere.invalid can't be recorded")


def test_a_name_that_is_no_node_is_bad_usage() -> None:
    with pytest.raises(BadUsage):
        check("-x")


def test_the_text_shows_each_finding_and_its_command() -> None:
    result = CheckResult("web-1", (Finding("a", "works", "fine"), Finding("b", "degraded", "so so", "mend b")))
    assert result.to_text().splitlines() == [
        "works     a: fine",
        "degraded  b: so so",
        "          mend it with: mend b",
        "web-1 can be recorded (with less: see above)",
    ]
    assert result.as_dict()["findings"][1] == {
        "name": "b", "state": "degraded", "message": "so so", "what_to_do": "mend b",
    }  # fmt: skip


@pytest.mark.bpf
def test_this_machine_can_be_recorded() -> None:
    result = check("local")
    assert result.ok, result.to_text()
    assert {"kernel", "bcc", "probes"} <= {finding.name for finding in result.findings if finding.state == "works"}


@pytest.mark.bpf
@pytest.mark.ssh
def test_this_machine_can_be_recorded_over_ssh(sshd: Sshd) -> None:
    result = check(sshd.node, ["exec", "metrics"], **sshd.options)
    assert result.ok, result.to_text()
    assert result.findings[0] == Finding("connection", "works", "SSH to node-1")
    assert Finding("probes", "works", "exec, metrics") in result.findings
