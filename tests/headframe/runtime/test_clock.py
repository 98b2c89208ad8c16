import datetime

from headframe.runtime.clock import monotonic, wall_milliseconds, wall_seconds


def test_wall_seconds_is_whole_seconds_since_1970():
    before = int(datetime.datetime.now(datetime.UTC).timestamp())
    now = wall_seconds()
    after = int(datetime.datetime.now(datetime.UTC).timestamp())
    assert isinstance(now, int)
    assert before <= now <= after


def test_monotonic_never_goes_back():
    assert monotonic() <= monotonic()


def test_wall_milliseconds_agree_with_the_seconds():
    before = wall_seconds()
    assert before * 1000 <= wall_milliseconds() <= (wall_seconds() + 1) * 1000
