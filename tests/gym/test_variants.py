from pathlib import Path

import pytest

from santabpf.errors import BadScenario, BadUsage
from santabpf.gym.variants import get_variant, variants
from santabpf.scenarios import all_scenarios
from santabpf.shipped import shipped

SHIPPED = sorted(path.parent for path in shipped("scenarios").glob("*/reproduce.sh"))


def folder(tmp_path: Path, text: str) -> Path:
    (tmp_path / "reproduce.sh").write_text(text)
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet" / "two_words.sh").write_text("")
    return tmp_path


def test_faults_must_fire_and_look_alikes_must_stay_quiet(tmp_path: Path) -> None:
    found = variants(folder(tmp_path, "#!/bin/sh\n# variants: storm drizzle\n"))
    assert [(v.name, v.args, v.expected) for v in found.values()] == [
        ("storm", ("storm",), "fired"),
        ("drizzle", ("drizzle",), "fired"),
        ("two-words", (), "quiet"),
    ]


def test_the_first_fault_is_meant_when_none_is_named(tmp_path: Path) -> None:
    assert get_variant(folder(tmp_path, "# variants: storm drizzle\n"), None).name == "storm"


def test_a_misspelt_variant_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="did you mean 'drizzle'"):
        get_variant(folder(tmp_path, "# variants: storm drizzle\n"), "drizle")


def test_a_scenario_without_a_reproducer_has_nothing_to_provoke(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"has no reproduce\.sh"):
        variants(tmp_path)


def test_a_reproducer_that_names_no_variants_is_a_bad_scenario(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r"reproduce\.sh:1: a line `# variants: NAME"):
        variants(folder(tmp_path, "#!/bin/sh\n"))


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda path: path.name)
def test_every_script_that_comes_with_a_scenario_is_plain_sh_and_executable(scenario: Path) -> None:
    for variant in variants(scenario).values():
        assert variant.script.read_text().startswith("#!/bin/sh\n"), variant.script
        assert variant.script.stat().st_mode & 0o100, variant.script
        assert "/usr/bin/env" not in variant.script.read_text()


def test_a_script_names_the_other_scenarios_that_may_fire_with_it(tmp_path: Path) -> None:
    (tmp_path / "quiet").mkdir()
    (tmp_path / "reproduce.sh").write_text("# variants: one two\n# also: cpu_usage cpu_saturation\n")
    (tmp_path / "quiet" / "busy.sh").write_text("# also: cpu_usage\n")
    found = variants(tmp_path)
    assert found["two"].also == ("cpu_usage", "cpu_saturation")
    assert found["busy"].also == ("cpu_usage",)


def test_a_line_may_be_for_one_variant_only(tmp_path: Path) -> None:
    text = "# variants: storm drizzle\n# also: cpu_usage\n# also drizzle: slow_dns tcp_loss\n"
    made = variants(folder(tmp_path, text))
    assert made["storm"].also == ("cpu_usage",)
    assert made["drizzle"].also == ("cpu_usage", "slow_dns", "tcp_loss")


def test_a_line_for_a_variant_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match=r"reproduce\.sh:2: there is no variant 'drizle'; did you mean 'drizzle'"):
        variants(folder(tmp_path, "# variants: storm drizzle\n# also drizle: slow_dns\n"))


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda path: path.name)
def test_what_may_fire_too_is_a_scenario_and_not_its_own(scenario: Path) -> None:
    for variant in variants(scenario).values():
        assert set(variant.also) <= all_scenarios().keys() - {scenario.name}, variant
        assert len(set(variant.also)) == len(variant.also), variant


def test_a_script_may_ask_for_a_cell_with_other_limits(tmp_path: Path) -> None:
    made = variants(folder(tmp_path, "# variants: storm\n# cell: cpus=2 memory_mib=96\n"))
    assert made["storm"].cell == (("cpus", 2), ("memory_bytes", 96 * 1024 * 1024))
    assert made["two-words"].cell == ()


@pytest.mark.parametrize("word", ["gpus=1", "cpus=0", "cpus=", "memory_mib=9999", "cpus=two"])
def test_what_a_cell_cannot_give_is_refused_with_the_line(tmp_path: Path, word: str) -> None:
    with pytest.raises(BadScenario, match=r"reproduce\.sh:2: a cell can't give '" + word):
        variants(folder(tmp_path, f"# variants: storm\n# cell: {word}\n"))
