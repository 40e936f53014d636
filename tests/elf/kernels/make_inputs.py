"""Writes the test inputs of one kernel: <version>/types.btf.xz (see reduced_btf.py), and beside it formats.tar.xz, the
format files of all tracepoints that are not in modules.

    python tests/elf/kernels/make_inputs.py 6.18 here                                 # of the running kernel
    python tests/elf/kernels/make_inputs.py 6.1 linux-image-6.1*.deb busybox-static*.deb

From a Debian package, BTF is taken out of the kernel's image, and the formats out of that kernel while it runs: qemu
boots it with nothing but busybox, which prints them. Needs qemu-system-x86_64, dpkg-deb and, for some images, zstd.
"""

from __future__ import annotations

import base64
import io
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[1]), str(HERE)]

import reduced_btf  # noqa: E402
from guest.image import cpio  # noqa: E402

from santabpf.elf import btf, kernel  # noqa: E402
from santabpf.probes import all_probes  # noqa: E402
from santabpf.probes.source import COMMON_BTF  # noqa: E402

#: Kept besides those that probes ask for today, so that the next probe needs no new inputs.
MORE = [
    "address_space", "bio", "block_device", "bpf_prog", "cfs_rq", "cgroup", "cgroup_subsys_state", "cpumask",
    "cred", "css_set", "dentry", "fdtable", "file", "file_system_type", "files_struct", "folio", "gendisk",
    "inet_connection_sock", "inet_sock", "inode", "io_kiocb", "iov_iter", "iphdr", "ipv6hdr", "kernel_siginfo",
    "kernfs_node", "kiocb", "linux_binprm", "mem_cgroup", "mm_struct", "module", "mount", "mptcp_sock", "msghdr",
    "nameidata",
    "net", "net_device", "nsproxy", "oom_control", "page", "path", "perf_event", "pid", "pid_namespace", "pt_regs",
    "qstr", "request", "request_queue", "request_sock", "rq", "rusage", "sched_entity", "seq_file", "signal_struct",
    "sk_buff", "sock", "sock_common", "sockaddr_in", "sockaddr_in6", "socket", "super_block", "task_group",
    "task_struct", "tcp_sock", "tcphdr", "trace_entry", "udp_sock", "udphdr", "user_msghdr", "user_namespace",
    "uts_namespace", "vfsmount", "vm_area_struct", "vm_fault",
]  # fmt: skip
ENUMS = ["cgroup_subsys_id", "pageflags", "skb_drop_reason", "sk_rst_reason", "sock_flags", "req_opf", "req_op"]
INIT = """\
#!/busybox sh
/busybox mkdir -p /proc /dev /sys/kernel/tracing
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
/busybox mount -t tracefs tracefs /sys/kernel/tracing || { /busybox mount -t sysfs sys /sys; \
/busybox mount -t tracefs tracefs /sys/kernel/tracing; }
cd /sys/kernel/tracing/events
/busybox mkdir /out
for f in */*/format; do /busybox mkdir -p /out/${f%/format}; /busybox cat $f > /out/$f; done
cd /out
echo SANTA-BEGIN > /dev/ttyS0
/busybox tar -c . | /busybox gzip | /busybox base64 > /dev/ttyS0
echo SANTA-END > /dev/ttyS0
/busybox poweroff -f
"""


def image_of(package: Path, folder: Path) -> Path:
    """The kernel's image out of the package."""
    return unpacked(package, folder, "./boot/vmlinuz-*")


def unpacked(package: Path, folder: Path, wanted: str) -> Path:
    """One file of a package."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = next(m for m in archive if Path(m.name).match(wanted.lstrip("./")) and m.isfile())
        out = folder / Path(member.name).name
        content = archive.extractfile(member)
        assert content is not None
        out.write_bytes(content.read())
    return out


def btf_of(image: bytes) -> bytes:
    """The .BTF section of the ELF file that is packed inside a kernel's image."""
    packed = {b"\xfd7zXZ\0": ["xz", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dc"], b"\x1f\x8b\x08": ["gzip", "-dc"]}
    for magic, command in packed.items():
        for found in re.finditer(re.escape(magic), image):
            done = subprocess.run(command, input=image[found.start() :], capture_output=True, check=False)
            if done.stdout.startswith(b"\x7fELF"):
                return section(done.stdout, b".BTF")
    raise SystemExit("there is no ELF file in this image")


def section(elf: bytes, wanted: bytes) -> bytes:
    """The bytes of a section of a 64-bit ELF file."""
    (at,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    heads = [struct.unpack_from("<IIQQQQ", elf, at + i * size) for i in range(count)]
    texts = heads[names][4]
    for name, _, _, _, offset, length in heads:
        if elf[texts + name : elf.index(b"\0", texts + name)] == wanted:
            return elf[offset : offset + length]
    raise SystemExit(f"there is no section {wanted.decode()}")


def formats_of(image: Path, busybox: Path, folder: Path) -> dict[str, bytes]:
    """The format files of a kernel that is booted for it."""
    initrd = folder / "initrd"
    initrd.write_bytes(cpio({"init": INIT.encode(), "busybox": busybox.read_bytes()}))
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-nographic", "-no-reboot",
        "-kernel", str(image), "-initrd", str(initrd), "-append", "console=ttyS0 quiet panic=-1", "-net", "none",
    ]  # fmt: skip
    said = subprocess.run(command, capture_output=True, check=True, timeout=300, stdin=subprocess.DEVNULL).stdout
    text = said.partition(b"SANTA-BEGIN")[2].partition(b"SANTA-END")[0]
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(re.sub(rb"\s", b"", text)))) as archive:
        return {m.name.removeprefix("./"): archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]


def formats_here() -> dict[str, bytes]:
    """The format files of the running kernel."""
    kernel.private_mounts()
    root = Path("/sys/kernel/tracing")
    if not (root / "events").exists():
        kernel.mount("tracefs", str(root), "tracefs")
    return {str(p.relative_to(root / "events")): p.read_bytes() for p in sorted(root.glob("events/*/*/format"))}


def asked_for() -> tuple[set[str], set[str]]:
    """The structs and enums of all expressions of all probes."""
    structs, enums = set(MORE), set(ENUMS)
    for expressions in [COMMON_BTF, *(probe.btf for probe in all_probes().values())]:
        for choice in filter(None, "|".join(expressions.values()).split("|")):
            word, _, rest = choice.strip().partition(" ")
            if word in ("enum", "names"):
                enums.add(rest.partition(".")[0])
            elif word not in ("args", "field"):
                structs.add(word.partition(".")[0])
    return structs, enums


def write_types(folder: Path, types: bytes) -> None:
    """types.btf.xz; the same input makes the same bytes."""
    small = reduced_btf.reduced(types, *asked_for())
    (folder / "types.btf.xz").write_bytes(lzma.compress(small, preset=9 | lzma.PRESET_EXTREME))
    print(f"{folder.name}: {len(types)} bytes of BTF made {len(small)}")


def write_formats(folder: Path, formats: dict[str, bytes]) -> None:
    """formats.tar.xz; the same input makes the same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, whole in sorted(formats.items()):
            text = whole.partition(b"\nprint fmt")[0]  # the longest part, which nobody reads here
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    (folder / "formats.tar.xz").write_bytes(lzma.compress(out.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{folder.name}: {len(formats)} formats")


def main(version: str, *packages: str) -> None:
    folder = HERE / version
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        is_here = packages == ("here",)
        image = None if is_here else image_of(Path(packages[0]), Path(name))
        write_types(folder, btf_of(image.read_bytes()) if image else Path(btf.VMLINUX).read_bytes())
        if (folder / "formats.tar.xz").exists():
            return  # to have them anew, remove the file
        if image:
            busybox = unpacked(Path(packages[1]), Path(name), "./bin/busybox")
            write_formats(folder, formats_of(image, busybox, Path(name)))
        else:
            write_formats(folder, formats_here())


if __name__ == "__main__":
    main(*sys.argv[1:])
