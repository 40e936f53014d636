"""What people type for a node, and what `ssh -G` answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from santabpf.errors import BadUsage
from santabpf.transport import open_transport
from santabpf.transport.local import Local
from santabpf.transport.ssh_config import Target, expand, parse, parse_target


@pytest.mark.parametrize(
    ("node", "target"),
    [
        ("web-1", Target("web-1", None, None)),
        ("root@web-1", Target("web-1", "root", None)),
        ("web-1:2222", Target("web-1", None, 2222)),
        ("a@b@web-1:22", Target("web-1", "a@b", 22)),
        ("fe80::1%eth0", Target("fe80::1%eth0", None, None)),
        ("u@[::1]:2222", Target("::1", "u", 2222)),
        ("[::1]", Target("::1", None, None)),
    ],
)
def test_a_node_is_user_host_and_port(node: str, target: Target) -> None:
    assert parse_target(node) == target


@pytest.mark.parametrize(
    "node",
    ["", "web 1", "-oProxy=x", "-l@web", "root@", "web:", "web:ssh", "web:0", "web:65536", "[::1", "[::1]2", "a\n"],
)
def test_what_is_no_node_is_bad_usage(node: str) -> None:
    with pytest.raises(BadUsage, match="is no node"):
        open_transport(node)


@pytest.mark.parametrize("name", ["local", "localhost-without-ssh"])
def test_this_machine_needs_no_ssh(name: str) -> None:
    with open_transport(name, accept_new=True) as transport:
        assert isinstance(transport, Local)


def test_an_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    host = parse(
        Target("web-1", None, None),
        """user deploy
hostname 10.0.0.7
port 2222
identityfile ~/.ssh/id_%r
identityfile none
identityfile %d/.ssh/%h
identitiesonly yes
stricthostkeychecking true
hashknownhosts yes
serveraliveinterval 7
connecttimeout 3
userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2
globalknownhostsfile none
proxyjump bastion,me@inner:33
proxycommand none
""",
    )
    assert (host.name, host.hostname, host.user, host.port) == ("web-1", "10.0.0.7", "deploy", 2222)
    assert host.identity_files == (Path("/home/me/.ssh/id_deploy"), Path("/home/me/.ssh/10.0.0.7"))
    assert (host.identities_only, host.agent, host.hash_known_hosts) == (True, "/run/agent", True)
    assert host.jumps == ("bastion", "me@inner:33")
    assert host.proxy_command is None
    assert host.known_hosts == (Path("/home/me/.ssh/known_hosts"), Path("/home/me/.ssh/known_hosts2"))
    assert (host.check, host.connect_timeout_s, host.keepalive_s) == ("yes", 3.0, 7)
    assert host.known_as == "[10.0.0.7]:2222"


@pytest.mark.parametrize(
    ("line", "agent"),
    [("none", None), ("SSH_AUTH_SOCK", "/run/agent"), ("$OTHER", "/run/other"), ("~/a-%h", "/home/me/a-web-1")],
)
def test_the_agent_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, line: str, agent: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")
    assert parse(Target("web-1", None, None), f"user u\nidentityagent {line}\n").agent == agent


def test_tokens_are_expanded_and_unknown_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/x")
    assert expand("nc %h %p 100%% %Z ${WHERE} ${NOT_SET_HERE}", {"%": "%", "h": "web", "p": "22"}) == (
        "nc web 22 100% %Z /x ${NOT_SET_HERE}"
    )
