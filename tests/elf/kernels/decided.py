"""What the loader decides on a kernel of which only types and formats are known; no program is compiled.

    python tests/elf/kernels/decided.py     # writes each expected.json anew: read the difference!
"""

from __future__ import annotations

import io
import json
import lzma
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parents[2]))

from santabpf.elf import btf, fit, formats  # noqa: E402
from santabpf.probes import all_probes  # noqa: E402
from santabpf.probes.source import plan  # noqa: E402

KERNELS = sorted(path.name for path in HERE.iterdir() if (path / "types.btf.xz").exists())
Decision = dict[str, object]


def types(version: str) -> btf.BTF:
    """The kernel's types, reduced."""
    return btf.BTF(lzma.decompress((HERE / version / "types.btf.xz").read_bytes()))


class Kept(formats.Formats):
    """The format files of a kernel, out of the archive instead of a folder."""

    readable = True

    def __init__(self, version: str) -> None:
        super().__init__()
        data = lzma.decompress((HERE / version / "formats.tar.xz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                category, event, _ = member.name.split("/")
                content = archive.extractfile(member)
                assert content is not None
                self._known[f"{category}:{event}"] = formats.parse(content.read().decode())

    def fields(self, point: str) -> list[formats.Field] | None:
        return self._known.get(point)


def library(stem: str, symbol: str) -> str:
    """A node that has every library; whether it has is no matter of its kernel."""
    return f"/lib/lib{stem}.so"


def decisions(version: str) -> dict[str, Decision]:
    """For each probe that has a program: its state, what is missing, and the words for that."""
    known, found = types(version), Kept(version)
    probes = [(probe, {p.name: p.default for p in probe.params}) for probe in all_probes().values()]
    out: dict[str, Decision] = {}
    for spec in plan(probes)["probes"]:
        if spec["source"] is None:
            continue
        try:
            fitted = fit.fit(spec, known, found, library)
            lacks = {"missing": fitted.missing, "why": fitted.why} if fitted.missing else {}
            out[spec["name"]] = {"state": fitted.state} | lacks
        except fit.Unfit as exc:
            out[spec["name"]] = {"state": "failed", "why": str(exc)}
    return out


def main() -> None:
    for version in KERNELS:
        text = json.dumps(decisions(version), indent=1, sort_keys=True)
        (HERE / version / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
