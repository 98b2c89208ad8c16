import pytest

from native.kernel import StopFlag, ensure_request


class TestStopFlag:
    def test_it_is_clear_at_first(self):
        assert not StopFlag().is_set

    def test_it_can_be_set_and_cleared(self):
        flag = StopFlag()
        flag.set()
        assert flag.is_set
        flag.clear()
        assert not flag.is_set

    def test_its_word_is_what_c_reads(self):
        flag = StopFlag()
        assert flag.word.itemsize == 4
        flag.set()
        assert flag.word[0] != 0

    def test_flags_are_apart(self):
        first, second = StopFlag(), StopFlag()
        first.set()
        assert not second.is_set


class TestEnsureRequest:
    @pytest.mark.parametrize(("first", "count"), [(0, 0), (0, 2**32), (2**32, 0), (2**32 - 1, 1)])
    def test_ranges_up_to_the_last_nonce_are_fine(self, first, count):
        ensure_request([bytes(64)], bytes(12), bytes(32), first, count)

    @pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (1, 2**32), (2**32, 1)])
    def test_ranges_past_it_are_refused(self, first, count):
        with pytest.raises(ValueError, match="do not lie"):
            ensure_request([bytes(64)], bytes(12), bytes(32), first, count)

    @pytest.mark.parametrize("heads", [1, 16])
    def test_up_to_16_heads_are_fine(self, heads):
        ensure_request([bytes(64)] * heads, bytes(12), bytes(32), 0, 1)
