"""Each planted signal is one row, with who sent it and what the target does with it; taken ones are counted."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pyarrow as pa


def check(table: Callable[[str], pa.Table], facts: dict[str, Any]) -> None:
    rows = table("signals").to_pylist()

    def of(target: int, number: int) -> list[dict[str, Any]]:
        return [row for row in rows if (row["tgid"], row["signal"]) == (target, number)]

    handled = of(facts["handler"], signal.SIGUSR1)
    assert [(r["sender_tgid"], r["sender_comm"], r["comm"], r["code"]) for r in handled] == [
        (facts["handled_by"], "santa-sender", "santa-handler", 0)
    ] * 23
    assert {(r["action"], r["result"], r["is_blocked"], r["to_process"]) for r in handled} == {(2, 0, False, True)}
    assert {r["sender_uid"] for r in handled} == {facts["uid"]}
    ignored = of(facts["ignorer"], signal.SIGUSR2)
    assert [(r["sender_tgid"], r["action"], r["result"]) for r in ignored] == [(facts["ignored_by"], 1, 1)] * 23
    for target in facts["killed"]:
        (row,) = of(target, signal.SIGKILL)
        assert (row["sender_tgid"], row["action"]) == (facts["parent"], 0)
    (alarm,) = of(facts["alarmed"], signal.SIGALRM)
    assert (alarm["sender_tgid"], alarm["sender_uid"], alarm["sender_comm"], alarm["code"]) == (None, None, "", 128)
    (abort,) = of(facts["aborted"], signal.SIGABRT)
    assert (abort["sender_tgid"], abort["code"], abort["to_process"]) == (facts["aborted"], -6, False)
    taken = [row for row in table("signals_taken").to_pylist() if row["comm"] == "santa-handler"]
    assert sum(row["taken"] for row in taken if (row["signal"], row["action"]) == (signal.SIGUSR1, 2)) == 23
