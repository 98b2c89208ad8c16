"""`Names`: who is introduced, and whose shares wait."""

from headframe.stratum.sv1.names import MAX_NAMES, Names


def test_the_own_name_is_known_and_another_only_once_new() -> None:
    names = Names("me")
    assert not names.is_new("me")
    assert names.is_new("rig")
    names.introduced("rig", 7)
    assert not names.is_new("rig")
    assert (names.name_of(7), names.name_of(7)) == ("rig", "")


def test_shares_wait_for_the_answer_or_a_later_one() -> None:
    names = Names("me")
    assert not names.hold("me", b"a")
    names.introduced("one", 5)
    names.introduced("two", 8)
    assert names.hold("one", b"1a")
    assert names.hold("two", b"2a")
    assert names.hold("one", b"1b")
    assert names.release(4) == []
    assert names.release(6) == [b"1a", b"1b"]
    assert not names.hold("one", b"1c")
    assert names.release() == [b"2a"]
    assert names.release() == []


def test_the_memory_of_names_is_bounded() -> None:
    names = Names("me")
    for number in range(MAX_NAMES - 1):
        assert names.is_new(f"rig{number}")
        names.introduced(f"rig{number}", number)
        names.release(number)
    assert not names.is_new("one more")
    assert not names.hold("one more", b"share")
