"""Every scenario folder holds what it promises; broken ones are refused with file and line."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from santabpf.cli import cli
from santabpf.errors import BadScenario, BadUsage
from santabpf.gym.variants import get_variant
from santabpf.probes import expand, parse_probe
from santabpf.replay import check_scenario
from santabpf.scenarios import NoRow, Template, all_scenarios, get_scenario, load_scenario, visible
from santabpf.scenarios import template as words_of_scenarios

BAD = Path(__file__).parent / "bad_scenarios"
GOOD = Path(__file__).parent / "verdict" / "golden" / "short_loop" / "scenario.yaml"


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_a_shipped_scenario_passes_the_trial_on_empty_tables(name: str) -> None:
    check_scenario(get_scenario(name))


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_a_shipped_scenario_says_where_its_numbers_come_from_and_what_loss_could_do(name: str) -> None:
    scenario = get_scenario(name)
    assert all(len(p.source) > 20 and p.description for p in scenario.params)
    for alarm in scenario.alarms:
        assert scenario.signal(alarm.signal).losses, "an alarm's signal must say what a lost event could have done"
    assert scenario.words.ruled_out


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_what_a_shipped_scenario_explains_is_another_that_there_is(name: str) -> None:
    explained = [rule.scenario for rule in get_scenario(name).explains]
    assert set(explained) <= all_scenarios().keys() - {name}


def test_the_golden_scenario_passes_too() -> None:
    check_scenario(load_scenario(GOOD.parent))


def bad_cases() -> list[Path]:
    return sorted(BAD.glob("*.yaml"))


@pytest.mark.parametrize("case", bad_cases(), ids=lambda path: path.stem)
def test_a_bad_scenario_is_refused_with_file_and_line(case: Path, tmp_path: Path) -> None:
    """The file's first line says what must come out; {line} is the line that holds the comment `# here`."""
    text = case.read_text()
    expected = re.match(r"# expect: (.*)\n", text)
    assert expected is not None
    line = next(n for n, row in enumerate(text.split("\n"), 1) if row.endswith(("# here", "-- here")))
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(text)
    with pytest.raises(BadScenario) as refused:
        check_scenario(load_scenario(folder))
    assert str(refused.value).startswith(f"{folder}/scenario.yaml:{line}: "), str(refused.value)
    assert expected[1] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_there_are_bad_scenarios() -> None:
    assert len(bad_cases()) > 15


def test_a_misspelt_scenario_names_the_nearest() -> None:
    with pytest.raises(BadUsage, match="did you mean 'short_lived_jobs'"):
        get_scenario("short_live_jobs")


def test_a_scenario_can_be_named_by_its_folder(tmp_path: Path) -> None:
    assert get_scenario(str(GOOD.parent)).name == "short_loop"
    with pytest.raises(BadUsage, match=r"no scenario\.yaml"):
        get_scenario(str(tmp_path))


def test_parameters_can_be_changed_and_show_in_the_hash() -> None:
    plain, tuned = load_scenario(GOOD.parent), load_scenario(GOOD.parent, warn=7)
    assert (plain.alarms[0].warn.value, tuned.alarms[0].warn.value) == (5, 7)  # type: ignore[union-attr]
    assert plain.sha256 != tuned.sha256
    with pytest.raises(BadUsage, match="has no parameter 'wran'; did you mean 'warn'"):
        load_scenario(GOOD.parent, wran=7)


# ------------------------------------------------------------------------------------------------------------ its words


def template(text: str, *, condition: bool = False) -> Template:
    return Template(text, Path("scenario.yaml"), "verdict.fired.text", 10, condition)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ rows.__class__ }}", "can't be reached"),
        ("{{ rows._x }}", "can't be reached"),
        ("{{ rows.append(1) }}", "call can't be used"),
        ("{{ ''.join(rows) }}", "call can't be used"),
        ("{% macro f() %}{% endmacro %}", "macro can't be used"),
        ("{% include 'x' %}", "include can't be used"),
        ("{% import 'x' as y %}", "import can't be used"),
        ("{% for a in rows %}{% for b in rows %}{% endfor %}{% endfor %}", "a loop can't stand in a loop"),
        ("{{ rows | attr('x') }}", "there is no filter 'attr'"),
        ("{{ rows | durtaion }}", "did you mean 'duration'?"),
        ("{{ row }}", "there is no 'row' to fill in"),
        ("{% for a in rows %}{{ a.b }}{% endfor %}{{ a.b }}", "there is no 'a' to fill in"),
        ("{{ 2 ** 99 }}", "pow can't be used"),
        ("{% set a = 1 %}{{ a }}", "assign can't be used"),
        ("{{ rows | center(1000000000) }}", "there is no filter 'center'"),
        ("{{ rows | indent(1000000000) }}", "there is no filter 'indent'"),
        ("{{ rows | turns }}", "there is no filter 'turns'"),
        ("{{ range(1000000000) }}", "call can't be used"),
        ("{{ " + "9" * 5000 + " }}", "digits"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "recursion"),
        ("{{ " + "not " * 5000 + "1 }}", "recursion"),
        ("{{ rows", "unexpected end of template"),
        ("a\nb\n{{ rows.append() }}", "scenario.yaml:12:"),
    ],
)
def test_a_template_can_only_fill_in(text: str, message: str) -> None:
    with pytest.raises(BadScenario) as refused:
        template(text).check({"rows": None})
    assert message in str(refused.value)
    assert str(refused.value).startswith("scenario.yaml:1")


@pytest.mark.parametrize(
    "text", ["{{ 'x' * 1000 }}", "{{ rows.nosuch }}", "{{ rows[0].items }}", "{{ rows[0].b }}", "{{ 1 // 0 }}"]
)
def test_a_template_that_goes_wrong_names_its_line(text: str) -> None:
    with pytest.raises(BadScenario, match=r"^scenario\.yaml:10: verdict\.fired\.text: "):
        template(text).render({"rows": [{"a": 1}]})


@pytest.mark.parametrize("text", ["", "1 }}{{ 2", "1 %}{% if 2", "1) or (2", "rows["])
def test_a_condition_is_one_expression(text: str) -> None:
    with pytest.raises(BadScenario, match=r"^scenario\.yaml:10: "):
        template(text, condition=True).check({"rows": None})


LONG = {"rows": [{"text": "x" * 200_000, "numbers": list(range(200_000))}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ '%2000000000s' % 'x' }}", "% takes whole numbers only"),
        ("{{ 'x' + 'y' }}", "+ takes whole numbers only"),
        ("{{ rows + rows }}", "+ takes whole numbers only"),
        ("{{ " + " * ".join(["9999999999"] * 20) + " }}", "* comes to a number of more than 127 bits"),
        ("{{ " + " ~ ".join(["rows[0].text"] * 2) + " }}", "comes to more than 262 144 characters"),
        ("{{ [rows[0].text, [rows[0].text]] }}", "comes to more than 262 144 characters"),
        ("{{ [rows[0].text, rows[0].text] | command }}", "comes to more than 262 144 characters"),
        ("{{ [rows[0].text, rows[0].text] | quoted }}", "comes to more than 262 144 characters"),
        ("{{ rows[0].numbers | join }}", "comes to more than 262 144 characters"),
        ("{{ [1, 2, 3] | join(rows[0].text) }}", "comes to more than 262 144 characters"),
        ("{{ rows[0].text }}{{ rows[0].text }}", "comes to more than 262 144 characters"),
        ("{% for n in rows[0].numbers %}{{ n }}{% endfor %}", "comes to more than 262 144 characters"),
        ("{% for c in rows[0].text %}{{ c }}{% endfor %}", "a loop goes over rows, or a list"),
        ("{{ " + "rows | length + " * 5000 + "1 }}", "recursion"),
        ("{{ " + "not rows or " * 250 + "1 }}", "too many nested parentheses"),
    ],
)  # fmt: skip
def test_a_template_comes_to_no_more_than_a_sentence_may(text: str, message: str) -> None:
    with pytest.raises(BadScenario) as refused:
        template(text).render(LONG)
    assert message in str(refused.value)
    assert str(refused.value).startswith("scenario.yaml:10: verdict.fired.text: ")


@pytest.mark.parametrize(
    "text",
    [
        "{% for n in rows[0].numbers %}{% if 'y' in rows[0].text %}{% endif %}{% endfor %}",
        "{% for n in rows[0].numbers if 'y' in rows[0].text %}{% endfor %}",
        "{% for n in rows[0].numbers %}{{ loop.first or rows[0].text ~ n == '' }}{% endfor %}",
        "{% if rows[0].text | quoted == '' %}x{% endif %}" * 200,
    ],
)
def test_a_template_that_goes_on_and_on_is_stopped(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words_of_scenarios, "SECONDS", 0.1)
    with pytest.raises(BadScenario, match=r"^scenario\.yaml:10: verdict\.fired\.text: took longer than 0\.1 s"):
        template(text).render(LONG)


def test_what_fits_is_filled_in_whole() -> None:
    said = template("{{ rows[0].text ~ 7 % 4 }}{% for n in [2, 3] %}{{ n }}{% endfor %}").render(LONG)
    assert said == "x" * 200_000 + "323"
    assert template("(rows[0].text ~ '/') in rows[0].text ~ '/'", condition=True).is_true({"rows": [{"text": "x"}]})


@pytest.mark.parametrize("value", [None, 5, -5, 1.5, 10**40, "x", [], ["a"], [1], [[1]], {}, {"a": 1}, True], ids=repr)
def test_a_filter_of_what_it_is_not_for_is_an_error_of_the_template(value: object) -> None:
    for name in words_of_scenarios.FILTERS:
        for text, is_condition in ((f"{{{{ a | {name} }}}}", False), (f"a | {name}", True)):
            said = template(text, condition=is_condition)
            with suppress(BadScenario):
                said.is_true({"a": value}) if is_condition else said.render({"a": value})


@pytest.mark.parametrize(
    "use",
    ["rows[7].a", "rows[7].a.b", "rows[7]['a']", "rows[7].a * 2", "2 - rows[7].a", "rows[7].a | rate",
     "rows[7].a | bytes"],
)
def test_a_row_that_is_not_there_is_no_error_of_the_template(use: str) -> None:
    with pytest.raises(NoRow):
        template(f"{{{{ {use} }}}}").render({"rows": [{"a": 1}]})
    assert not replace(template(f"{use} > 0"), is_condition=True).is_true({"rows": [{"a": 1}]})


def test_values_are_filled_in_as_visible_text_on_one_line() -> None:
    said = template("{{ a }} and\n  {{ b }} {{ c | command }} {{ d }}{% if e %} x{% endif %}").render(
        {"a": "x\ny", "b": "\x1b[1m", "c": ["sh", "-c", "a  b"], "d": ["x", "y z"], "e": 0}
    )
    assert said == "x\\ny and \\x1b[1m sh -c 'a b' x 'y z'"


def test_filters_speak_in_units() -> None:
    filters = ["duration", "bytes", "ratio", "rate", "count", "clock"]
    said = template(", ".join(f"{{{{ {name} | {rule} }}}}" for name, rule in zip("abcdef", filters, strict=True)))
    values = {"a": 1_500_000, "b": 2048, "c": 31_000, "d": 95_250, "e": 1234, "f": 1_800_000_000_000_000_000}
    assert said.render(values) == "1.5 ms, 2 KiB, 3.1 %, 95.2, 1 234, 08:00:00.000"


def test_a_condition_is_true_or_false() -> None:
    assert template("rows | length > 1 and rows[0].a == 1", condition=True).is_true({"rows": [{"a": 1}, {}]})
    assert not template("rows and rows[0].a", condition=True).is_true({"rows": []})


def test_visible_spells_out_what_acts() -> None:
    assert visible("a\tb\x00\u202e\u200b\ud800é") == "a\\tb\\x00\\u202e\\u200b\\ud800é"


@pytest.mark.parametrize("name", ["a b", "$(reboot)", "x; reboot", "`reboot`", "it's", "-rf", "a\x1b[1m"])
def test_a_name_that_stands_in_a_command_is_one_word_of_it(name: str) -> None:
    said = template("ls -- {{ a | quoted }}").render({"a": name})
    assert shlex.split(said) == ["ls", "--", visible(name)]
    assert template("{{ a | quoted }}").render({"a": "/srv/www"}) == "/srv/www"


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_names_that_others_chose_are_quoted_where_a_step_has_them_in_a_command(name: str) -> None:
    """What follows a program that takes a path, a user, a name or a unit."""
    takes = re.compile(
        r"\b(?:du|df|lsof|find|findmnt|chmod|pgrep|pkill|passwd|crontab|dig|coredumpctl|journalctl|systemctl|ssh|mount|stat)\b"
        r"[^.;:,()|{]*\{\{ ?(?P<value>[^}]*?) ?\}\}"
    )
    chosen = re.compile(r"(?:\.(?:comm|what|path|mount|folder|user|name|argv)|\| unit)$")
    for step in get_scenario(name).words.next_steps:
        for words in filter(None, (step.text, step.check)):
            found = [m["value"] for m in takes.finditer(words.text)]
            assert [value for value in found if chosen.search(value)] == [], words.where


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_each_step_is_filled_in_with_something_of_its_evidence(name: str) -> None:
    for step in get_scenario(name).words.next_steps:
        filled = " ".join(re.findall(r"\{\{(.*?)\}\}", step.text.text))
        assert any(re.search(rf"\b{evidence}\b", filled) for evidence in step.evidence), step.text.where


#: In words: the command, then what it is given, NODE or --option value, up to where the sentence goes on.
COMMAND = re.compile(r"\bsantabpf ([a-z]+(?: (?:[A-Z]+\b|--[a-z-]+(?: \w+(?:[:=]\w+)*)?))*)")


def commands(folder: Path) -> list[str]:
    """All that start with santabpf in a scenario's words, and in its case study; 1 for what a template fills in."""
    words = re.sub(r"\s+", " ", (folder / "scenario.yaml").read_text())
    words = re.sub(r"\{\{.*?\}\}", "1", re.sub(r"\{%.*?%\}", "", words))
    study = (folder / "README.md").read_text()
    return [*COMMAND.findall(words), *re.findall(r"`santabpf ([^`]+)`", study)]


@pytest.mark.parametrize("name", sorted(all_scenarios()))
def test_each_command_that_a_scenario_names_can_be_given_just_so(name: str) -> None:
    found = commands(get_scenario(name).folder)
    assert found
    for words in found:
        command, *given = shlex.split(words)
        params = cli.commands[command].make_context(command, given).params  # raises UsageError
        one = params.get("scenario")
        assert {*params.get("scenarios", ()), *filter(None, [one])} <= all_scenarios().keys(), words
        assert params.get("variant") is None or get_variant(get_scenario(one).folder, params["variant"])
        for probe in params.get("probes", ()):
            assert expand(probe) or parse_probe(probe), words


def test_a_command_in_words_ends_where_the_sentence_goes_on(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("`santabpf drill x --seconds 8` provokes it.")
    (tmp_path / "scenario.yaml").write_text(
        "a: Look: santabpf drill and\n  watch it: santabpf watch NODE --probe {{ a }} stays quiet. Or santabpf\n"
        "  record{% if b %} NODE{% endif %} --scenario c --probe d names the reason."
    )
    assert commands(tmp_path) == [
        "drill", "watch NODE --probe 1", "record NODE --scenario c --probe d", "drill x --seconds 8"
    ]  # fmt: skip
