"""The guests' disk and kernels: Debian, made by debootstrap, kept in a cache folder outside of the checkout.

In: this machine's apt configuration, which says where Debian comes from. Out: an Image. The cache is keyed by the
digest of this file and by what is installed, so that a changed recipe is built anew; files that are not what was built
are noticed, and built anew too. Never: changes an image that is there; boots anything (see machine.py).

    python tests/guest/image.py        # makes it, and says where it is
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
# version -> the suite that has it; the kernels are Debian's, made for virtual machines
KERNELS = {"6.1": SUITE, "6.12": f"{SUITE}-backports"}
KERNEL_PACKAGE = "linux-image-cloud-amd64"
PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "openssh-server", "kmod", "e2fsprogs"),
    *("python3-bpfcc", "iproute2", "nftables", "procps", "bzip2"),
)
# what drills run besides; the tests do without, so that their disk is made sooner
DRILL_PACKAGES = (
    *("apache2-bin", "redis-server", "redis-tools", "wrk"),
    *("gcc", "libc6-dev", "make", "openssl", "openssh-client"),
)
# what the first file system needs, and what that needs; the rest is loaded by udev
MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "crc32c_intel")
SPARE_BYTES = 400 << 20  # room on the disk
# what runs now and then on a Debian system, and would disturb who counts
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("systemd-tmpfiles-clean.timer", "e2scrub_reap.service", "getty@tty1.service", "systemd-timesyncd.service"),
    *("systemd-random-seed.service", "systemd-update-utmp.service", "systemd-networkd-wait-online.service"),
    "redis-server.service",
)
NETWORK = "[Match]\nName=e*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n"
INIT = """\
#!/busybox sh
for tool in mkdir mount umount insmod sleep cp switch_root; do /busybox ln -s /busybox /$tool; done
PATH=/
mkdir -p /proc /dev /new
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do insmod /modules/$module; done < /modules/order
tries=0
until [ -b /dev/vda ] || [ $tries = 100 ]; do sleep 0.1; tries=$((tries + 1)); done
mount -t ext4 -o noatime /dev/vda /new
cp -a /boot-files/. /new/
umount /dev /proc
exec switch_root /new /sbin/init
"""


class CannotBuild(Exception):
    """No image can be made on this machine; says why."""


@dataclass(frozen=True)
class Image:
    """What a guest boots from. initrd lacks the keys, which each boot adds."""

    disk: Path
    kernel: Path
    initrd: Path
    version: str


def cache_folder() -> Path:
    """${XDG_CACHE_HOME:-~/.cache}/santabpf"""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "santabpf"


def why_not() -> str:
    """Why no image can be made here; empty when it can. Programs only: the way to Debian shows itself later."""
    lacking = [name for name in ("debootstrap", "mke2fs", "chroot", "apt-get", "dpkg-deb") if not _program(name)]
    return f"there is no {lacking[0]}" if lacking else ""


def image(kernel: str, more: tuple[str, ...] = ()) -> Image:
    """The image for one of KERNELS, made now if it is not there yet (a minute or two). Raises CannotBuild.

    more: packages besides PACKAGES; an image of its own.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / "-".join(["guest", digest, *more[:1]])
    with _locked(root / "guest.lock"):
        if not _is_whole(folder):
            for old in {*root.glob("guest-*")} - {*root.glob(f"guest-{digest}*")} | {*root.glob(folder.name)}:
                shutil.rmtree(old)
            _build(folder, (*PACKAGES, *more))
    return Image(folder / "disk.img", folder / f"vmlinuz-{kernel}", folder / f"initrd-{kernel}", kernel)


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_whole(folder: Path) -> bool:
    """Whether all that was built is there, byte for byte."""
    try:
        sums = json.loads((folder / "sums.json").read_text())
        return all(_sum(folder / name) == value for name, value in sums.items())
    except (OSError, ValueError):
        return False


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------------------ building


def _build(folder: Path, packages: tuple[str, ...]) -> None:
    """Make everything in a folder beside it, then rename that."""
    work = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        mirror = _mirror()
        root, out = work / "root", work / "out"
        out.mkdir()
        making = _start_debootstrap(mirror, root, packages)
        try:
            fetched = _fetch(mirror, work / "apt")
        finally:
            said = making.communicate()[0]
        if making.returncode:
            raise CannotBuild(f"debootstrap failed: {(said.strip().splitlines() or ['it said nothing'])[-1]}")
        for version, package in fetched.items():
            _run("dpkg-deb", "-x", package, work / version)
        busybox = (work / "busybox" / "bin" / "busybox").read_bytes()
        for version in KERNELS:
            _add_kernel(version, work / version, root, out, busybox)
        _configure(root)
        _make_disk(root, out / "disk.img")
        (out / "sums.json").write_text(json.dumps({path.name: _sum(path) for path in sorted(out.iterdir())}))
        out.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(*argv: str | Path) -> str:
    env = os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", "LC_ALL": "C"}
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CannotBuild(f"{argv[0]} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout


def _mirror() -> str:
    """Where this machine's apt gets Debian from."""
    lines = _run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(RELEASE)|$(REPO_URI)", "Created-By: Packages")
    for line in lines.splitlines():
        origin, release, address = line.split("|")
        if origin == "Debian" and "-" not in release:
            return address
    raise CannotBuild("apt on this machine has no source of Debian (or no lists: apt-get update)")


def _start_debootstrap(mirror: str, root: Path, packages: tuple[str, ...]) -> subprocess.Popen[str]:
    env = os.environ | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    proxy = re.search(r"PROXY='(.*)'", _run("apt-config", "shell", "PROXY", "Acquire::http::Proxy"))
    if proxy and proxy[1]:
        env["http_proxy"] = proxy[1]
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", SUITE, str(root), mirror]
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )


def _fetch(mirror: str, work: Path) -> dict[str, Path]:
    """Kernels and busybox as packages, by an apt that has nothing of this machine's but the keys."""
    for name in ("lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    suites = sorted({SUITE, *KERNELS.values()})
    (work / "sources").write_text("".join(f"deb {mirror} {suite} main\n" for suite in suites))
    (work / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": work / "sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run("apt-get", "-q", *options, "update")
    found = {}
    for version, suite in KERNELS.items():
        said = _run("apt-cache", *options, "show", f"{KERNEL_PACKAGE}/{suite}")
        needed = re.search(r"^Depends: (linux-image-[^ ,]+)", said, re.MULTILINE)
        if not needed:
            raise CannotBuild(f"{suite} has no kernel {KERNEL_PACKAGE}")
        found[version] = _download(options, f"{needed[1]}/{suite}", work / version)
    return found | {"busybox": _download(options, f"busybox-static/{SUITE}", work / "busybox-static")}


def _download(options: list[str], package: str, folder: Path) -> Path:
    folder.mkdir()
    _run("sh", "-c", 'cd "$0" && shift 0 && exec "$@"', folder, "apt-get", "-q", *options, "download", package)
    return next(folder.glob("*.deb"))


def _add_kernel(version: str, package: Path, root: Path, out: Path, busybox: bytes) -> None:
    """vmlinuz, its modules, and an initrd that has no more than it takes to mount the disk."""
    (vmlinuz,) = (package / "boot").glob("vmlinuz-*")
    release = vmlinuz.name.removeprefix("vmlinuz-")
    shutil.move(vmlinuz, out / f"vmlinuz-{version}")
    modules = root / "usr" / "lib" / "modules" / release
    modules.parent.mkdir(exist_ok=True)
    shutil.move(package / "lib" / "modules" / release, modules)
    _run("chroot", root, "depmod", release)
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[Path(path).name.partition(".")[0].replace("-", "_")] = [*reversed(others.split()), path]
    order = list(dict.fromkeys(path for name in MODULES for path in needs.get(name, [])))
    files = {"busybox": busybox, "init": INIT.encode()}
    for path in order:
        content = (modules / path).read_bytes()
        files[f"modules/{Path(path).stem.removesuffix('.ko')}"] = (
            lzma.decompress(content) if path.endswith(".xz") else content
        )
    files["modules/order"] = "".join(f"{Path(path).stem.removesuffix('.ko')}\n" for path in order).encode()
    (out / f"initrd-{version}").write_bytes(cpio(files))


def _configure(root: Path) -> None:
    """A host that is quiet, and that one can log in to with a key."""
    for path in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / path, ignore_errors=True)
    (root / "boot").joinpath("keep").touch()
    for path in (root / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 guest\n::1 localhost\n")
    (root / "etc/systemd/network/user.network").write_text(NETWORK)
    (root / "etc/machine-id").write_text("")
    (root / "etc/fstab").write_text("")
    _run("systemctl", f"--root={root}", "enable", "systemd-networkd.service", "ssh.service")
    _run("systemctl", f"--root={root}", "mask", *MASKED)


def _make_disk(root: Path, disk: Path) -> None:
    used = int(_run("du", "-sk", root).split()[0]) << 10
    with disk.open("wb") as file:
        file.truncate((int(used * 1.1) + SPARE_BYTES) >> 20 << 20)
    _run("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk)


def cpio(files: dict[str, bytes]) -> bytes:
    """Files and the folders they lie in as an archive that Linux unpacks at boot; root's, and runnable."""
    out = io.BytesIO()
    folders = {folder.as_posix() for name in files for folder in Path(name).parents} - {"."}
    entries = [(name, b"", 0o40755) for name in sorted(folders)]
    entries += [(name, content, 0o100600 if "key" in name else 0o100755) for name, content in files.items()]
    for number, (name, content, mode) in enumerate([*entries, ("TRAILER!!!", b"", 0)], 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
        out.write(bytes(-out.tell() % 4) + content)
        out.write(bytes(-out.tell() % 4))
    return out.getvalue()


if __name__ == "__main__":
    for wanted in sys.argv[1:] or KERNELS:
        print(image(wanted))
