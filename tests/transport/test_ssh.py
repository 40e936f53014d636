"""SSH over sshds of our own on loopback: what works, and what each thing that can go wrong is told as."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from on_the_node import Traces
from own_sshd import Sshd

from santabpf.errors import CannotConnect, ConnectionLost
from santabpf.transport import open_transport
from santabpf.transport.ssh import SSH

pytestmark = pytest.mark.ssh
MakeSshd = Callable[..., Sshd]


@pytest.fixture(autouse=True)
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own, which must stay as it is: nothing here may touch anybody's ~/.ssh."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield home
    assert list(home.iterdir()) == []


def connect(sshd: Sshd, node: str | None = None, **options: object) -> SSH:
    transport = open_transport(node or sshd.node, **(sshd.options | options))
    assert isinstance(transport, SSH)
    return transport


def whoami(sshd: Sshd, node: str | None = None, **options: object) -> str:
    with connect(sshd, node, **options) as transport:
        return transport.run(["id", "-un"]).out.decode().strip()


def refused(sshd: Sshd, node: str | None = None, **options: object) -> CannotConnect:
    """The error that connecting ends with."""
    with pytest.raises(CannotConnect) as caught:
        connect(sshd, node, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def encrypt(key: Path) -> None:
    """Give a key file a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key], check=True, capture_output=True)


# ------------------------------------------------------------------------------------------------- commands


def test_a_command_gets_bytes_and_gives_bytes_and_its_exit_code(sshd: Sshd) -> None:
    with connect(sshd) as transport:
        done = transport.run(["sh", "-c", "cat; echo err >&2; exit 7"], stdin=b"\0\xff in")
        assert done == (7, b"\0\xff in", b"err\n")
        assert transport.run(["printf", "%s|", "a b", "$HOME", "it's", '"', "*", "new\nline"]).out == (
            b"a b|$HOME|it's|\"|*|new\nline|"
        )


def test_megabytes_pass_unharmed_both_ways(sshd: Sshd) -> None:
    data = os.urandom(1 << 20) * 5
    with connect(sshd) as transport:
        assert transport.run(["sha256sum"], stdin=data).out.split()[0].decode() == hashlib.sha256(data).hexdigest()
        count = 67_108_879  # a prime
        channel = transport.start(["head", "-c", str(count), "/dev/zero"])
        seen = 0
        while (chunk := channel.read(10)) != b"":
            assert chunk is not None
            seen += len(chunk) if chunk.count(0) == len(chunk) else 0
        assert seen == count
        assert channel.exit_code(5) == 0
        channel.close()


def test_only_the_end_of_a_long_stderr_is_kept(sshd: Sshd) -> None:
    with connect(sshd) as transport:
        err = transport.run(["sh", "-c", "head -c 300000 /dev/zero >&2; echo the end >&2"]).err
    assert err.endswith(b"the end\n")
    assert len(err) == 16 << 10


def test_a_command_that_hangs_is_given_up(sshd: Sshd) -> None:
    with connect(sshd) as transport, pytest.raises(ConnectionLost, match=r"node-1: sleep did not end within 0.2 s"):
        transport.run(["sleep", "5"], timeout_s=0.2)


def test_closing_leaves_no_thread_and_no_session_behind(sshd: Sshd, traces: Traces) -> None:
    before = threading.active_count()
    with connect(sshd) as transport:
        transport.start(["cat"])
        sessions = traces.descendants(sshd.pid)
        assert sessions
    assert traces.wait_gone(sessions, set(), 10) == (set(), set())
    assert threading.active_count() <= before


def test_a_session_that_is_killed_is_a_lost_connection(sshd: Sshd) -> None:
    with connect(sshd) as transport:
        channel = transport.start(["cat"])
        channel.write(b"alive")
        assert channel.read(10) == b"alive"
        for pid in sshd.sessions():
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ConnectionLost, match="node-1: the SSH connection broke"):
            channel.read(10)
        with pytest.raises(ConnectionLost, match="node-1"):
            transport.run(["true"])


# ------------------------------------------------------------------------------------------------- host keys


def test_an_unknown_host_key_is_refused_and_the_message_says_how_to_trust_it(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    error = refused(sshd)
    shown = subprocess.run(["ssh-keygen", "-lf", f"{sshd.host_key}.pub"], capture_output=True, text=True, check=True)
    assert shown.stdout.split()[1] in str(error)
    assert "--accept-new" in str(error)
    assert sshd.known_hosts.read_text() == ""
    subprocess.run(["sh", "-c", error.what_to_do], check=True, capture_output=True)
    assert whoami(sshd) == sshd.user


@pytest.mark.parametrize("hashed", ["no", "yes"])
def test_accept_new_adds_the_key_once_as_openssh_would(sshd: Sshd, hashed: str) -> None:
    sshd.write_config(f"HashKnownHosts {hashed}")
    sshd.known_hosts.write_text("# no newline at the end")
    assert whoami(sshd, accept_new=True) == whoami(sshd) == whoami(sshd, accept_new=True)
    lines = sshd.known_hosts.read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("|1|") == (hashed == "yes")
    options = ["-F", str(sshd.config), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    assert subprocess.run(["ssh", *options, sshd.node, "true"], capture_output=True).returncode == 0


@pytest.mark.parametrize("lines", [[], ["StrictHostKeyChecking no"], ["StrictHostKeyChecking accept-new"]])
def test_a_changed_host_key_is_always_refused_and_the_line_is_named(sshd: Sshd, lines: list[str]) -> None:
    sshd.write_config(*lines)
    other = Path(f"{sshd.new_key('other')}.pub").read_text().split()
    sshd.known_hosts.write_text(f"# a comment\n\n[127.0.0.1]:{sshd.port} {other[0]} {other[1]}\n")
    before = sshd.known_hosts.read_text()
    error = refused(sshd, accept_new=True)
    assert f"{sshd.known_hosts}:3 has another" in str(error)
    assert sshd.known_hosts.read_text() == before
    subprocess.run(["sh", "-c", error.what_to_do], check=True, capture_output=True)
    assert whoami(sshd, accept_new=True) == sshd.user


def test_a_host_known_by_a_key_of_another_type_only_is_refused(sshd: Sshd) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", sshd.folder / "ecdsa"], check=True, capture_output=True
    )
    sshd.trust(" ".join((sshd.folder / "ecdsa.pub").read_text().split()[:2]))
    assert f"{sshd.known_hosts}:1 has another" in str(refused(sshd, accept_new=True))


def test_a_host_with_two_keys_is_asked_for_the_one_that_is_known(make_sshd: MakeSshd, tmp_path: Path) -> None:
    key = tmp_path / "host_rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key], check=True)
    sshd = make_sshd(lines=[f"HostKey {key}"])
    sshd.trust(" ".join(Path(f"{key}.pub").read_text().split()[:2]))
    assert whoami(sshd) == sshd.user


def test_a_revoked_host_key_is_refused(sshd: Sshd) -> None:
    with sshd.known_hosts.open("a") as file:
        file.write(f"@revoked * {sshd.public_host_key}\n")
    assert f"is marked as revoked in {sshd.known_hosts}:2" in str(refused(sshd, accept_new=True))


def test_a_host_key_alias_is_the_name_that_is_looked_up(sshd: Sshd) -> None:
    sshd.known_hosts.write_text(f"the-alias {sshd.public_host_key}\n")
    sshd.write_config("HostKeyAlias the-alias")
    assert whoami(sshd) == sshd.user


def test_the_new_key_of_a_known_hosts_that_can_not_be_written_is_an_error(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    sshd.known_hosts.mkdir()
    assert f"can't be kept in {sshd.known_hosts}: Is a directory" in str(refused(sshd, accept_new=True))


# ------------------------------------------------------------------------------------------------- no way there


def test_a_name_that_does_not_resolve(sshd: Sshd) -> None:
    assert "the name 'nowhere.invalid' does not resolve" in str(refused(sshd, "nowhere.invalid"))


def test_a_port_where_nobody_listens(sshd: Sshd) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert f"127.0.0.1 port {port} refused the connection" in str(refused(sshd, f"127.0.0.1:{port}"))


def test_a_server_that_never_answers(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        node = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "no SSH server answered within 0.3 s" in str(refused(sshd, node, connect_timeout_s=0.3))


def test_a_host_that_takes_no_connection(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # its queue is full now, and it drops what else comes
            error = refused(sshd, f"127.0.0.1:{port}", connect_timeout_s=0.3)
    assert f"127.0.0.1 port {port} did not answer within 0.3 s" in str(error)


def test_a_server_that_is_no_ssh_server(sshd: Sshd) -> None:
    def answer() -> None:
        with server.accept()[0] as client:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            client.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        error = refused(sshd, f"127.0.0.1:{server.getsockname()[1]}", connect_timeout_s=2)
        thread.join()
    assert re.search("no SSH server answered|the SSH handshake failed", str(error))


def test_the_configured_connect_timeout_counts_unless_another_is_given(sshd: Sshd) -> None:
    sshd.write_config("ConnectTimeout 1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "within 1 s" in str(refused(sshd, f"127.0.0.1:{silent.getsockname()[1]}"))


# ------------------------------------------------------------------------------------------------- logging in


def test_a_wrong_key_is_refused_and_the_message_says_which_was_tried(sshd: Sshd) -> None:
    sshd.key = sshd.new_key("wrong")
    sshd.write_config()
    error = refused(sshd)
    assert f"refused the login of {sshd.user} with {sshd.key}" in str(error)


def test_no_key_at_all_is_said(sshd: Sshd) -> None:
    sshd.key = sshd.folder / "missing"
    sshd.write_config()
    assert "there is no key to try" in str(refused(sshd))


def test_a_key_with_a_passphrase_is_not_asked_for(sshd: Sshd) -> None:
    encrypt(sshd.key)
    assert f"{sshd.key} needs a passphrase (ssh-add it)" in str(refused(sshd))


def test_a_file_that_is_no_key_is_said(sshd: Sshd) -> None:
    sshd.key.write_text("no key")
    Path(f"{sshd.key}.pub").unlink()
    assert f"{sshd.key} is of no kind that can be used" in str(refused(sshd))


@pytest.fixture
def agent(sshd: Sshd) -> Iterator[str]:
    """An ssh-agent that alone has the key: its file is encrypted."""
    path = f"{sshd.folder}/agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not Path(path).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        subprocess.run(["ssh-add", "-q", sshd.key], check=True, env=os.environ | {"SSH_AUTH_SOCK": path})
        encrypt(sshd.key)
        yield path
        process.terminate()


def test_the_agent_of_the_configuration_signs(sshd: Sshd, agent: str) -> None:
    sshd.write_config(f"IdentityAgent {agent}")
    assert whoami(sshd) == sshd.user


def test_the_agent_of_the_environment_signs(sshd: Sshd, agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    sshd.write_config("IdentityAgent SSH_AUTH_SOCK", "IdentitiesOnly no")
    assert whoami(sshd) == sshd.user


def test_with_identities_only_the_agent_signs_with_no_other_key(sshd: Sshd, agent: str) -> None:
    Path(f"{sshd.key}.pub").unlink()
    sshd.write_config(f"IdentityAgent {agent}", f"IdentityFile {sshd.new_key('other')}")
    error = refused(sshd)
    assert "(agent)" not in str(error)
    assert f"{sshd.folder}/other" in str(error)


def test_an_agent_that_is_gone_is_said(sshd: Sshd) -> None:
    sshd.key = sshd.folder / "missing"
    sshd.write_config(f"IdentityAgent {sshd.folder}/gone")
    assert f"the agent at {sshd.folder}/gone does not answer: " in str(refused(sshd))


def test_too_many_wrong_keys_are_told_as_that(make_sshd: MakeSshd) -> None:
    sshd = make_sshd(lines=["MaxAuthTries 2"])
    sshd.write_config(*(f"IdentityFile {sshd.new_key(f'wrong{number}')}" for number in range(4)))
    assert "wrong1" in str(error := refused(sshd))
    assert "hung up" in str(error)


def test_a_server_that_wants_a_password_only_is_told_as_that(make_sshd: MakeSshd) -> None:
    sshd = make_sshd(lines=["PubkeyAuthentication no", "PasswordAuthentication yes", "PermitRootLogin yes"])
    assert f"wants password of {sshd.user}, and santabpf logs in with keys only" in str(refused(sshd))


def test_a_server_that_wants_a_second_factor_is_told_as_that(make_sshd: MakeSshd) -> None:
    lines = ["AuthenticationMethods publickey,password", "PasswordAuthentication yes", "PermitRootLogin yes"]
    sshd = make_sshd(lines=lines)
    assert f"wants password of {sshd.user} after the key" in str(refused(sshd))


# ------------------------------------------------------------------------------------------------- the way there


def test_user_and_port_of_the_node_go_before_the_configuration(sshd: Sshd) -> None:
    sshd.write_config("Host 127.0.0.1", "  User nobody-of-this-name", "  Port 1", "Host *")
    assert whoami(sshd, f"{sshd.user}@127.0.0.1:{sshd.port}") == sshd.user


def test_include_and_match_are_read_as_openssh_reads_them(sshd: Sshd) -> None:
    (sshd.folder / "more").write_text(f"Host web-*\n  HostName 127.0.0.1\n  Port {sshd.port}\n")
    sshd.write_config(
        f"Include {sshd.folder}/more",
        'Match originalhost web-1 exec "test %n = web-1"',
        f"  User {sshd.user}",
        "Match originalhost web-2 exec false",
        "  User nobody-of-this-name",
        "Match all",
    )
    assert whoami(sshd, "web-1") == whoami(sshd, "web-2") == sshd.user


def test_a_configuration_that_is_wrong_is_named(sshd: Sshd) -> None:
    sshd.write_config("NoSuchOption yes")
    assert f"{sshd.config}: line 1: Bad configuration option: nosuchoption" in str(refused(sshd))


def test_without_an_ssh_client_the_plain_defaults_are_used(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no ssh to read it" in str(refused(sshd))
    with pytest.raises(CannotConnect, match="its host key is not known"):
        open_transport(f"127.0.0.1:{sshd.port}")


def through(sshd: Sshd, jump: Sshd, *lines: str) -> None:
    """Let sshd's configuration lead to it through another server, called `jump`, of its own key and known_hosts."""
    sshd.write_config(
        "Host jump",
        "  HostName 127.0.0.1",
        f"  Port {jump.port}",
        f"  User {jump.user}",
        f"  IdentityFile {jump.key}",
        f"  UserKnownHostsFile {jump.known_hosts}",
        *lines,
    )


def test_a_jump_host_is_gone_through_with_its_own_configuration(make_sshd: MakeSshd, traces: Traces) -> None:
    sshd, jump = make_sshd(), make_sshd()
    through(sshd, jump, "Host node-1", "  ProxyJump jump")
    with connect(sshd) as transport:
        assert transport.run(["id", "-un"]).out.decode().strip() == sshd.user
        assert traces.descendants(jump.pid)
        count = 20_000_003
        assert len(transport.run(["head", "-c", str(count), "/dev/zero"]).out) == count
    assert traces.wait_gone(traces.descendants(jump.pid), set(), 10) == (set(), set())


def test_a_chain_of_jump_hosts_is_gone_through_in_order(make_sshd: MakeSshd, traces: Traces) -> None:
    sshd, first, second = make_sshd(), make_sshd(), make_sshd()
    through(sshd, first, "Host node-1", f"  ProxyJump jump,{second.user}@127.0.0.1:{second.port}")
    sshd.known_hosts.write_text(sshd.known_hosts.read_text() + second.known_hosts.read_text())
    with (sshd.folder / "authorized_keys").open() as keys, (second.folder / "authorized_keys").open("a") as file:
        file.write(keys.read())
    with connect(sshd) as transport:
        assert traces.descendants(first.pid)
        assert traces.descendants(second.pid)
        assert transport.run(["id", "-un"]).out.decode().strip() == sshd.user


def test_an_error_at_a_jump_host_names_it_and_where_it_leads(make_sshd: MakeSshd) -> None:
    sshd, jump = make_sshd(), make_sshd()
    through(sshd, jump, "Host node-1", "  ProxyJump jump")
    jump.known_hosts.write_text("")
    assert str(refused(sshd)).startswith("jump (on the way to node-1): its host key is not known")


def test_a_jump_host_that_gets_no_further_is_told_as_that(make_sshd: MakeSshd) -> None:
    sshd, jump = make_sshd(), make_sshd()
    through(sshd, jump, "Host node-1", "  ProxyJump jump")
    sshd.port = 1
    through(sshd, jump, "Host node-1", "  ProxyJump jump")
    assert "node-1: jump host jump gets no connection to 127.0.0.1 port 1: " in str(refused(sshd))


def test_a_jump_that_leads_back_to_itself_ends(sshd: Sshd) -> None:
    sshd.write_config("Host node-1", "  ProxyJump node-2", "Host node-2", "  ProxyJump node-1")
    assert "does a ProxyJump lead back to itself?" in str(refused(sshd))


def test_a_proxy_command_is_the_way_there_and_ends_with_it(make_sshd: MakeSshd, traces: Traces) -> None:
    sshd, jump = make_sshd(), make_sshd()
    through(sshd, jump, "Host node-1", f"  ProxyCommand ssh -F {sshd.config} -W %h:%p jump")
    before = traces.descendants(os.getpid())
    with connect(sshd) as transport:
        assert transport.run(["id", "-un"]).out.decode().strip() == sshd.user
        started = traces.descendants(os.getpid()) - before
        assert started
    assert traces.wait_gone(started, set(), 5) == (set(), set())


def test_a_proxy_command_that_fails_is_told_as_that(sshd: Sshd) -> None:
    sshd.write_config("ProxyCommand false")
    assert "node-1" in str(error := refused(sshd, connect_timeout_s=2))
    assert "SSH" in str(error)


def test_a_proxy_command_of_none_is_no_proxy_command(sshd: Sshd) -> None:
    sshd.write_config("ProxyCommand none", "ProxyJump none")
    assert whoami(sshd) == sshd.user
