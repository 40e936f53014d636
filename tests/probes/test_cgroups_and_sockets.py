"""Cgroups and sockets with known figures, found again in the tables that are read once a second."""

from __future__ import annotations

import pytest
from expect import cgroup_metrics, listeners, tcp_states
from planted import recorded
from real_elf import plan_of

pytestmark = pytest.mark.bpf


def test_a_cgroup_with_limits_has_the_figures_of_its_own_files() -> None:
    table, facts = recorded(plan_of("cgroup_metrics"), "cgroup_metrics")
    cgroup_metrics.check(table, facts)


def test_three_connections_that_nobody_accepts_are_in_the_queues_of_both_listeners() -> None:
    table, facts = recorded(plan_of("listeners"), "listeners")
    listeners.check(table, facts)


def test_connections_that_one_end_closed_are_counted_in_their_states() -> None:
    table, facts = recorded(plan_of("tcp_states"), "tcp_states")
    tcp_states.check(table, facts)
