"""Plants what the probe security must find: 23 times each thing, each in a child of its own. As root; x86-64.

All of it stays in folders made here and in the children's private namespaces. One line of JSON says what was planted:
{action: {"tgids": [...], ...}}.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile

import own_cgroup

PLANTED = 23
NOBODY = 65534
CLONE_NEWNS, CLONE_NEWUTS = 0x00020000, 0x04000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
# x86-64, arch/x86/entry/syscalls/syscall_64.tbl
OPEN, TRUNCATE, CREAT, LINK, CHMOD = 2, 76, 85, 86, 90
UNLINKAT, RENAMEAT, LINKAT, SYMLINKAT, RENAMEAT2 = 263, 264, 265, 266, 316
FINIT_MODULE, MOVE_MOUNT, CLONE3, OPENAT2, FCHMODAT2 = 313, 429, 435, 437, 452
SETUID, SETGID, SETREUID, SETREGID, SETRESUID, SETRESGID = 105, 106, 113, 114, 117, 119
SETGROUPS, SETFSUID, SETFSGID = 116, 122, 123
CLONE, PTRACE, PIVOT_ROOT, CHROOT, UNSHARE, SETNS = 56, 101, 155, 161, 272, 308
VM_READ, VM_WRITE, BPF, EXECVEAT = 310, 311, 321, 322
PTRACE_DETACH, PTRACE_SEIZE = 17, 0x4206
PR_SET_NAME = 15
libc = ctypes.CDLL(None, use_errno=True)
SAME = -1
AT_FDCWD = -100
# what lies below /etc, and its kind
FILES = {
    "passwd": "account", "shadow": "account", "gshadow-": "account", "sudoers": "sudo", "sudoers.d/planted": "sudo",
    "crontab": "cron", "cron.d/planted": "cron", "ssh/sshd_config": "ssh", "ld.so.preload": "preload",
    "systemd/system/planted.service": "service", "pam.d/planted": "pam", "profile.d/planted.sh": "shell",
}  # fmt: skip


def call(number, *arguments):
    """A system call; its result, or minus its errno."""
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    return -ctypes.get_errno() if result == -1 else result


def must(result):
    """Ends this child where a call failed that must not."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def child(act, *arguments):
    """Does it in a child; the child's process id. Raises where it went wrong."""
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


def times(act, *arguments):
    """23 children, each of which does it once."""
    return [child(act, *arguments) for _ in range(PLANTED)]


def each(number, *arguments):
    for _ in range(PLANTED):
        must(call(number, *arguments))


def refused(error, number, *arguments):
    for _ in range(PLANTED):
        if call(number, *arguments) != -error:
            raise AssertionError(f"call {number} did not fail with {error}")


def as_nobody(act, *arguments):
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    act(*arguments)


def own_memory(number):
    text = ctypes.create_string_buffer(8)
    part = struct.pack("<QQ", ctypes.addressof(text), 8)
    for _ in range(PLANTED):
        must(call(number, os.getpid(), part, 1, part, 1, 0))


def seize(target):
    for _ in range(PLANTED):
        must(call(PTRACE, PTRACE_SEIZE, target, 0, 0))
        os.kill(target, signal.SIGTRAP)
        os.waitpid(target, 0x40000000)  # __WALL
        must(call(PTRACE, PTRACE_DETACH, target, 0, 0))


def make_maps():
    for _ in range(PLANTED):
        attr = struct.pack("<IIIIIII16s", 2, 4, 8, 1, 0, 0, 0, b"santa_planted").ljust(128, b"\0")
        os.close(must(call(BPF, 0, attr, 128)))


def read_maps():
    attr = struct.pack("<IIIIIII16s", 2, 4, 8, 1, 0, 0, 0, b"santa_read").ljust(128, b"\0")
    fd = must(call(BPF, 0, attr, 128))
    key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(8)
    for _ in range(PLANTED):
        look = struct.pack("<IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0).ljust(128, b"\0")
        must(call(BPF, 1, look, 128))


def private():
    must(libc.unshare(CLONE_NEWNS))
    must(libc.mount(b"none", b"/", b"", ctypes.c_ulong(MS_REC | MS_PRIVATE), None))


def mounts(folder):
    private()
    for _ in range(PLANTED):
        must(libc.mount(b"planted", folder.encode(), b"tmpfs", ctypes.c_ulong(0), None))
        must(libc.umount2(folder.encode(), 0))


def bad_mounts():
    for _ in range(PLANTED):
        libc.mount(b"planted", b"/nowhere/at/all", b"tmpfs", ctypes.c_ulong(0), None)


def enter():
    fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
    for _ in range(PLANTED):
        must(call(SETNS, fd, CLONE_NEWUTS))


def clones():
    for _ in range(PLANTED):
        pid = must(call(CLONE, CLONE_NEWUTS | signal.SIGCHLD, 0, 0, 0, 0))
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def clones_by_3():
    arguments = struct.pack("<8Q", CLONE_NEWUTS, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    for _ in range(PLANTED):
        pid = must(call(CLONE3, arguments, len(arguments)))
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


def knows(number, *arguments):
    """Whether this kernel has such a call."""
    return call(number, *arguments) != -errno.ENOSYS


def memory_files():
    for _ in range(PLANTED):
        os.close(os.memfd_create("santa-planted"))


def run_memory(fd, by_call):
    if by_call:
        arguments = (ctypes.c_char_p * 2)(b"planted", None)
        nothing = (ctypes.c_char_p * 1)(None)
        call(EXECVEAT, fd, b"", arguments, nothing, 0x1000)  # AT_EMPTY_PATH
    os.execv(f"/proc/self/fd/{fd}", ["planted"])


def dup_onto(number, fd):
    for _ in range(PLANTED):
        os.dup2(fd, number)


def dup3_onto(fd):
    for _ in range(PLANTED):
        os.dup2(fd, 2, inheritable=False)


def shell_on(fd):
    for number in range(3):
        os.dup2(fd, number)
    os.execv("/bin/sh", ["sh", "-c", ":"])


def modes(path, mode, how):
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    fd = os.open(path, os.O_RDONLY)
    for _ in range(PLANTED):
        if how == "chmod":
            must(call(CHMOD, path.encode(), mode))
        elif how == "fchmod":
            os.fchmod(fd, mode)
        elif how == "fchmodat2":
            must(call(FCHMODAT2, folder, os.path.basename(path).encode(), mode, 0))
        else:
            os.chmod(os.path.basename(path), mode, dir_fd=folder)


def rename_thread(name):
    for _ in range(PLANTED):
        libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def run_disguised():
    os.execv("/bin/true", ["[kworker/0:1]"])


def run(path, *argv):
    os.execv(path, [path, *argv])


def sensitive(folder, how):
    """In a private /etc: the planted files in turn, until there are 23."""
    private()
    must(libc.mount(f"{folder}/etc".encode(), b"/etc", b"", ctypes.c_ulong(MS_BIND), None))
    os.chdir("/etc")
    for n in range(PLANTED):
        name = list(FILES)[n % len(FILES)]
        path = f"/etc/{name}"
        if how == "open":
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
        elif how == "relative":
            os.close(os.open(name, os.O_WRONLY))
        elif how == "link":
            os.close(os.open(f"{folder}/to-etc/{name}", os.O_WRONLY))
        elif how == "creat":
            os.close(must(call(CREAT, path.encode(), 0o600)))
        elif how == "by_open":
            os.close(must(call(OPEN, path.encode(), os.O_WRONLY, 0)))
        elif how == "openat2":
            os.close(must(call(OPENAT2, AT_FDCWD, name.encode(), struct.pack("<3Q", os.O_WRONLY, 0, 0), 24)))
        elif how == "read":
            os.close(os.open(path, os.O_RDONLY))
        elif how == "truncate":
            must(call(TRUNCATE, path.encode(), 0))
        elif how == "chmod":
            os.chmod(path, 0o666)


def moves(folder, how):
    """In a private /etc: renames, links and removals, one of each name at a time."""
    private()
    must(libc.mount(f"{folder}/etc".encode(), b"/etc", b"", ctypes.c_ulong(MS_BIND), None))
    os.chdir("/etc")
    for n in range(PLANTED):
        if how.startswith("rename"):
            os.close(os.open("/etc/other", os.O_WRONLY | os.O_CREAT))
        elif how.startswith("unlink"):
            os.close(os.open("/etc/cron.d/gone", os.O_RDONLY | os.O_CREAT))
        service, copy = f"/etc/systemd/system/{how}-{n}.service", f"/etc/{how}-{n}"
        if how == "rename":
            os.rename("other", "passwd")
        elif how == "renameat":
            must(call(RENAMEAT, AT_FDCWD, b"other", AT_FDCWD, b"passwd"))
        elif how == "renameat2":
            must(call(RENAMEAT2, AT_FDCWD, b"other", AT_FDCWD, b"passwd", 0))
        elif how == "unlink":
            os.unlink("cron.d/gone")
        elif how == "unlinkat":
            must(call(UNLINKAT, AT_FDCWD, b"cron.d/gone", 0))
        elif how == "symlink":
            os.symlink("/nowhere", service)
        elif how == "symlinkat":
            must(call(SYMLINKAT, b"/nowhere", AT_FDCWD, service.encode()))
        elif how == "link":
            must(call(LINK, b"/etc/shadow", copy.encode()))
        elif how == "linkat":
            must(call(LINKAT, AT_FDCWD, b"/etc/shadow", AT_FDCWD, copy.encode(), 0))


def no_rename():
    for _ in range(PLANTED):
        if libc.rename(b"/nowhere/at/all", b"/etc/passwd") == 0 or ctypes.get_errno() != errno.ENOENT:
            raise AssertionError


def keys(folder):
    for _ in range(PLANTED):
        os.close(os.open(f"{folder}/.ssh/authorized_keys", os.O_WRONLY | os.O_CREAT))


def nicer():
    for _ in range(PLANTED):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -5)
        except PermissionError:
            continue
        raise AssertionError("a nobody may not do that")


def rename_host():
    for _ in range(PLANTED):
        if libc.sethostname(b"x", 1) == 0:
            raise AssertionError("a nobody may not do that")


def setuid_program():
    """A set-user-ID program of root's that only says its version."""
    for path in ("/usr/bin/mount", "/usr/bin/su", "/bin/mount", "/bin/su"):
        if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID and os.stat(path).st_uid == 0:
            return os.path.realpath(path)
    return None


def run_as_nobody(path):
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    as_nobody(run, path, "--version")


def hosts():
    """Loopback's addresses: IPv6 may be switched off."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def plant(folder):
    shutil.copy("/bin/true", f"{folder}/program")
    os.chmod(f"{folder}/program", 0o755)
    for name in FILES:
        os.makedirs(os.path.dirname(f"{folder}/etc/{name}"), exist_ok=True)
        with open(f"{folder}/etc/{name}", "w") as stream:
            stream.write("planted\n")
    os.symlink("/etc", f"{folder}/to-etc")
    os.mkdir(f"{folder}/.ssh")
    os.mkdir(f"{folder}/mount")
    out = {"folder": folder, "files": FILES}

    def put(name, tgids, **more):
        out[name] = {"tgids": tgids if isinstance(tgids, list) else [tgids], **more}

    put("setuid", child(each, SETUID, 0))
    put("setreuid", child(each, SETREUID, SAME, 0))
    put("setresuid", child(each, SETRESUID, 0, 0, SAME))
    put("setgid", child(each, SETGID, 0))
    put("setregid", child(each, SETREGID, SAME, 0))
    put("setresgid", child(each, SETRESGID, 0, SAME, SAME))
    put("setfsuid", child(each, SETFSUID, 7))
    put("setfsgid", child(each, SETFSGID, 7))
    put("setgroups", child(each, SETGROUPS, 2, struct.pack("<II", 7, 8)))
    put("setgroups_none", child(each, SETGROUPS, 0, 0))
    put("setfsuid_denied", child(as_nobody, each, SETFSUID, 0))
    put("setgroups_denied", child(as_nobody, refused, errno.EPERM, SETGROUPS, 0, 0))
    put("setuid_denied", child(as_nobody, refused, errno.EPERM, SETUID, 0))

    sleeper = os.fork()
    if sleeper == 0:
        while True:
            signal.pause()
    try:
        put("ptrace", child(seize, sleeper), target=sleeper)
        put("vm_read", child(own_memory, VM_READ))
        put("vm_write", child(own_memory, VM_WRITE))
    finally:
        os.kill(sleeper, signal.SIGKILL)
        os.waitpid(sleeper, 0)
    put("ptrace_denied", child(refused, errno.ESRCH, PTRACE, PTRACE_SEIZE, sleeper, 0, 0), target=sleeper)
    put("bpf", child(make_maps))
    put("bpf_reading", child(read_maps))

    put("mount", child(mounts, f"{folder}/mount"))
    put("mount_denied", child(bad_mounts))
    put("chroot", child(each, CHROOT, b"/"))
    put("pivot_root", child(refused, errno.ENOENT, PIVOT_ROOT, b"/nowhere", b"/nowhere"))
    put("unshare", child(each, UNSHARE, CLONE_NEWUTS))
    put("setns", child(enter), inode=os.stat("/proc/self/ns/uts").st_ino)
    put("clone", child(clones))
    put("clone3", child(clones_by_3))
    put("move_mount", child(refused, errno.ENOENT, MOVE_MOUNT, AT_FDCWD, b"/nowhere", AT_FDCWD, b"/nowhere/too", 0))
    if knows(FINIT_MODULE, -1, b"", 0):
        fd = os.open(f"{folder}/program", os.O_RDONLY)
        put("load_module", child(refused, errno.ENOEXEC, FINIT_MODULE, fd, b"", 2))
        os.close(fd)

    put("memfd_create", child(memory_files))
    fd = os.memfd_create("planted")
    with open("/bin/true", "rb") as stream:
        os.write(fd, stream.read())
    put("exec_memory", times(run_memory, fd, False))
    put("execveat_memory", times(run_memory, fd, True))
    os.close(fd)

    out["hosts"] = hosts()
    for host in out["hosts"]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.bind((host, 0))
            listener.listen()
            port = listener.getsockname()[1]
            end = socket.create_connection((host, port))
            ends = {"ip": host, "remote_port": port, "local_port": end.getsockname()[1]}
            put(f"dup_{host}", child(dup_onto, 0, end.fileno()), **ends)
            put(f"dup3_{host}", child(dup3_onto, end.fileno()), **ends)
            put(f"exec_{host}", times(shell_on, end.fileno()), **ends)
            put("dup_elsewhere", child(dup_onto, 9, end.fileno()))
            end.close()
    reader, _ = os.pipe()
    put("dup_pipe", child(dup_onto, 0, reader))
    pair = socket.socketpair()
    put("dup_unix", child(dup_onto, 0, pair[0].fileno()))

    put("chmod_s", child(modes, f"{folder}/program", 0o4755, "chmod"))
    put("fchmod_s", child(modes, f"{folder}/program", 0o2755, "fchmod"))
    put("fchmodat_s", child(modes, f"{folder}/program", 0o6755, "fchmodat"))
    if knows(FCHMODAT2, AT_FDCWD, b"/nowhere", 0, 0):
        put("fchmodat2_s", child(modes, f"{folder}/program", 0o4711, "fchmodat2"))
    put("chmod_plain", child(modes, f"{folder}/program", 0o755, "chmod"))

    put("rename_kernel", child(rename_thread, "kworker/0:1-eve"))
    put("rename_plain", child(rename_thread, "worker"))
    put("exec_kernel", times(run_disguised))
    put("exec_plain", times(run, "/bin/true"))
    put("exec_temporary", times(run, f"{folder}/program"))
    fd = os.open(f"{folder}/program", os.O_RDONLY)
    os.unlink(f"{folder}/program")
    put("exec_deleted", times(run, f"/proc/self/fd/{fd}"))
    os.close(fd)
    program = setuid_program()
    put("exec_setuid", times(run_as_nobody, program) if program else [], path=program)

    for how in ("open", "relative", "link", "truncate", "chmod", "creat", "by_open", "openat2", "read"):
        put(f"file_{how}", child(sensitive, folder, how))
    for how in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "symlink", "symlinkat", "link", "linkat"):
        put(f"move_{how}", child(moves, folder, how))
    put("rename_denied", child(no_rename))
    put("keys", child(keys, folder))

    put("capability_denied", child(as_nobody, nicer))
    put("capability_granted", out["chroot"]["tgids"])
    put("capability_noise", child(as_nobody, rename_host))
    out["cgroup"] = own_cgroup.shown(own_cgroup.own())[1]
    return out


def main():
    folder = tempfile.mkdtemp(prefix="santabpf-planted-", dir="/tmp")
    try:
        os.chmod(folder, 0o755)
        print(json.dumps(plant(folder)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
