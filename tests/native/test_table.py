from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import number_table
from native.compiled import extension_missing
from native.table import CompiledTable, NumberTable, PythonTable

ODD = 0x9E3779B97F4A7C15
"""A salt; the inverse of an odd number lets a test choose where its numbers lie."""
numbers = st.integers(min_value=2, max_value=2**64 - 1)

needs_extension = pytest.mark.skipif(bool(extension_missing), reason=extension_missing or "there")


@pytest.mark.parametrize(
    "make",
    [PythonTable, pytest.param(CompiledTable, marks=needs_extension)],
    ids=["python", "c"],
)
class TestNumberTable:
    @settings(max_examples=60, deadline=None)
    @given(added=st.lists(numbers, max_size=400), asked=st.lists(numbers, max_size=50))
    def test_it_says_what_a_set_says(
        self, make: Callable[[], NumberTable], added: list[int], asked: list[int]
    ) -> None:
        table, truth = make(), set[int]()
        for number in added:
            assert table.add(number) is (number not in truth)
            truth.add(number)
            assert len(table) == len(truth)
        assert all(number in table for number in added)
        assert [number in table for number in asked] == [number in truth for number in asked]

    def test_every_number_is_found_however_often_it_grew(self, make: Callable[[], NumberTable]):
        table = make()
        many = [(i * ODD) % 2**64 for i in range(1, 50_001)]
        assert all(table.add(number) for number in many)
        assert len(table) == 50_000
        assert all(number in table for number in many)
        assert not any(table.add(number) for number in many)
        assert not any((i * ODD) % 2**64 in table for i in range(50_001, 60_001))

    @pytest.mark.parametrize("number", [0, 1, 2**64 - 1])
    def test_the_ends_of_the_range_are_kept(self, make: Callable[[], NumberTable], number: int):
        table = make()
        assert number not in table
        assert table.add(number)
        assert number in table
        assert not table.add(number)


@needs_extension
class TestCompiledTable:
    def test_numbers_that_lie_in_one_place_are_told_apart(self) -> None:
        """With the salt known, all that begin their search in the last slot of any size."""
        inverse = pow(ODD, -1, 2**64)
        crowded = [(2**64 - 1 - i) * inverse % 2**64 for i in range(300)]
        table = CompiledTable(salt=ODD)
        assert all(table.add(number) for number in crowded)
        assert all(number in table for number in crowded)
        assert (2**64 - 1 - 300) * inverse % 2**64 not in table

    @pytest.mark.parametrize("number", [-1, 2**64])
    def test_what_has_more_than_64_bits_is_refused(self, number: int) -> None:
        with pytest.raises(OverflowError):
            CompiledTable().add(number)

    def test_eight_bytes_a_number_and_some_room(self) -> None:
        table = CompiledTable(salt=ODD)
        for number in range(2, 10_002):
            table.add(number)
        assert 8 * 10_000 < table.size_bytes <= 8 * 10_000 * 8 / 3


def test_the_compiled_table_is_used_where_there_is_one() -> None:
    assert type(number_table()) is (PythonTable if extension_missing else CompiledTable)
