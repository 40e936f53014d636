"""A node over SSH: the only place that knows paramiko. In: what one would type after `ssh`. Out: channels of bytes.

Who and where is asked of ``ssh -G``. A host whose key is not known is refused, unless told to accept new ones; one
whose key has changed is always refused. Logs in with keys only, out of files and the agent; never asks for anything.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import socket
import subprocess
import time
from types import TracebackType
from typing import Any, Self

import paramiko

from ..errors import CannotConnect, ConnectionLost, NodeError
from . import ERR_BYTES, SUDO, Completed, known_hosts, run_to_end, ssh_config
from .ssh_auth import log_in
from .ssh_config import HostConfig

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 5
WINDOW_BYTES = 1 << 24  # what may be under way: enough for 100 MB/s at a round trip of 150 ms
PACKET_BYTES = 1 << 15
CHUNK = 1 << 24
WRITE_TIMEOUT_S = 15.0
GRACE_S = 3.0
MAX_HOPS = 8
# AES-GCM encrypts and signs in one go, which costs the node less than AES-CTR with HMAC, paramiko's own first choice.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")

_log = logging.getLogger("santabpf.ssh")
_log.addHandler(logging.NullHandler())  # paramiko's log is for who asks for it; the errors are told by exceptions


class SSH:
    """A connection to one node, through its jump hosts. Connected when made; a context manager.

    node               [user@]host[:port], as for ssh; the rest comes from the SSH configuration
    config             another configuration file than ~/.ssh/config (ssh -F)
    accept_new         add the key of a host that is not in known_hosts yet; never one that differs
    connect_timeout_s  for each step: to connect, to shake hands, to log in; default: ConnectTimeout, or 10 s

    Raises BadUsage for a name that is none, CannotConnect for all that can go wrong on the way.
    """

    def __init__(
        self,
        node: str,
        *,
        config: str | os.PathLike[str] | None = None,
        accept_new: bool = False,
        connect_timeout_s: float | None = None,
    ) -> None:
        self.name = node
        self._opened: list[Any] = []  # transports and processes, in the order in which they were opened
        self._is_root: bool | None = None
        self._config, self._accept_new, self._timeout_s = config, accept_new, connect_timeout_s
        try:
            self._transport = self._connect(ssh_config.ask(ssh_config.parse_target(node), config), None, 0)
        except BaseException:
            self.close()
            raise

    def run(self, argv: list[str], *, stdin: bytes = b"", timeout_s: float = 30, sudo: bool = False) -> Completed:
        """Run a command to its end. Raises ConnectionLost when it hangs or the connection breaks."""
        done = run_to_end(self.start(argv, sudo=sudo), stdin, timeout_s)
        if done is None:
            raise ConnectionLost(f"{self.name}: {argv[0]} did not end within {timeout_s:g} s")
        return done

    def start(self, argv: list[str], *, sudo: bool = False) -> SSHChannel:
        """Start a command. Raises ConnectionLost."""
        full = [*SUDO, *argv] if sudo and not self.is_root else argv
        try:
            channel = self._transport.open_session(WINDOW_BYTES, PACKET_BYTES, timeout=WRITE_TIMEOUT_S)
            channel.settimeout(WRITE_TIMEOUT_S)
            channel.exec_command(f"exec {shlex.join(full)}")  # so that no shell waits beside it
        except (paramiko.SSHException, OSError, EOFError) as exc:
            raise ConnectionLost(f"{self.name}: no command can be started any more: {_why(exc)}") from exc
        return SSHChannel(self.name, channel)

    @property
    def is_root(self) -> bool:
        """Whether the login is root; asked once."""
        if self._is_root is None:
            words = self.run(["id", "-u"]).out.split()
            self._is_root = words[-1:] == [b"0"]
        return self._is_root

    def close(self) -> None:
        """Close the connection, its hops and its proxy command."""
        while self._opened:
            opened = self._opened.pop()
            with contextlib.suppress(Exception):  # what is closed may be in any state
                if isinstance(opened, subprocess.Popen):
                    opened.kill()
                    opened.wait(GRACE_S)
                else:
                    opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, host: HostConfig, jumps: tuple[str, ...] | None, depth: int) -> Any:
        """A transport to a host that has logged in. jumps: these instead of the host's own."""
        if depth > MAX_HOPS:
            raise CannotConnect(f"{self.name}: more than {MAX_HOPS} jump hosts; does a ProxyJump lead back to itself?")
        timeout = self._timeout_s or host.connect_timeout_s or CONNECT_TIMEOUT_S
        where = self._called(host)
        sock = self._way_to(host, host.jumps if jumps is None else jumps, timeout, depth)
        self._opened.append(sock)
        try:
            transport = paramiko.Transport(sock)
            self._opened.append(transport)
            transport.set_log_channel(_log.name)
            transport.banner_timeout = transport.handshake_timeout = timeout
            transport.auth_timeout = max(timeout, 30.0)
            options = transport.get_security_options()
            options.ciphers, options.digests = CIPHERS, MACS
            options.key_types = _known_first(options.key_types, known_hosts.key_types(host.known_hosts, host.known_as))
            transport.start_client(timeout=2 * timeout)
            key = transport.get_remote_server_key()
        except (paramiko.SSHException, OSError, EOFError) as exc:
            raise CannotConnect(f"{where}: {_no_handshake(exc, timeout)}") from exc
        self._check_key(host, key.get_name(), key.asbytes())
        log_in(transport, host, where)
        transport.set_keepalive(host.keepalive_s or KEEPALIVE_S)
        return transport

    def _called(self, host: HostConfig) -> str:
        """A host's name in a message: the jump hosts say on the way to whom."""
        return self.name if host.name in self.name else f"{host.name} (on the way to {self.name})"

    def _way_to(self, host: HostConfig, jumps: tuple[str, ...], timeout: float, depth: int) -> Any:
        """A socket, or what behaves as one, that leads to the host's sshd."""
        if jumps:
            # `ProxyJump a,b` means: to b by way of a; b's own ProxyJump is not looked at, a's is.
            target = ssh_config.parse_target(jumps[-1].removeprefix("ssh://"))
            hop = self._connect(ssh_config.ask(target, self._config), jumps[:-1] or None, depth + 1)
            try:
                return hop.open_channel("direct-tcpip", (host.hostname, host.port), ("127.0.0.1", 0), timeout=timeout)
            except (paramiko.SSHException, OSError, EOFError) as exc:
                raise CannotConnect(
                    f"{self._called(host)}: jump host {target} gets no connection to {host.hostname} port {host.port}: "
                    f"{_why(exc)}"
                ) from exc
        if host.proxy_command:
            ours, theirs = socket.socketpair()
            with theirs:
                child = subprocess.Popen(
                    ["/bin/sh", "-c", f"exec {host.proxy_command}"],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._opened.append(child)
            return ours
        return _dial(self._called(host), host, timeout)

    def _check_key(self, host: HostConfig, key_type: str, key: bytes) -> None:
        """Raises CannotConnect unless the host is who it was before."""
        where, shown = self._called(host), f"{key_type} {known_hosts.fingerprint(key)}"
        answer = known_hosts.look_up(host.known_hosts, host.known_as, key_type, key)
        if answer.state == "known":
            return
        if answer.state == "revoked":
            raise CannotConnect(f"{where}: its host key {shown} is marked as revoked in {answer.where}; not connected")
        if answer.state == "changed":
            raise CannotConnect(
                f"{where}: its host key has changed: it shows {shown}, but {answer.where} has another; somebody may "
                "stand between, or the machine was set up anew; only where you know that it was",
                f"ssh-keygen -R {shlex.quote(host.known_as)} -f {answer.where.rpartition(':')[0]}",
            )
        if not (self._accept_new or host.check in ("accept-new", "no")):
            file = host.known_hosts[0] if host.known_hosts else "~/.ssh/known_hosts"
            raise CannotConnect(
                f"{where}: its host key is not known: {shown}; if `ssh-keygen -lf` on the node's own "
                "/etc/ssh/ssh_host_*_key.pub says the same, trust it with --accept-new",
                f"ssh-keyscan -p {host.port} {host.hostname} >> {file}",
            )
        if host.known_hosts:
            try:
                known_hosts.add(host.known_hosts[0], host.known_as, key_type, key, hashed=host.hash_known_hosts)
            except OSError as exc:
                raise CannotConnect(
                    f"{where}: its new host key can't be kept in {host.known_hosts[0]}: {exc.strerror}"
                ) from exc


class SSHChannel:
    """A command that runs on the node. Closing it closes its stdin and its streams; it can't be killed from here."""

    def __init__(self, name: str, channel: Any) -> None:
        self._name, self._channel = name, channel
        self._err_text = b""

    def write(self, data: bytes) -> None:
        """Give all of data to its stdin. Raises ConnectionLost."""
        left = memoryview(data)
        try:
            while left:
                sent = self._channel.send(bytes(left[:PACKET_BYTES]))
                if sent == 0:
                    raise ConnectionLost(f"{self._name}: the process has closed its input")
                left = left[sent:]
        except TimeoutError as exc:
            raise ConnectionLost(f"{self._name}: the process does not read its input") from exc
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise ConnectionLost(f"{self._name}: the SSH connection broke: {_why(exc)}") from exc

    def end_input(self) -> None:
        """The end of its stdin."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def read(self, timeout_s: float) -> bytes | None:
        """Bytes of its stdout; b"" at the end, None when nothing came in time. Raises ConnectionLost."""
        self._take_err()
        self._channel.settimeout(max(0.0, timeout_s))
        try:
            data: bytes = self._channel.recv(CHUNK)
        except TimeoutError:
            data = b""
            if not self._channel.closed:
                return None
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise ConnectionLost(f"{self._name}: the SSH connection broke: {_why(exc)}") from exc
        transport = self._channel.get_transport()
        if not data and not transport.is_active():
            cause = transport.get_exception()
            raise ConnectionLost(f"{self._name}: the SSH connection broke: {_why(cause or EOFError())}") from cause
        return data

    def err(self) -> bytes:
        """The end of what it has written to its stderr so far."""
        self._take_err()
        return self._err_text

    def _take_err(self) -> None:
        while self._channel.recv_stderr_ready():
            text = self._channel.recv_stderr(1 << 16)
            self._err_text = (self._err_text + text)[-ERR_BYTES:]

    def exit_code(self, timeout_s: float) -> int | None:
        """Its exit code; None while it runs, where a signal ended it, or where the connection broke."""
        self._channel.status_event.wait(timeout_s)
        code: int = self._channel.exit_status
        return None if code < 0 else code

    def close(self) -> None:
        """Close its stdin, give it up to 3 s to leave, then close the channel."""
        deadline = time.monotonic() + GRACE_S
        try:
            self.end_input()
            with contextlib.suppress(NodeError):
                while (left := deadline - time.monotonic()) > 0 and self.read(min(left, 0.1)) != b"":
                    pass
            self.exit_code(min(0.5, max(0.0, deadline - time.monotonic())))
        finally:
            with contextlib.suppress(Exception):  # paramiko sends a message here, over what may be broken
                self._channel.close()


def _dial(where: str, host: HostConfig, timeout: float) -> socket.socket:
    """A TCP connection. Raises CannotConnect."""
    at = f"{host.hostname} port {host.port}"
    try:
        sock = socket.create_connection((host.hostname, host.port), timeout)
    except (socket.gaierror, UnicodeError) as exc:
        raise CannotConnect(
            f"{where}: the name {host.hostname!r} does not resolve to an address; is it spelt right?"
        ) from exc
    except ConnectionRefusedError as exc:
        raise CannotConnect(f"{where}: {at} refused the connection; is sshd running there, on this port?") from exc
    except TimeoutError as exc:
        raise CannotConnect(f"{where}: {at} did not answer within {timeout:g} s") from exc
    except OSError as exc:
        raise CannotConnect(f"{where}: no connection to {at}: {exc.strerror or exc}") from exc
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _known_first(offered: tuple[str, ...], known: list[str]) -> tuple[str, ...]:
    """The types of the host's known keys before the others, so that a key of another type is not met by chance."""
    wanted = {name for key_type in known for name in _signatures(key_type)}
    return tuple(sorted(offered, key=lambda name: name not in wanted))


def _signatures(key_type: str) -> tuple[str, ...]:
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


def _no_handshake(exc: BaseException, timeout: float) -> str:
    text = _why(exc)
    if "banner" in text.lower():
        return f"no SSH server answered within {timeout:g} s"
    if "No existing session" in text or "timed out" in text.lower():
        return f"the SSH server did not finish its handshake within {timeout:g} s"
    return f"the SSH handshake failed: {text}"


def _why(exc: BaseException) -> str:
    """A foreign error as half a sentence."""
    text = str(exc).strip().rstrip(".")
    if isinstance(exc, EOFError):
        return text or "the other side closed it"
    return text or type(exc).__name__
