"""One trouble that brings about another, for real: a service stands still at its CPU limit, and its clients wait."""

from __future__ import annotations

from pathlib import Path

import pytest

import santabpf as sb
from santabpf.gym import drill, run
from santabpf.gym.variants import Variant

#: An answer costs 20 ms of CPU time: 10 a second at a fifth of a CPU. Four clients; three wait while one is served.
SHOP = """#!/bin/sh
set -eu
cd "$SANTABPF_CELL"
cat > shop.py << 'END'
import socket
import time

listener = socket.create_server(("127.0.0.1", 18081), backlog=64)
while True:
    client, _ = listener.accept()
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    client.close()
END
cat > clients.py << 'END'
import socket
import sys
import threading
import time

end = time.monotonic() + float(sys.argv[1])


def shop():
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", 18081)) as asked:
            asked.recv(1)


for _ in range(4):
    threading.Thread(target=shop).start()
END
python3 shop.py &
trap 'kill $!' EXIT
read -r word || true
python3 clients.py "$2"
"""


@pytest.mark.bpf
@pytest.mark.usefixtures("cells")
def test_a_cpu_limit_brings_about_that_connections_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    script = tmp_path / "shop" / "shop.sh"
    script.write_text(SHOP)
    planted = Variant("shop", script, ("shop",), "fired", cell=(("cpu_percent", 20),))
    monkeypatch.setattr(run, "get_variant", lambda folder, name: planted)
    made = drill("cpu_throttling", seconds=6, judged=["accept_queue"], keep=tmp_path / "kept").recording
    assert made is not None
    result = sb.replay(made, ["accept_queue", "cpu_throttling"])
    assert [(v.scenario, v.state) for v in result.ranked] == [("cpu_throttling", "fired"), ("accept_queue", "fired")]
    cause, symptom = result.ranked
    assert [(e.cause, e.symptom) for e in result.explanations] == [("cpu_throttling", "accept_queue")]
    (why,) = result.beside(symptom)
    stood = "The workers that should have accepted stood still: the limit of /"
    assert why.startswith(f"Brought about by: {cause.title}. {stood}")
    assert str(result).endswith(f"\n  {why}")
    assert symptom.culprit is not None
    assert symptom.culprit.command == "python3 shop.py"
