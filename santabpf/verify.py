"""Does a verdict hold? It is derived anew from the recording, and compared byte for byte.

In: a verdict's JSON, the file of verdicts beside a report, what `santabpf replay --json` printed, or the report's HTML;
and the recording. Out: what holds, and what differs and why. Never: trusts what the file says of itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadUsage, BadVerdict
from .replay import replay
from .report import verdicts_in_page
from .scenarios import scenario_to_judge
from .verdict import check_digest

if TYPE_CHECKING:
    from .recording import Recording


@dataclass(frozen=True)
class Checked:
    """One verdict: it holds where reasons is empty."""

    scenario: str
    node: str
    state: str
    digest: str
    reasons: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """The recording gives the same verdict, byte for byte."""
        return not self.reasons

    def to_text(self) -> str:
        """One line, and one for each reason."""
        said = "holds" if self.holds else "DOES NOT HOLD"
        head = f"{said}: {self.scenario} on {self.node}: {self.state}, digest {self.digest[:12]}"
        return "\n".join([head, *(f"  {reason}" for reason in self.reasons)])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scenario": self.scenario, "node": self.node, "state": self.state, "digest": self.digest,
            "holds": self.holds, "reasons": list(self.reasons),
        }  # fmt: skip


def verify(target: str | Path, recording: Recording) -> list[Checked]:
    """Judge the recording again, with the scenarios that the verdicts name, and compare.

    Of a report of several recordings, only the verdicts of this one, by its name. Raises BadVerdict where the file
    holds no verdict of it, and whatever replay() raises.
    """
    given = _read(Path(target), recording.name)
    known = [_scenario_of(body) for _, body in given]
    judged = replay(recording, sorted({n for n in known if n})).verdicts
    again = {(v.scenario, v.node): json.loads(v.to_json()) for v in judged}
    return [_check(text, body, again) for text, body in given]


def _read(path: Path, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Each verdict on the recording of that name as it stands there, and its plain values."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadUsage(f"{path}: can't be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if text.lstrip()[:1] == "<":
        text = verdicts_in_page(text)
        if not text:
            raise BadVerdict(f"{path}: there are no verdicts in this page")
    try:
        body = json.loads(text)
    except ValueError as exc:
        raise BadVerdict(f"{path}: this is no verdict: {exc}") from exc
    found = body.get("verdicts", [body]) if isinstance(body, dict) else []
    if not isinstance(found, list) or not found or not all(isinstance(v, dict) and "digest" in v for v in found):
        raise BadVerdict(f"{path}: this is no verdict: it has no digest")
    return [(json.dumps(v), v) for v in _of(path, name, body, found)]


def _of(path: Path, name: str, body: dict[str, Any], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where the file is of several recordings: the verdicts on that one."""
    listed = body.get("recordings")
    if not isinstance(listed, list) or len(listed) < 2:
        return found
    try:
        pairs = [(str(entry["name"]), digest) for entry in listed for digest in entry["digests"]]
    except (TypeError, KeyError) as exc:
        raise BadVerdict(f"{path}: this is no report: it does not say which verdict is of which recording") from exc
    if any(verdict["digest"] not in {digest for _, digest in pairs} for verdict in found):
        raise BadVerdict(f"{path}: a verdict in it is of none of its recordings")
    ours = {digest for of, digest in pairs if of == name}
    if not ours:
        raise BadVerdict(f"{path}: it is of {', '.join(sorted({of for of, _ in pairs}))}, not of {name}")
    return [verdict for verdict in found if verdict["digest"] in ours]


def _scenario_of(body: dict[str, Any]) -> str | None:
    try:
        return scenario_to_judge(str(body.get("scenario"))).name
    except BadUsage:
        return None


def _check(text: str, body: dict[str, Any], again: dict[tuple[str, str], dict[str, Any]]) -> Checked:
    name, node = str(body.get("scenario")), str(body.get("node"))
    reasons = []
    try:
        check_digest(text)
    except BadVerdict as exc:
        reasons.append(str(exc))
    new = again.get((name, node))
    if _scenario_of(body) is None:
        reasons.append(f"there is no scenario {name} here to derive it with")
    elif new is None:
        reasons.append(f"the recording has no node {node}")
    elif new["digest"] != body["digest"]:
        reasons += _differences(body, new)
    return Checked(name, node, str(body.get("state")), str(body["digest"]), tuple(reasons))


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What is not the same: first what it was derived from, then what it says."""
    before, after = old.get("inputs") or {}, new["inputs"]
    tables = before.get("tables") or {}
    other = sorted(name for name in {*tables, *after["tables"]} if tables.get(name) != after["tables"].get(name))
    out = []
    if other:
        out.append(f"it was derived from another recording: {', '.join(other)} are not the same")
    if before.get("scenario_sha256") != after["scenario_sha256"]:
        out.append("it was derived by another version of the scenario, or with other parameters")
    if before.get("duckdb") != after["duckdb"]:
        out.append(f"it was derived with DuckDB {before.get('duckdb')}, and this is {after['duckdb']}")
    parts = sorted(key for key in {*old, *new} - {"inputs", "digest"} if old.get(key) != new.get(key))
    if old.get("state") != new["state"]:
        out.append(f"it says {old.get('state')}, and the recording gives {new['state']}")
    if parts:
        out.append(f"it says something else under {', '.join(parts)}")
    return out or ["it says something else of what it was derived from"]
