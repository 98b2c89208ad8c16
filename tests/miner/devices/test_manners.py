import os
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from headframe.runtime.errors import ConfigError
from miner.devices.manners import Manners, Pace, Priority, parse_cores, usable_cores

CORES = list(usable_cores())


def seen_in_thread(manners: Manners, name: str, index: int = 0) -> dict[str, object]:
    """What the system says of a thread that adopted the manners."""
    seen: dict[str, object] = {}

    def run() -> None:
        manners.adopt(name, index)
        seen["name"] = Path("/proc/thread-self/comm").read_text().strip()
        seen["nice"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        seen["policy"] = os.sched_getscheduler(threading.get_native_id())
        seen["cores"] = os.sched_getaffinity(threading.get_native_id())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return seen


@pytest.mark.parametrize(
    ("priority", "nice", "policy"),
    [("low", 19, os.SCHED_OTHER), ("idle", 0, os.SCHED_IDLE), ("normal", 0, os.SCHED_OTHER)],
)
def test_a_thread_gets_its_name_and_priority_and_nobody_else_does(
    priority: Priority, nice: int, policy: int
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    seen = seen_in_thread(Manners(priority=priority), "cpu:0/1")
    assert seen["name"] == "cpu:0/1"
    assert seen["nice"] == max(nice, own)
    assert seen["policy"] == policy
    assert seen["cores"] == set(CORES)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_the_lowest_priority_is_the_default() -> None:
    assert Manners().priority == "low"


def test_a_long_name_is_cut() -> None:
    assert seen_in_thread(Manners(), "opencl:0/accelerator")["name"] == "opencl:0/accele"


def test_threads_take_their_cores_in_turn() -> None:
    manners = Manners(cores=tuple(CORES))
    for index in range(len(CORES) + 1):
        seen = seen_in_thread(manners, "cpu:0", index)
        assert seen["cores"] == {CORES[index % len(CORES)]}


def test_what_the_system_refuses_is_told_and_the_thread_goes_on() -> None:
    with capture_logs() as lines:
        seen = seen_in_thread(Manners(cores=(100_000,)), "cpu:0/0")
    assert seen["cores"] == set(CORES)
    assert [(line["event"], line["thread"]) for line in lines] == [
        ("thread_not_adjusted", "cpu:0/0")
    ]


def test_lists_of_cores_are_read_as_taskset_reads_them() -> None:
    first, last = CORES[0], CORES[-1]
    assert parse_cores("") == ()
    assert parse_cores("all") == tuple(CORES)
    assert parse_cores(f"{last}, {first}") == tuple(dict.fromkeys((last, first)))
    assert parse_cores(f"{first}-{first},{first}") == (first,)
    if list(range(first, last + 1)) == CORES:
        assert parse_cores(f"{first}-{last}") == tuple(CORES)


@pytest.mark.parametrize("text", ["x", "1-", "-1", "0,,1", "0-x", "1.5", "0x1", ","])
def test_what_is_no_list_of_cores_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected cores such as 0-3,6, or all"):
        parse_cores(text)


@pytest.mark.parametrize("text", ["100000", "0,100000", "99999-100000"])
def test_a_core_that_is_not_there_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"may use the cores {CORES[0]}.*, not (99999|100000)$"):
        parse_cores(text)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="this process may use"):
        parse_cores(f"{CORES[0] + 1}-{CORES[0]}")


class Rest(threading.Event):
    """An event that keeps how long it was waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds += timeout
        return False


def use(seconds: float) -> None:
    """Use so much of this thread's time."""
    start = time.thread_time()
    while time.thread_time() - start < seconds:
        pass


@pytest.mark.parametrize(("duty", "rest_per_second"), [(50, 1.0), (25, 3.0), (80, 0.25)])
def test_a_thread_rests_in_proportion_to_what_it_used(duty: int, rest_per_second: float) -> None:
    rest, start = Rest(), time.thread_time()
    pace = Pace(duty)
    for _ in range(3):
        use(0.01)
        pace.pause(rest)
    assert rest.seconds == pytest.approx((time.thread_time() - start) * rest_per_second, rel=0.1)


def test_at_full_duty_it_never_rests() -> None:
    rest, pace = Rest(), Pace(100)
    use(0.005)
    pace.pause(rest)
    assert rest.seconds == 0


def test_a_rest_ends_when_the_thread_shall() -> None:
    pace, quit_ = Pace(1), threading.Event()
    use(0.1)  # ten seconds of rest
    quit_.set()
    start = time.monotonic()
    pace.pause(quit_)
    assert time.monotonic() - start < 5
