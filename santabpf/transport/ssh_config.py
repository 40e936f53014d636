"""What OpenSSH would do to reach a host: asked of ``ssh -G``, which alone reads Include, Match and tokens rightly.

In: a node's name, as people type it. Out: a HostConfig. Runs ssh -G; opens no connection and reads no key.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadUsage, CannotConnect

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True)
class Target:
    """What was typed: [user@]host[:port]."""

    host: str
    user: str | None
    port: int | None

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True)
class HostConfig:
    """How to reach one host."""

    name: str  # as it was typed, without user and port
    hostname: str
    user: str
    port: int
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: str | None = None  # the agent's socket; None: no agent
    jumps: tuple[str, ...] = ()  # the first is connected to first
    proxy_command: str | None = None
    known_hosts: tuple[Path, ...] = ()  # the first is the one that new keys are added to
    host_key_alias: str | None = None
    hash_known_hosts: bool = False
    check: str = "ask"  # StrictHostKeyChecking: ask, yes, accept-new, no
    connect_timeout_s: float | None = None
    keepalive_s: int = 0

    @property
    def known_as(self) -> str:
        """The name under which known_hosts has this host's key."""
        name = self.host_key_alias or self.hostname
        return name if self.port == 22 or self.host_key_alias else f"[{name}]:{self.port}"


def parse_target(node: str) -> Target:
    """'[user@]host[:port]', with [..] around an IPv6 address that has a port. Raises BadUsage."""
    user, _, rest = node.rpartition("@")
    if rest.startswith("["):
        host, end, port = rest[1:].partition("]")
        right = bool(end) and re.fullmatch(r"(:\d+)?", port) is not None
        port = port[1:]
    elif rest.count(":") == 1:
        host, _, port = rest.partition(":")
        right = port.isdecimal()
    else:
        host, port, right = rest, "", True
    if not right or not host or host.startswith("-") or user.startswith("-") or re.search(r"\s", node):
        raise BadUsage(f"{node!r} is no node: write `local`, or [user@]host[:port]")
    if port and not 0 < int(port) < 65536:
        raise BadUsage(f"{node!r} is no node: there is no port {port}")
    return Target(host, user or None, int(port) if port else None)


def ask(target: Target, config: str | os.PathLike[str] | None = None) -> HostConfig:
    """What ``ssh -G`` says about a target; plain defaults where there is no ssh client. Raises CannotConnect."""
    argv = ["ssh", "-G"]
    if config is not None:
        argv += ["-F", os.fspath(config)]
    if target.user is not None:
        argv += ["-l", target.user]
    if target.port is not None:
        argv += ["-p", str(target.port)]
    try:
        done = subprocess.run([*argv, "--", target.host], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    except FileNotFoundError:
        if config is not None:
            raise CannotConnect(f"{target}: an SSH configuration was named, but there is no ssh to read it") from None
        return _defaults(target)
    except subprocess.TimeoutExpired as exc:
        raise CannotConnect(f"{target}: ssh -G did not answer within 20 s; look at `Match exec` in its config") from exc
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise CannotConnect(f"{target}: the SSH configuration can't be read: {said[0] if said else 'no reason given'}")
    return parse(target, done.stdout.decode("utf-8", "surrogateescape"))


def parse(target: Target, text: str) -> HostConfig:
    """The output of ``ssh -G`` -> HostConfig."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value)

    def one(key: str, default: str = "") -> str:
        return said.get(key, [default])[0]

    def chosen(key: str) -> str | None:
        value = one(key, "none")
        return None if value.lower() == "none" else value

    hostname, port = one("hostname", target.host), int(one("port", "22"))
    user = one("user") or getpass.getuser()
    tokens = {"%": "%", "h": hostname, "n": target.host, "p": str(port), "r": user, "d": str(Path.home())}
    tokens |= {"u": getpass.getuser(), "l": socket.gethostname(), "L": socket.gethostname().split(".")[0]}
    tokens |= {"i": str(os.getuid()), "k": one("hostkeyalias") or target.host, "j": one("proxyjump")}

    def path(value: str) -> Path:
        return Path(expand(value, tokens)).expanduser()

    timeout, keepalive = chosen("connecttimeout"), one("serveraliveinterval", "0")
    command, jump = chosen("proxycommand"), chosen("proxyjump")
    files = [*one("userknownhostsfile").split(), *one("globalknownhostsfile").split()]
    checking = {"true": "yes", "false": "no", "off": "no"}
    return HostConfig(
        name=target.host,
        hostname=hostname,
        user=user,
        port=port,
        identity_files=tuple(path(value) for value in said.get("identityfile", []) if value.lower() != "none"),
        identities_only=one("identitiesonly") in ("yes", "true"),
        agent=_agent(one("identityagent", "SSH_AUTH_SOCK"), tokens),
        jumps=tuple(part.strip() for part in jump.split(",")) if jump else (),
        proxy_command=expand(command, tokens) if command else None,
        known_hosts=tuple(path(value) for value in files if value.lower() != "none"),
        host_key_alias=said.get("hostkeyalias", [None])[0],
        hash_known_hosts=one("hashknownhosts") in ("yes", "true"),
        check=checking.get(one("stricthostkeychecking", "ask"), one("stricthostkeychecking", "ask")),
        connect_timeout_s=float(timeout) if timeout and timeout.isdecimal() and int(timeout) > 0 else None,
        keepalive_s=int(keepalive) if keepalive.isdecimal() else 0,
    )


def expand(value: str, tokens: dict[str, str]) -> str:
    """ssh_config(5)'s TOKENS and ${VARIABLES}; what is unknown stays as it is."""
    value = re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), value)
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], match[0]), value)


def _agent(value: str, tokens: dict[str, str]) -> str | None:
    if value.lower() == "none":
        return None
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK")
    if value.startswith("$"):
        return os.environ.get(value[1:].strip("{}"))
    return os.path.expanduser(expand(value, tokens))


def _defaults(target: Target) -> HostConfig:
    home = Path.home() / ".ssh"
    return HostConfig(
        name=target.host,
        hostname=target.host,
        user=target.user or getpass.getuser(),
        port=target.port or 22,
        identity_files=tuple(home / name for name in DEFAULT_KEYS),
        agent=os.environ.get("SSH_AUTH_SOCK"),
        known_hosts=(home / "known_hosts", Path("/etc/ssh/ssh_known_hosts")),
    )
