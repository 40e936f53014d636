"""Logs in to an SSH server with keys: those of the agent and those in files. In: a connected transport. Out: nothing.

It asks for no password and no passphrase: a key that needs one belongs in the agent.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paramiko
from paramiko.agent import AgentSSH

from ..errors import CannotConnect
from .known_hosts import fingerprint
from .ssh_config import HostConfig

AGENT_TIMEOUT_S = 20.0  # an agent may ask its owner to touch a token


class Identity(NamedTuple):
    """A key to try, and what people call it."""

    name: str
    key: Any


class AgentAt(AgentSSH):  # type: ignore[misc]
    """The agent behind a socket; paramiko's own looks at SSH_AUTH_SOCK only."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(AGENT_TIMEOUT_S)
            self._socket.connect(path)
            self._connect(self._socket)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Leave the agent; its keys can't sign any more."""
        self._close()


def log_in(transport: Any, host: HostConfig, where: str) -> None:
    """Log in as host.user with the first key that is taken. Raises CannotConnect, which says what was tried."""
    agent, notes = None, []
    if host.agent:
        try:
            agent = AgentAt(host.agent)
        except (OSError, paramiko.SSHException) as exc:
            notes.append(f"the agent at {host.agent} does not answer: {exc}")
    try:
        _try_all(transport, host, where, identities(host, agent.get_keys() if agent else (), notes), notes)
    finally:
        if agent is not None:
            agent.close()


def identities(host: HostConfig, agent_keys: tuple[Any, ...], notes: list[str]) -> Iterator[Identity]:
    """Keys in the order in which OpenSSH tries them: the agent's, those of the configuration first; then files.

    notes gets why a key that was named can't be tried.
    """
    wanted = {blob for path in host.identity_files for blob in [_public_blob(path)] if blob}
    tried = set()
    for key in sorted(agent_keys, key=lambda key: key.asbytes() not in wanted):
        if key.asbytes() in wanted or not host.identities_only:
            tried.add(key.asbytes())
            yield Identity(f"{key.comment or fingerprint(key.asbytes())} (agent)", key)
    for path in host.identity_files:
        if path.suffix == ".pub" or _public_blob(path) in tried:
            continue
        key, why = _load(path)
        if why:
            notes.append(f"{path} {why}")
        elif key is not None and key.asbytes() not in tried:
            tried.add(key.asbytes())
            yield Identity(str(path), key)


def _try_all(transport: Any, host: HostConfig, where: str, keys: Iterator[Identity], notes: list[str]) -> None:
    tried: list[str] = []
    try:
        left = _attempt(lambda: transport.auth_none(host.user))
        if left is not None and "publickey" in left:
            for identity in keys:
                tried.append(identity.name)
                key = identity.key
                left = _attempt(lambda key=key: transport.auth_publickey(host.user, key))
                if left is None:
                    return
                if left and "publickey" not in left:
                    break
        if left is None:
            return
    except (paramiko.SSHException, OSError, EOFError) as exc:
        if not tried:
            raise CannotConnect(f"{where}: the SSH server ended the login of {host.user}: {exc}") from exc
        notes.append("the server then hung up (IdentitiesOnly yes in the SSH configuration makes it fewer keys)")
        left = []
    if left and "publickey" not in left:
        raise CannotConnect(
            f"{where}: the SSH server wants {' or '.join(left)} of {host.user}{' after the key' if tried else ''}, "
            "and santabpf logs in with keys only"
        )
    what = f"refused the login of {host.user}" + (f" with {', '.join(tried)}" if tried else ": there is no key to try")
    raise CannotConnect(
        f"{where}: the SSH server {what}{''.join(f'; {note}' for note in notes)}; "
        "name the right key by IdentityFile in the SSH configuration, or ssh-add it"
    )


def _attempt(step: Any) -> list[str] | None:
    """One login attempt: None when that was it, else the methods that may go on (empty: the server does not say)."""
    try:
        return list(step()) or None
    except paramiko.BadAuthenticationType as exc:
        return list(exc.allowed_types)
    except paramiko.AuthenticationException:
        return ["publickey"]


def _load(path: Path) -> tuple[Any, str]:
    """A private key, or why it can't be used; neither when there is no such file."""
    if not path.exists():
        return None, ""
    try:
        return paramiko.PKey.from_path(path), ""
    except OSError as exc:
        return None, f"can't be read: {exc.strerror}"
    except Exception as exc:  # cryptography has many ways to dislike a key; one that can't be loaded is not tried
        if "password" in str(exc).lower() or "encrypted" in str(exc).lower():
            return None, "needs a passphrase (ssh-add it)"
        return None, "is of no kind that can be used"


def _public_blob(path: Path) -> bytes | None:
    """The public half beside a key file, by which the agent's copy of it is known."""
    public = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return bytes(paramiko.pkey.PublicBlob.from_file(str(public)).key_blob)
    except (OSError, ValueError, paramiko.SSHException):
        return None
