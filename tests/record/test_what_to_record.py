"""What is asked for, before any node is."""

from __future__ import annotations

from pathlib import Path

import pytest

from santabpf.errors import BadUsage
from santabpf.record import label_nodes, record, select


def test_a_node_is_called_after_its_host() -> None:
    nodes = ["local", "root@Web-1.example.org:2222", "10.0.0.7"]
    assert label_nodes(nodes) == {"local": nodes[0], "web-1-example-org": nodes[1], "n-10-0-0-7": nodes[2]}


def test_two_nodes_of_one_label_need_labels_of_their_own() -> None:
    with pytest.raises(BadUsage, match="both be called 'web-1'"):
        label_nodes(["web-1", "root@web-1"])
    assert label_nodes({"a": "web-1", "b": "root@web-1"}) == {"a": "web-1", "b": "root@web-1"}


@pytest.mark.parametrize("label", ["Web", "1web", "web_1", "", "web/1"])
def test_a_label_must_be_fit_for_a_folder(label: str) -> None:
    with pytest.raises(BadUsage, match="must match"):
        label_nodes({label: "local"})


def test_no_node_is_bad_usage() -> None:
    with pytest.raises(BadUsage, match="no node"):
        label_nodes([])


def test_a_probe_is_taken_once_and_keeps_its_parameters() -> None:
    chosen = select([], ["runq:min_wait_ns=5", "exec", "exec"])
    assert [(probe.name, params) for probe, params in chosen] == [("exec", {}), ("runq", {"min_wait_ns": 5})]


def test_one_probe_with_two_settings_is_refused() -> None:
    with pytest.raises(BadUsage, match="asked for twice"):
        select([], ["runq:min_wait_ns=5", "runq"])


def test_a_scenario_brings_its_probes_along() -> None:
    names = {probe.name for probe, _ in select(["short_lived_jobs"], [])}
    assert {"exec", "exit", "fork", "processes"} <= names


def test_what_a_scenario_has_recorded_along_yields_to_what_is_asked_for() -> None:
    assert {p.name: given for p, given in select(["event_loop_blocked"], [])}["profile"] == {"hz": 49}
    chosen = {probe.name: params for probe, params in select(["event_loop_blocked"], ["profile:hz=199"])}
    assert (chosen["profile"], "offcpu" in chosen) == ({"hz": 199}, False)


def test_what_a_scenario_needs_is_one_probe_also_where_a_set_has_its_name() -> None:
    names = {probe.name for probe, _ in select(["reverse_shell"], [])}
    assert names == {"security", "accept", "tcp", "exec", "fork", "exit", "processes"}
    assert names < {probe.name for probe, _ in select(["reverse_shell"], ["security"])}


def test_neither_scenario_nor_probe_means_all_scenarios() -> None:
    assert {p.name for p, _ in select(["short_lived_jobs"], [])} <= {p.name for p, _ in select([], [])}


@pytest.mark.parametrize(
    ("probes", "scenarios", "says"),
    [
        (["runk"], [], "did you mean 'runq'"),
        (["runq:min_wait=3"], [], "did you mean 'min_wait_ns'"),
        (["runq:min_wait_ns=soon"], [], "whole number"),
        ([], ["short_lived_job"], "did you mean 'short_lived_jobs'"),
    ],
)
def test_a_misspelt_name_gets_the_nearest_one(probes: list[str], scenarios: list[str], says: str) -> None:
    with pytest.raises(BadUsage, match=says):
        select(scenarios, probes)


@pytest.mark.parametrize("duration", ["soon", "0.2s", "-3s"])
def test_a_senseless_duration_makes_no_folder(duration: str, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"duration|too short"):
        record(["local"], probes=["exec"], duration=duration, out=f"{tmp_path}/r")
    assert not list(tmp_path.iterdir())
