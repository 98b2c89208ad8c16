from miner.sparing import Sparing


def test_the_first_of_a_kind_is_told_at_once() -> None:
    sparing = Sparing(10)
    assert sparing.say("a", 100.0) == 1
    assert sparing.say("b", 100.0) == 1


def test_what_follows_too_soon_is_counted_and_told_with_the_next_line() -> None:
    sparing = Sparing(10)
    assert sparing.say("a", 100.0) == 1
    assert sparing.say("a", 105.0) is None
    assert sparing.say("a", 109.9) is None
    assert sparing.say("a", 110.0) == 3
    assert sparing.say("a", 130.0) == 1
