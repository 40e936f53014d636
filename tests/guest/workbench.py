"""The workbench on a disk of its own, for a guest, whose own disk has no room for its packages.

In: the checkout, and the packages of the running Python. Out: an image of ext4 with what `pip install santabpf` brings:
its wheel, and the packages that this asks for without any extra, but for their tests. All is compiled beforehand: an
emulated CPU takes minutes for it. Never: changes the checkout or the running Python; asks a network.
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = "3.11"  # the guest's; what is compiled for one is of no use to another
ROOT = "/opt/santabpf"  # where the disk is to be mounted, read-only
SPARE = 1.2  # an inode and the rest of its last block for each file


def why_not() -> str:
    """Why no such disk can be made here; empty when it can."""
    own = "{}.{}".format(*sys.version_info)
    return "" if own == PYTHON else f"the guest has Python {PYTHON}, and the packages here are for {own}"


def make_disk(disk: Path) -> None:
    """Write the image; what that takes besides is made beside it, and goes again. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="workbench-", dir=disk.parent) as folder:
        root = Path(folder)
        packages = root / "lib" / f"python{PYTHON}" / "site-packages"
        for package in _needed_by(_install_wheel(packages)):
            _copy(package, packages)
        compileall.compile_dir(
            packages, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
        (root / "bin").mkdir()
        (root / "bin" / "python3").symlink_to("/usr/bin/python3")
        (root / "pyvenv.cfg").write_text("home = /usr/bin\n")
        kib = int(_run("du", "-sk", root).split()[0])
        _run("mke2fs", "-q", "-t", "ext4", "-d", root, disk, f"{int(kib * SPARE)}k")


def _install_wheel(packages: Path) -> Distribution:
    """The checkout, as a wheel holds it."""
    with tempfile.TemporaryDirectory() as folder:
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, CHECKOUT)
        (wheel,) = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    (metadata,) = packages.glob("*.dist-info")
    return Distribution.at(metadata)


def _needed_by(first: Distribution) -> list[Distribution]:
    """The packages that it asks for, and those that they ask for, as they are installed here."""
    found: dict[str, Distribution] = {}
    asked = [(first, "")]
    for package, extra in asked:  # which grows meanwhile
        for wanted in map(Requirement, package.requires or ()):
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                name = canonicalize_name(wanted.name)
                if name not in found:
                    found[name] = distribution(name)
                asked += [(found[name], more) for more in ("", *wanted.extras) if (found[name], more) not in asked]
    return list(found.values())


def _copy(package: Distribution, packages: Path) -> None:
    """Its files, to where they lie from there: some are in share/."""
    for file in package.files or ():
        if not {"bin", "tests", "__pycache__"} & set(file.parts):
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(package.locate_file(file)), target)


def _run(*argv: str | Path) -> str:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
