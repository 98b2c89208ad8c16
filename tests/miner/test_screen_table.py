from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from miner.screen_table import Column, cut, flow, table


def words(*each: str) -> list[Text]:
    return [Text(one) for one in each]


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


NAMES = Column(title="Pools", cells=words("first.example:3333", "b:1"), least=8)
COUNTS = Column(title="shares", cells=words("7", "12"), right=True, keep=2)
STATES = Column(title="state", cells=words("active", "down"), keep=1)


def test_columns_are_as_wide_as_what_they_hold() -> None:
    assert plain(table([NAMES, COUNTS, STATES], 80)) == [
        "Pools               shares  state",
        "first.example:3333       7  active",
        "b:1                     12  down",
    ]


def test_a_column_that_may_be_cut_is_cut_before_others_are_left_out() -> None:
    assert plain(table([NAMES, COUNTS, STATES], 28)) == [
        "Pools         shares  state",
        "first.examp…       7  active",
        "b:1               12  down",
    ]


def test_the_least_wanted_columns_are_left_out_first_and_the_first_never() -> None:
    assert plain(table([NAMES, COUNTS, STATES], 20))[0] == "Pools         shares"
    assert plain(table([NAMES, COUNTS, STATES], 12)) == ["Pools", "first.examp…", "b:1"]


def test_what_is_wider_than_the_terminal_even_alone_is_cut() -> None:
    assert plain(table([Column(title="Pools", cells=words("abcdefgh"))], 5)) == ["Pools", "abcd…"]


def test_a_table_may_have_no_rows() -> None:
    assert plain(table([Column(title="Devices", cells=[])], 80)) == ["Devices"]


def test_facts_go_on_in_the_next_line_under_the_first() -> None:
    facts = words("120 accepted", "3 rejected", "1 lost")
    assert plain(flow("Shares", facts, 80, 8)) == ["Shares  120 accepted   3 rejected   1 lost"]
    assert plain(flow("Shares", facts, 33, 8)) == [
        "Shares  120 accepted   3 rejected",
        "        1 lost",
    ]
    assert plain(flow("Shares", facts, 15, 8))[0] == "Shares  120 ac…"


def test_wide_characters_count_twice() -> None:
    assert cut(Text("漢字漢字"), 8).plain == "漢字漢字"
    shorter = cut(Text("漢字漢字"), 6)
    assert shorter.cell_len <= 6
    assert shorter.plain.endswith("…")


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=4), st.integers(1, 60))
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    first, second, third = (words(*each) for each in zip(*rows, strict=True))
    columns = [
        Column(title="Name", cells=first, least=5),
        Column(title="number", cells=second, right=True, keep=1),
        Column(title="words", cells=third, keep=2, least=3),
    ]
    lines = [*table(columns, width), *flow("Label", second, width, 10)]
    assert max(line.cell_len for line in lines) <= width
