"""Stacks to a tree, to collapsed stacks and to speedscope; nothing is drawn here."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from typing import Any

import jsonschema
import made_stacks as made
import pyarrow as pa
import pytest

from santabpf.charts.flame_files import collapsed, speedscope
from santabpf.charts.flame_graph import WHOLE, Columns, FlameInfo, difference, flame, info, without_small
from santabpf.errors import BadUsage

#: What speedscope's file-format-schema.json requires of a file with sampled profiles.
SCHEMA = {
    "type": "object", "required": ["$schema", "shared", "profiles"],
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"}, "exporter": {"type": "string"}, "activeProfileIndex": {"type": "integer"},
        "shared": {"type": "object", "required": ["frames"], "properties": {"frames": {"type": "array", "items": {
            "type": "object", "required": ["name"], "additionalProperties": False,
            "properties": {"name": {"type": "string"}, "file": {"type": "string"}}}}}},
        "profiles": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
            "properties": {
                "type": {"const": "sampled"}, "name": {"type": "string"}, "startValue": {"type": "number"},
                "unit": {"enum": ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"]},
                "endValue": {"type": "number"},
                "samples": {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}},
                "weights": {"type": "array", "items": {"type": "number"}}}}},
    },
}


def path(tree: Columns, at: int) -> tuple[tuple[str, str, str], ...]:
    """The frames from the outermost to this one."""
    way = []
    while at > 0:
        way.append((tree.name[at], tree.kind[at], tree.module[at]))
        at = tree.parent[at]
    return tuple(reversed(way))


def test_texts_that_are_stored_once_give_the_same_tree_whatever_their_dictionaries_hold() -> None:
    plain = made.table(made.ROWS)

    def once(table: pa.Table, column: str) -> pa.ChunkedArray:
        lists = table[column].combine_chunks()
        known = [*sorted(set(lists.flatten().drop_null().to_pylist()), reverse=True), "unused"] * 2  # and each twice
        which = pa.array([None if text is None else known.index(text) + at % 2 * len(known) // 2
                          for at, text in enumerate(lists.flatten().to_pylist())], pa.int32())
        texts = pa.DictionaryArray.from_arrays(which, pa.array(known))
        return pa.chunked_array([pa.ListArray.from_arrays(lists.offsets, texts)])

    def encoded(table: pa.Table) -> pa.Table:
        lists = {name: once(table, name) for name in ("frames", "kinds", "modules")}
        return pa.table({**lists, "value": table["value"]}).replace_schema_metadata(table.schema.metadata)

    parts = pa.concat_tables([encoded(plain.slice(0, 2)), encoded(plain.slice(2))])
    assert parts["frames"].num_chunks == 2
    assert info(encoded(plain)) == info(parts) == info(plain)
    assert difference(encoded(plain), parts) == difference(plain, plain)


def test_the_tree_of_a_few_stacks_is_the_one_counted_by_hand() -> None:
    made_of_it = info(made.table(made.ROWS))
    tree = made_of_it.columns
    seen = list(zip(tree.depth, tree.name, tree.start, tree.width, tree.self_value, tree.parent, strict=True))
    assert seen == [
        (0, "all", 0, 100, 0, -1),
        (1, "shop [pid 7]", 0, 100, 0, 0),
        (2, "main", 0, 93, 10, 1),
        (3, "sort", 0, 50, 30, 2),
        (4, "hash", 0, 20, 20, 3),
        (3, "do_syscall_64", 50, 23, 0, 2),
        (4, "ksys_read", 50, 23, 23, 5),
        (3, "LShop;::sell", 73, 10, 0, 2),
        (4, "sort", 73, 10, 10, 7),
        (2, "[cut: no frame pointers]", 93, 7, 0, 1),
        (3, "libz.so.1+0x23", 93, 7, 7, 9),
    ]
    assert made_of_it.total == 100
    assert tree.module[4] == "/lib/libc.so.6"
    assert tree.kind[9] == "cut"


def test_the_order_of_rows_and_how_they_are_split_make_no_difference() -> None:
    rows = made.made_up(1)
    shuffled = random.Random(2).sample(rows, len(rows))
    parts = [made.table(shuffled[:50]), made.table(shuffled[50:])]
    assert info(pa.concat_tables(parts)) == info(made.table(rows))
    assert info(made.table(shuffled).slice(7, 100)) == info(made.table(shuffled[7:107]))


@pytest.mark.parametrize("seed", range(5))
def test_every_stack_is_in_the_tree_with_its_sum_and_nothing_else(seed: int) -> None:
    rows = made.made_up(seed)
    sums: Counter[Any] = Counter()
    for frames, value in rows:
        sums[tuple(frames)] += value
    tree = info(made.table(rows)).columns
    own = {path(tree, at): value for at, value in enumerate(tree.self_value) if value}
    assert own == {tuple((n, k, m) for n, k, m in way): value for way, value in sums.items() if value}


@pytest.mark.parametrize("made_of_it", [info(made.table(made.made_up(6))),
                                        difference(made.table(made.made_up(7)), made.table(made.made_up(8)))])
def test_children_stand_within_their_parent_side_by_side_the_widest_first(made_of_it: FlameInfo) -> None:
    tree = made_of_it.columns
    for at in range(len(tree.parent)):
        children = [child for child, parent in enumerate(tree.parent) if parent == at]
        assert sum(tree.width[child] for child in children) <= tree.width[at]
        assert [tree.width[c] for c in children] == sorted((tree.width[c] for c in children), reverse=True)
        at_x = tree.start[at]
        for child in children:
            assert tree.start[child] == at_x
            at_x += tree.width[child]
            assert tree.depth[child] == tree.depth[at] + 1


def test_one_name_in_two_modules_is_two_functions() -> None:
    three = [("f", "user", "a.so"), ("f", "user", "b.so"), ("f", "kernel", "a.so")]
    tree = info(made.table([([frame], 5 // at) for at, frame in enumerate(three, 2)])).columns
    assert list(zip(tree.name, tree.module, tree.kind, strict=True))[1:] == [
        ("f", "a.so", "user"), ("f", "a.so", "kernel"), ("f", "b.so", "user")]  # 2, 1 and 1 samples


def test_stacks_that_are_empty_missing_or_worth_nothing_do_no_harm() -> None:
    assert info(made.table([])).columns.name == ("all",)
    assert info(made.table([([], 3), ([made.MAIN], 0)])).columns.self_value == (3,)
    nulls = pa.table({"frames": pa.array([None, ["f"]], pa.list_(pa.string())),
                      "kinds": pa.array([None, ["user"]], pa.list_(pa.string())),
                      "modules": pa.array([None, [None]], pa.list_(pa.string())), "value": pa.array([1, 2])})
    tree = info(nulls, unit="ns").columns
    assert (tree.name, tree.module, tree.self_value) == (("all", "f"), ("", ""), (1, 2))


@pytest.mark.parametrize(("change", "said"), [
    (lambda t: t.replace_schema_metadata({"unit": "hours"}), "samples or ns, not in 'hours'"),
    (lambda t: t.replace_schema_metadata(None), "say which with unit="),
    (lambda t: t.drop_columns(["kinds"]), "no column 'kinds'"),
    (lambda t: t.set_column(1, "kinds", pa.array([["user"]] * 6)), "as many kinds and modules as frames"),
    (lambda t: t.set_column(1, "kinds", pa.array([["usr"] * len(f) for f, _ in made.ROWS])), "'usr' is no kind of"),
    (lambda t: t.set_column(3, "value", pa.array([-1] * 6)), "below zero"),
    (lambda t: t.set_column(3, "value", pa.array([None] * 6, pa.int64())), "missing"),
], ids=["unit", "no-unit", "column", "lengths", "kind", "negative", "null"])
def test_a_table_that_is_no_table_of_stacks_is_refused_with_the_reason(change: Any, said: str) -> None:
    with pytest.raises(BadUsage, match=said):
        info(change(made.table(made.ROWS)))


def test_a_difference_compares_shares_and_shows_what_is_only_in_one() -> None:
    before = made.table([([made.MAIN, made.SORT], 100), ([made.MAIN, made.HASH], 100)])
    after = made.table([([made.MAIN, made.SORT], 30), ([made.MAIN, made.READ], 10)])
    tree = difference(before, after).columns
    assert tree.name == ("all", "main", "sort", "hash", "ksys_read")
    assert tree.width == (WHOLE, WHOLE, WHOLE * 5 // 8, WHOLE // 4, WHOLE // 8)
    assert tree.self_value == (0, 0, 30, 0, 10)
    assert tree.self_before == (0, 0, 100, 100, 0)
    with pytest.raises(BadUsage, match="samples cannot be compared with stacks in ns"):
        difference(before, made.table([], "ns"))


def test_small_frames_are_drawn_together_and_none_of_their_time_is_lost() -> None:
    tree = info(made.table(made.ROWS))
    made_of_it = without_small(tree, 0.15)
    fewer = made_of_it.columns
    assert [(n, w, s) for n, w, s in zip(fewer.name, fewer.width, fewer.self_value, strict=True)] == [
        ("all", 100, 0), ("shop [pid 7]", 100, 0), ("main", 93, 10), ("sort", 50, 30), ("hash", 20, 20),
        ("do_syscall_64", 23, 0), ("ksys_read", 23, 23), ("(small)", 10, 10), ("(small)", 7, 7)]
    assert fewer.module[7] == "2 frames, each below 15 % of all"
    assert fewer.parent == (-1, 0, 1, 2, 3, 2, 5, 2, 1)
    assert fewer.start == (0, 0, 0, 0, 0, 50, 50, 73, 93)
    assert made_of_it.total == tree.total
    assert without_small(tree, 0.01) is tree


def test_a_large_tree_fits_where_it_must_and_says_what_that_cost() -> None:
    rng = random.Random(1)
    rows = [([("f" + "".join(rng.choices("abcdefgh", k=80)), "user", f"/lib/{at}.so")] * 3, rng.randrange(1, 2000))
            for at in range(20_000)]
    tree = info(made.table(rows))
    fitted = flame(tree, most_bytes=300_000)
    assert len(fitted.html()) <= 300_000
    assert 100 < len(fitted.frames) < len(tree)
    assert "are drawn together, as (small)" in fitted.note
    assert sum(frame.value for frame in fitted.frames) == tree.total
    assert flame(info(made.table(made.ROWS)), most_bytes=300_000).note == ""


def test_collapsed_stacks_are_what_flamegraph_pl_reads() -> None:
    text = collapsed(made.table(made.ROWS))
    assert text.splitlines() == [
        "shop [pid 7];main 10",
        "shop [pid 7];main;sort 30",
        "shop [pid 7];main;sort;hash 20",
        "shop [pid 7];main;do_syscall_64;ksys_read 23",
        "shop [pid 7];main;LShop\\x3b::sell;sort 10",
        "shop [pid 7];[cut: no frame pointers];libz.so.1+0x23 7",
    ]
    assert text.endswith("\n")
    assert collapsed(made.table([])) == ""


def test_no_name_can_break_a_line_or_a_stack_of_the_collapsed_ones() -> None:
    lines = collapsed(made.hostile()).split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(made.HOSTILE)
    for line in lines:
        stack, value = line.rsplit(" ", 1)
        assert int(value) == 10
        assert len(stack.split(";")) == 2
        assert stack.isprintable()
    assert "a\\x3bb c 12;a\\x3bb c 12 10" in lines
    assert "(no name);(no name) 10" in lines


def test_two_recordings_are_collapsed_with_two_values() -> None:
    before, after = made.table([([made.MAIN], 5), ([made.SORT], 5)]), made.table([([made.MAIN], 9)])
    assert collapsed(after, before=before) == "main 5 9\nsort 5 0\n"


@pytest.mark.parametrize("table", [made.table(made.ROWS), made.table(made.ROWS, "ns"), made.hostile(), made.table([])])
def test_speedscope_files_have_what_the_format_requires(table: pa.Table) -> None:
    made_of_it = json.loads(json.dumps(speedscope(table, name="web-1")))
    jsonschema.validate(made_of_it, SCHEMA)
    profile = made_of_it["profiles"][0]
    assert len(profile["samples"]) == len(profile["weights"])
    assert sum(profile["weights"]) == profile["endValue"] == info(table).total
    assert profile["unit"] == ("nanoseconds" if table.schema.metadata[b"unit"] == b"ns" else "none")
    frames = len(made_of_it["shared"]["frames"])
    assert set(itertools.chain(*profile["samples"])) == set(range(frames))


def test_speedscope_has_each_frame_once_and_the_outermost_first() -> None:
    made_of_it = speedscope(made.table(made.ROWS))
    names = [frame["name"] for frame in made_of_it["shared"]["frames"]]
    assert sorted(names) == sorted({f[0] for frames, _ in made.ROWS for f in frames})
    stacks = {tuple(names[f] for f in sample): weight for sample, weight in zip(
        made_of_it["profiles"][0]["samples"], made_of_it["profiles"][0]["weights"], strict=True)}
    assert stacks == {tuple(f[0] for f in frames): value for frames, value in made.ROWS}


def test_speedscope_gets_two_recordings_as_two_profiles() -> None:
    before, after = made.table([([made.MAIN], 5), ([made.SORT], 5)]), made.table([([made.MAIN], 9)])
    one, two = speedscope(after, before=before, name="web")["profiles"]
    assert (one["name"], one["weights"], one["endValue"]) == ("web before", [5, 5], 10)
    assert (two["name"], two["weights"], two["endValue"]) == ("web after", [9], 9)
