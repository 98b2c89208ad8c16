import gc
import threading
from contextlib import ExitStack

import pytest

from headframe.node.collector import Rest


@pytest.fixture(autouse=True)
def _collecting():
    gc.enable()
    yield
    gc.enable()


def test_it_rests_until_the_last_who_needs_it():
    rest = Rest()
    with ExitStack() as first:
        first.enter_context(rest.needed())
        with rest.needed():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_ends_the_rest():
    with pytest.raises(ValueError, match="no"), Rest().needed():
        raise ValueError("no")
    assert gc.isenabled()


def test_whoever_had_switched_it_off_finds_it_so():
    gc.disable()
    with Rest().needed():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_it_rests_for_all_threads():
    rest, entered, leave = Rest(), threading.Event(), threading.Event()

    def need() -> None:
        with rest.needed():
            entered.set()
            leave.wait(60)

    other = threading.Thread(target=need)
    other.start()
    assert entered.wait(60)
    with rest.needed():
        pass
    assert not gc.isenabled()
    leave.set()
    other.join()
    assert gc.isenabled()
