"""Plants programs that burn half a second of CPU in mount namespaces of their own, at paths where the node has others.

Each program lies on a tmpfs that nobody else sees; where it is mounted, the node has a program of the same layout whose
function has another name. `alive` is stopped when this one speaks, and lives until its standard input ends; of `gone`
neither process nor file is left. `jit` burns in code without a file and lives, too; only the node's /tmp, which it does
not see, holds a map for its number.
"""

import ctypes
import json
import mmap
import os
import shutil
import signal
import sys
import tempfile
import time

from made_programs import ENTER, LEAVE, Code, burnt_s, elf

BURN_S, WAIT_S = 1.0, 60
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def burner(function):
    """_start calls this function for ever."""
    c = Code()
    c.begin("_start")
    c.code += b"\x31\xed"  # xor ebp, ebp
    c.call(function)
    c.code += b"\xeb\xf9"  # jmp to the call
    c.begin(function)
    c.code += ENTER
    c.burn(600_000)
    c.code += LEAVE
    return c


def write(path, program):
    with open(path, "wb") as stream:
        stream.write(program)
    os.chmod(path, 0o755)


def check(result, what):
    if result:
        raise OSError(ctypes.get_errno(), what)


def apart(folder):
    """In a child: a mount namespace of its own, with an empty tmpfs on that folder."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "mount /")
    check(libc.mount(b"planted", folder.encode(), b"tmpfs", ctypes.c_ulong(0), None), "mount " + folder)


def child(act, *arguments):
    """Does it in a child, which must not return; its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            act(*arguments)
        except BaseException as exc:
            print(exc, file=sys.stderr, flush=True)
        os._exit(1)
    return pid


def burn_in(folder, program):
    apart(folder)
    write(folder + "/program", program)
    os.execv(folder + "/program", ["program"])


def burn_without_a_file(code):
    apart("/tmp")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with open("/tmp/at", "w") as stream:
        stream.write("%x" % at)
    ctypes.CFUNCTYPE(None)(at)()


folder = tempfile.mkdtemp(prefix="santa-mounts-", dir="/var/tmp")
facts, children, wrong_map = {}, {}, ""
try:
    for name in ("alive", "gone"):
        place = folder + "/" + name
        os.mkdir(place)
        outside, _ = elf(burner("santa_outside"), name + " outside", True)
        inside, build_id = elf(burner("santa_inside"), name + " inside", True)
        write(place + "/program", outside)
        children[name] = child(burn_in, place, inside)
        facts[name] = {"build_id": build_id, "path": place + "/program"}
    children["outside"] = child(os.execv, folder + "/alive/program", ["program"])
    code = burner("santa_jit").finished()
    children["jit"] = child(burn_without_a_file, code)
    for name, pid in children.items():
        facts.setdefault(name, {})["tgid"] = pid
    deadline = time.monotonic() + WAIT_S
    while min(map(burnt_s, children.values())) < BURN_S and time.monotonic() < deadline:
        time.sleep(0.1)
    with open("/proc/%d/root/tmp/at" % children["jit"]) as stream:
        at = int(stream.read(), 16)
    wrong_map = "/tmp/perf-%d.map" % children["jit"]
    with open(wrong_map, "w") as stream:
        stream.write("%x %x LSanta;outside()V\n" % (at, len(code)))
    for name, pid in children.items():
        os.kill(pid, signal.SIGKILL if name == "gone" else signal.SIGSTOP)
    os.waitpid(children.pop("gone"), 0)
    print(json.dumps(facts), flush=True)
    sys.stdin.read()
finally:
    for pid in children.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if wrong_map:
        os.unlink(wrong_map)
    shutil.rmtree(folder)
