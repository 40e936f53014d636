"""System calls that Python lacks: bpf(2), mount namespaces, prctl(2). By ctypes; x86-64 numbers.

In: plain values and descriptors. Out: plain values. Raises OSError. Never: a policy.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_SYS_BPF, _SYS_MEMBARRIER = 321, 324  # x86-64, linux/arch/x86/entry/syscalls/syscall_64.tbl
(_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _INFO, _TAKE, _LOOKUP_BATCH, _ENABLE_STATS) = (
    0, 1, 2, 3, 4, 15, 21, 24, 32,
)  # fmt: skip - include/uapi/linux/bpf.h, enum bpf_cmd
_RINGBUF = 27  # the same, enum bpf_map_type
_GLOBAL = 1  # include/uapi/linux/membarrier.h
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1


def _bpf(command: int, attr: bytes) -> tuple[int, ctypes.Array]:
    block = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    result = _libc.syscall(_SYS_BPF, command, block, 128)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf({command}): {os.strerror(error)}")
    return result, block


def has_ring_buffers() -> bool:
    """Does it know what a BPF ring buffer is? One that this process may not make is known, too."""
    try:
        fd, _ = _bpf(_CREATE, struct.pack("<IIII", _RINGBUF, 0, 0, os.sysconf("SC_PAGE_SIZE")))
    except OSError as exc:
        return exc.errno != errno.EINVAL
    os.close(fd)
    return True


def map_update(fd: int, key: bytes, value: bytes) -> None:
    """Set one element of a map that is not per-CPU."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(_UPDATE, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))


def map_lookup(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """The value of one key (of all CPUs, for a per-CPU map); None if there is no such key."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value_bytes)
    try:
        _bpf(_LOOKUP, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))
    except FileNotFoundError:
        return None
    return v.raw


def map_take(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """Remove a key of a hash; its last value, None if there was no such key.

    In one step since Linux 5.14; before, what is added between the two is lost.
    """
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value_bytes)
    attr = struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0)
    try:
        _bpf(_TAKE, attr)
    except FileNotFoundError:
        return None
    except OSError:  # EINVAL, ENOTSUPP: this kernel can't for a hash
        value = map_lookup(fd, key, value_bytes)
        if value is not None:
            _bpf(_DELETE, attr)
        return value
    return v.raw


def map_next_key(fd: int, key: bytes | None, key_bytes: int) -> bytes | None:
    """The key after this one (the first, for None); None after the last."""
    after = ctypes.create_string_buffer(key_bytes)
    before = ctypes.create_string_buffer(key, key_bytes) if key is not None else None
    try:
        address = ctypes.addressof(before) if before is not None else 0
        _bpf(_NEXT_KEY, struct.pack("<IIQQ", fd, 0, address, ctypes.addressof(after)))
    except FileNotFoundError:
        return None
    return after.raw


class Batch:
    """Reads a whole map in few calls (BPF_MAP_LOOKUP_BATCH), into buffers that are kept: hashes since Linux 5.6."""

    def __init__(self, fd: int, key_bytes: int, value_bytes: int, entries: int) -> None:
        self._fd, self._key_bytes, self._value_bytes = fd, key_bytes, value_bytes
        self._room = min(entries, 4096)
        self._keys = ctypes.create_string_buffer(self._room * key_bytes)
        self._values = ctypes.create_string_buffer(self._room * value_bytes)
        self._token = ctypes.create_string_buffer(max(key_bytes, 8))

    def read(self) -> list[tuple[bytes, bytes]]:
        """All (key, value) pairs. A batch ends with ENOENT at the end of the map."""
        out: list[tuple[bytes, bytes]] = []
        previous, done = 0, False
        while not done:
            token = ctypes.addressof(self._token)
            attr = struct.pack(
                "<QQQQIIQQ", previous, token, ctypes.addressof(self._keys), ctypes.addressof(self._values),
                self._room, self._fd, 0, 0,
            )  # fmt: skip
            block = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
            if _libc.syscall(_SYS_BPF, _LOOKUP_BATCH, block, 128) < 0:
                error = ctypes.get_errno()
                if error != 2:
                    raise OSError(error, f"bpf({_LOOKUP_BATCH}): {os.strerror(error)}")
                done = True
            (count,) = struct.unpack_from("<I", block, 32)
            k, v = self._key_bytes, self._value_bytes
            keys, values = (bytes(memoryview(b)[: count * n]) for b, n in ((self._keys, k), (self._values, v)))
            out += [(keys[i * k : i * k + k], values[i * v : i * v + v]) for i in range(count)]
            previous = token
        return out


class Program:
    """One program, and what the kernel says of it, read into buffers that are kept."""

    def __init__(self, fd: int) -> None:
        self._info = ctypes.create_string_buffer(256)
        self._ask = struct.pack("<IIQ", fd, 256, ctypes.addressof(self._info)).ljust(128, b"\0")
        self._block = ctypes.create_string_buffer(self._ask, 128)

    def cost(self) -> tuple[int, int, int | None]:
        """(ns that it ran, runs, runs that were skipped); the last None where the kernel does not say."""
        self._block[:16] = self._ask[:16]  # the kernel writes how much it knows over how much room there is
        ctypes.memset(self._info, 0, 256)  # and takes what is not zero for a wish
        if _libc.syscall(_SYS_BPF, _INFO, self._block, 128) < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"bpf({_INFO}): {os.strerror(error)}")
        (length,) = struct.unpack_from("<I", self._block, 4)
        # struct bpf_prog_info: run_time_ns at 192, run_cnt at 200 (5.1), recursion_misses at 208 (5.12)
        run_ns, runs, missed = struct.unpack_from("<QQQ", self._info, 192)
        return run_ns, runs, missed if length >= 216 else None


def enable_stats() -> int:
    """Let the kernel count how long programs run, as long as the returned descriptor is open (Linux 5.8)."""
    return _bpf(_ENABLE_STATS, struct.pack("<I", 0))[0]


def wait_for_programs() -> None:
    """Until every BPF program that runs now is over, also where it was taken off its CPU. It may be refused: OSError.

    They are readers of RCU, and this call waits for all of these (kernel/sched/membarrier.c: synchronize_rcu).
    """
    if _libc.syscall(_SYS_MEMBARRIER, _GLOBAL, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"membarrier: {os.strerror(error)}")


def private_mounts() -> None:
    """What this process mounts from now on is seen by nobody else and goes when it ends."""
    if _libc.unshare(_CLONE_NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    """mount(2) without data."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {kind} on {target}: {os.strerror(error)}")


def die_with_parent() -> None:
    """This process gets SIGKILL when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
