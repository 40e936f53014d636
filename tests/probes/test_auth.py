"""Answers of PAM that the tests provoke, found again in auth; and an sshd that does without PAM."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from own_sshd import Sshd
from probes.accounts import RingTally, assert_sound
from real_elf import Elf, load, plan_of

from santabpf import wire

pytestmark = pytest.mark.bpf
PLANT = Path(__file__).parent / "plant"
ASK_FOREVER = """
import sys, tempfile
sys.path.insert(0, sys.argv[1])
import auth
auth.PLANTED = 10**9
auth.write(sys.argv[2] + "/deny", auth.DENY)
auth.ask(sys.argv[2], "deny", ["authenticate"], 7)
"""


@pytest.mark.ssh
def test_an_sshd_without_pam_gives_nothing() -> None:
    sshd = Sshd()
    try:
        with Elf(plan_of("auth")) as elf:
            elf.until(wire.HELLO)
            subprocess.run(["ssh", "-F", sshd.config, sshd.node, "true"], check=True)
            elf.read(0.5)
            assert not (elf.records("auth")["ptgid"] == sshd.pid).any()
    finally:
        sshd.close()


def test_the_ring_of_auth_is_whole_and_adds_up(tmp_path: Path) -> None:
    plan = plan_of("auth", selfcheck=True)
    tally = RingTally("auth", 1)
    with Elf(plan, tally) as elf:
        elf.until(wire.HELLO)
        with load(("/usr/bin/python3", "-c", ASK_FOREVER, str(PLANT), str(tmp_path))):
            elf.read(2)
        elf.finish()
        last = elf.json_of(wire.TICK)[-1]
    assert_sound(tally, last["loss"]["auth"], last["truth"]["auth"])
    assert tally.kept > 100
