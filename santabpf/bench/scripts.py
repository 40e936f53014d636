"""Loads that no program at hand makes, as Python scripts that do a fixed piece of work and end what they began.

In: nothing. Out: texts for /usr/bin/python3, which find what they need in an empty folder. As root: the questions have
a network of their own, and two make a cgroup with 16 MiB of memory, and remove it.
"""

from __future__ import annotations

QUESTIONS, LOGINS, KILLS, READS, SIGNALS = 3000, 500, 12, 16384, 100_000

#: Asks a server of its own, on a loopback of its own, and waits for each answer.
ASK = f"""
import ctypes, fcntl, os, socket, struct
if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
    raise OSError(ctypes.get_errno(), "unshare")
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(server, 0x8914, struct.pack("16sH22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
server.bind(("127.0.0.1", 53))
question = bytes.fromhex("000101000001000000000000") + b"\\3www\\7example\\3org\\0\\0\\1\\0\\1"
if os.fork() == 0:
    for turn in range({QUESTIONS}):
        asked, who = server.recvfrom(512)
        server.sendto(asked[:2] + b"\\x81\\x80" + asked[4:], who)
    os._exit(0)
for turn in range({QUESTIONS}):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(("127.0.0.1", 53))
        end.send(question)
        end.recv(512)
os.wait()
"""
#: Asks PAM about somebody, of a service that says yes.
LOG_IN = f"""
import ctypes, os
pam, handle, nobody = ctypes.CDLL("libpam.so.0"), ctypes.c_void_p(), (ctypes.c_void_p * 2)()
with open("anybody", "w") as stream:
    stream.write("auth required pam_permit.so\\n")
for turn in range({LOGINS}):
    if pam.pam_start_confdir(b"anybody", b"user", nobody, os.fsencode(os.getcwd()), ctypes.byref(handle)):
        raise SystemExit("pam_start_confdir fails")
    if pam.pam_authenticate(handle, 0):
        raise SystemExit("the service says no")
    pam.pam_end(handle, 0)
"""
_IN_A_GROUP = """
import os
own = dict(line.rstrip().split(":", 2)[1:] for line in open("/proc/self/cgroup"))
is_v1 = next((names for names in own if "memory" in names.split(",")), None)
root = "/sys/fs/cgroup" + (f"/memory{own[is_v1]}" if is_v1 else "")  # in version 2 ours holds processes: not below it
group = f"{root}/santabpf-bench-{os.getpid()}"
def limited(act):
    pid = os.fork()
    if pid == 0:
        open(group + "/cgroup.procs", "w").write(str(os.getpid()))
        act()
        os._exit(0)
    return os.waitpid(pid, 0)[1]
os.mkdir(group)
try:
    limit = "memory.limit_in_bytes" if is_v1 else "memory.max"
    open(f"{group}/{limit}", "w").write(str(16 << 20))
"""
_AND_OUT = """
finally:
    os.rmdir(group)
"""
#: Fills the memory of the cgroup until it is killed.
BE_KILLED = f"""{_IN_A_GROUP}
    def fill():
        open("/proc/self/oom_score_adj", "w").write("1000")
        held = bytearray()
        while True:
            held += bytes(1 << 20)
    for turn in range({KILLS}):
        if limited(fill) != 9:
            raise SystemExit("it was not killed")
{_AND_OUT}"""
#: Reads a file, of which half has room in the cgroup, twice, page by page.
READ_WITHOUT_ROOM = f"""{_IN_A_GROUP}
    with open("data", "wb") as stream:
        stream.write(bytes({READS // 2} << 12))
        stream.flush()
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    def read():
        f = os.open("data", os.O_RDONLY)
        os.posix_fadvise(f, 0, 0, os.POSIX_FADV_RANDOM)
        for turn in range({READS}):
            os.pread(f, 1 << 12, turn % {READS // 2} << 12)
        os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)
    if limited(read):
        raise SystemExit("it could not read")
{_AND_OUT}"""
#: A signal to itself is taken before kill(2) is back, so that none becomes one with another.
SIGNAL_ITSELF = f"""
import os, signal
signal.signal(signal.SIGUSR1, lambda number, frame: None)
own = os.getpid()
for turn in range({SIGNALS}):
    os.kill(own, signal.SIGUSR1)
"""
