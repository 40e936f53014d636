"""Plants what the probe auth must find: 23 answers of PAM of each kind, half of them about a host of
IPv6, and eight passwords at an sshd, over IPv4 and IPv6, the last of each right.

As root. The services, the sshd and its login exist in folders and mount namespaces made here only; the machine's own
accounts, services and logs are not touched. One line of JSON says what was planted.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import own_cgroup

PLANTED = 23
WRONG = {"127.0.0.1": 5, "::1": 1}  # passwords that are tried from there
LOGIN, LOGIN_UID, PASSWORD = "santa-planted", 64124, "right-one"
#: of PASSWORD, for a login that exists for one sshd in one mount namespace
HASH = "$6$santabpfplanted$UUbGaEX2rNV0ez3y0ig3Vbf3ukJEjo3KdMYFyKD2RIS9OkLUoAIZWXcC3gxXYav7Pz8SAcjz2EhmF4Bn54YV21"
SSHD = "/usr/sbin/sshd"
HOSTS = ("198.51.100.7", "2001:db8::7")
ITEMS = {"service": 1, "user": 2, "rhost": 4}
ALLOW = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session", "password"))
DENY = ALLOW.replace("pam_permit", "pam_deny")
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x00020000, 0x4000, 0x40000, 0x1000


class Conversation(ctypes.Structure):
    _fields_ = [("talk", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def child(act, *arguments):
    """Does it in a child; the child's process id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act(*arguments)
            code = 0
        except BaseException as exc:
            print(f"{act.__name__}: {exc!r}", file=sys.stderr)
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit(f"{act.__name__} failed")
    return pid


def ask(folder, service, steps, expected):
    """Begin a conversation 23 times and ask for these steps in each; the user is told later than the service."""
    pam = ctypes.CDLL("libpam.so.0")
    handle, nobody = ctypes.c_void_p(), Conversation()
    for n in range(PLANTED):
        place = ctypes.byref(handle)
        if pam.pam_start_confdir(service.encode(), None, ctypes.byref(nobody), folder.encode(), place):
            raise OSError("pam_start_confdir")
        pam.pam_set_item(handle, ITEMS["user"], f"user-{n}".encode())
        pam.pam_set_item(handle, ITEMS["rhost"], HOSTS[n % 2].encode())
        for step in steps:
            answer = getattr(pam, f"pam_{step}")(handle, 0)
            if answer != expected:
                raise AssertionError(f"{step}: {answer}")
        pam.pam_end(handle, 0)


def write(path, text, mode=0o644):
    with open(path, "w") as stream:
        stream.write(text)
    os.chmod(path, mode)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def apart(folder):
    """In the child that becomes sshd: a mount namespace with another passwd, other services, and no logs."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source, target, kind, flags):
        if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
            raise OSError(ctypes.get_errno(), f"mount {target}")

    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    for name in ("passwd", "shadow", "pam.d"):
        mount(f"{folder}/{name}", f"/etc/{name}", "", MS_BIND)
    for place in ("/run", "/var/log"):
        mount("planted", place, "tmpfs", 0)
    os.mkdir("/run/sshd", 0o755)


def start_sshd(folder):
    """An sshd that asks PAM, on a port of loopback; (process, port)."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/host"], check=True)
    for name, line in (
        ("passwd", f"{LOGIN}:x:{LOGIN_UID}:{LOGIN_UID}::/:/bin/sh"),
        ("shadow", f"{LOGIN}:{HASH}:19000:0:99999:7:::"),
    ):
        with open(f"/etc/{name}") as stream:
            write(f"{folder}/{name}", stream.read() + line + "\n", 0o600 if name == "shadow" else 0o644)
    os.mkdir(f"{folder}/pam.d")
    write(f"{folder}/pam.d/sshd", ALLOW.replace("auth required pam_permit.so", "auth required pam_unix.so nodelay"))
    write(f"{folder}/pam.d/other", DENY)
    for _ in range(5):
        port = free_port()
        write(f"{folder}/sshd_config", "\n".join([
            *(f"ListenAddress [{host}]:{port}" for host in WRONG),
            f"HostKey {folder}/host", "PidFile none", "UsePAM yes", "UseDNS no",
            "PasswordAuthentication yes", "KbdInteractiveAuthentication no", "PrintMotd no", "PrintLastLog no",
        ]) + "\n")  # fmt: skip
        with open(f"{folder}/log", "wb") as log:
            sshd = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", f"{folder}/sshd_config"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=lambda: apart(folder),
            )  # fmt: skip
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and sshd.poll() is None:
            with open(f"{folder}/log", errors="replace") as log:
                if log.read().count("Server listening") == len(WRONG):
                    return sshd, port
            time.sleep(0.05)
        sshd.kill()
        sshd.wait()
    with open(f"{folder}/log", errors="replace") as log:
        raise SystemExit(f"sshd does not start: {log.read()}")


def log_in(folder, host, port, password):
    """ssh to it with that password, once; its exit code."""
    write(f"{folder}/askpass", f"#!/bin/sh\necho {password}\n", 0o755)
    settings = {
        "UserKnownHostsFile": "/dev/null", "GlobalKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no",
        "PreferredAuthentications": "password", "PubkeyAuthentication": "no", "NumberOfPasswordPrompts": 1,
    }  # fmt: skip
    argv = ["ssh", "-F", "none", "-p", str(port), *(f"-o{key}={value}" for key, value in settings.items())]
    return subprocess.run(
        [*argv, f"{LOGIN}@{host}", "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, timeout=30,
        env={**os.environ, "SSH_ASKPASS": f"{folder}/askpass", "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"},
    ).returncode  # fmt: skip


def at_an_sshd(folder):
    if not os.path.exists(SSHD):
        return None
    sshd, port = start_sshd(folder)
    try:
        for host, wrong in WRONG.items():
            for _ in range(wrong):
                if log_in(folder, host, port, "wrong-one") != 255:
                    raise SystemExit("the wrong password was taken")
            code = log_in(folder, host, port, PASSWORD)
            if code != 0:
                with open(f"{folder}/log", errors="replace") as log:
                    raise SystemExit(f"the right password was not taken ({code}): {log.read()}")
        time.sleep(0.3)  # for sshd to close the session
        return {"pid": sshd.pid, "port": port, "user": LOGIN, "wrong": WRONG}
    finally:
        sshd.send_signal(signal.SIGTERM)
        sshd.wait()


def main():
    folder = tempfile.mkdtemp(prefix="santabpf-planted-")
    try:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/services")
        write(f"{folder}/services/santa-deny", DENY)
        write(f"{folder}/services/santa-allow", ALLOW)
        out = {"denied": child(ask, f"{folder}/services", "santa-deny", ["authenticate"], 7)}
        steps = ["authenticate", "acct_mgmt", "open_session", "close_session", "chauthtok"]
        out["allowed"] = child(ask, f"{folder}/services", "santa-allow", steps, 0)
        out["sshd"] = at_an_sshd(folder)
        out["cgroup"] = own_cgroup.shown(own_cgroup.own())[1]
        print(json.dumps(out))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
