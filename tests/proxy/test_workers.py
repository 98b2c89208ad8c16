"""Of many workers a few have series of their own, and no counter falls."""

import random

from headframe.chain.share import Reason
from headframe.runtime.metrics import render
from proxy.ledger import OTHER_WORKERS, Ledger
from proxy.workers import WorkerNow, WorkerSeries
from tests.fakes.scrapes import Scrapes

WALL = 1_700_000_000.0
ACCEPTED = "x_worker_shares_accepted_total"


class Desk:
    """Books, their series, and a clock."""

    def __init__(self, most: int, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger()
        self.present: dict[str, WorkerNow] = {}
        self.series = WorkerSeries(self.ledger, lambda: self.present, most=most)
        self.collector = self.series.exporter("x_")
        self.scrapes = Scrapes()
        self.now = 100.0

    def work(self, name: str, shares: int = 1, work: int = 10) -> None:
        for _ in range(shares):
            self.ledger.keep(self.ledger.worker(name), work)

    def scrape(self) -> None:
        self.now += 15
        for _ in self.series.steps(self.now, WALL + self.now):
            pass
        self.scrapes.add(render(self.collector))

    def named(self) -> set[str]:
        return self.scrapes.labels(ACCEPTED, "worker") - {OTHER_WORKERS}

    def accepted(self, worker: str) -> float:
        return self.scrapes.get(ACCEPTED, worker=worker)


def test_each_worker_has_its_own_figures_while_there_is_room() -> None:
    desk = Desk(most=5)
    desk.present = {
        "a": WorkerNow(hps=1000.0, rigs=2, hashing=1),
        "nobody": WorkerNow(hps=5.0, rigs=1),
    }
    desk.work("a", 2)
    desk.work("b", 1)
    desk.scrape()
    assert desk.named() == {"a", "b"}
    assert desk.accepted(OTHER_WORKERS) == 0
    desk.work("a", 4, work=100)
    desk.ledger.refuse(desk.ledger.worker("b"), Reason.STALE, 10)
    desk.scrape()
    assert (desk.accepted("a"), desk.accepted("b")) == (6, 1)
    assert desk.scrapes.get("x_worker_work_accepted_hashes_total", worker="a") == 420
    assert desk.scrapes.get("x_worker_shares_refused_total", worker="b") == 1
    rate = "x_worker_hashrate_hashes_per_second"
    assert desk.scrapes.get(rate, worker="a") == 1000
    assert desk.scrapes.get(rate, worker=OTHER_WORKERS) == 5
    assert desk.scrapes.get("x_worker_rigs", worker="a") == 2
    assert desk.scrapes.get("x_worker_rigs_hashing", worker="a") == 1
    assert desk.scrapes.get("x_worker_rigs", worker=OTHER_WORKERS) == 1


def test_the_time_of_the_last_good_share_is_told() -> None:
    desk, name = Desk(most=1), "x_worker_last_share_timestamp_seconds"
    desk.work("a", work=1000)
    desk.work("z")
    desk.scrape()
    assert desk.scrapes.get(name, worker="a") == WALL + 115
    assert desk.scrapes.get(name, worker=OTHER_WORKERS) == WALL + 115
    desk.work("a")
    desk.scrape()
    assert desk.scrapes.get(name, worker="a") == WALL + 130
    desk.ledger.refuse(desk.ledger.worker("a"), Reason.STALE, 10)
    desk.scrape()
    assert desk.scrapes.get(name, worker="a") == WALL + 130, "a refused share is not a good one"


def test_a_worker_of_an_earlier_run_is_counted_on() -> None:
    ledger = Ledger()
    for name in ("a", "b"):
        ledger.keep(ledger.worker(name), 10)
    desk = Desk(most=1, ledger=ledger)
    desk.work("a", 2)
    desk.scrape()
    assert desk.named() == {"a"}
    assert desk.accepted("a") == 3
    assert desk.accepted(OTHER_WORKERS) == 0, "a new run begins at nothing, or it would leap"


def test_a_folded_worker_is_forgotten() -> None:
    desk = Desk(most=2)
    desk.work("a", 2)
    desk.work("b")
    desk.scrape()
    desk.ledger.fold("a")
    desk.scrape()
    assert desk.named() == {"b"}
    desk.work("a")
    desk.scrape()
    assert desk.accepted("a") == 1


def test_workers_without_a_place_are_counted() -> None:
    desk = Desk(most=2)
    desk.scrape()
    assert desk.series.stats.workers_unlisted == 0
    for name in "abcde":
        desk.work(name)
    desk.scrape()
    assert desk.series.stats.workers_unlisted == 3


def test_the_busiest_take_the_places_and_the_others_are_one() -> None:
    desk = Desk(most=2)
    for name, work in (("small", 1), ("large", 1000), ("middle", 100)):
        desk.work(name, work=work)
    desk.scrape()
    assert desk.named() == {"large", "middle"}
    for _ in range(3):
        desk.work("small", work=10_000)
        desk.scrape()
    assert desk.named() == {"large", "small"}


def test_two_that_are_alike_do_not_change_places_at_each_scrape() -> None:
    desk = Desk(most=1)
    desk.work("a", work=100)
    desk.scrape()
    for _ in range(10):
        desk.work("a", work=100)
        desk.work("b", work=110)
        desk.scrape()
        assert desk.named() == {"a"}


def test_one_that_has_gone_quiet_gives_its_place_away() -> None:
    desk = Desk(most=1)
    desk.work("a", work=10**9)
    desk.scrape()
    desk.now += 3601
    desk.scrape()
    assert desk.named() == set()
    desk.work("b")
    desk.scrape()
    assert desk.named() == {"b"}


def test_no_counter_falls_and_every_share_is_counted_once() -> None:
    desk, rng = Desk(most=3), random.Random(5)
    for _ in range(300):
        for name in rng.sample("abcdefgh", 4):
            desk.work(name, rng.randrange(3), work=rng.randrange(1, 10**6))
        desk.scrape()
        assert len(desk.named()) <= 3
    assert desk.scrapes.falls == []
    everyone = sum(each.figures.shares_accepted for each in desk.series._workers.values())
    assert everyone + desk.accepted(OTHER_WORKERS) == desk.ledger.total.accepted.shares


def test_of_ten_thousand_workers_the_busiest_are_told_of() -> None:
    desk = Desk(most=200)
    for number in range(12_000):
        desk.work(f"rig{number}", work=number + 1)
    desk.scrape()
    for number in range(12_000):
        desk.work(f"rig{number}", work=number + 1)
    desk.scrape()
    assert len(desk.named()) == 200
    assert "rig9998" in desk.named(), "the busiest of those with a row of their own"
    assert desk.scrapes.falls == []


def test_a_look_at_thousands_is_made_in_steps_and_comes_to_the_same() -> None:
    desk, whole = Desk(most=3), Desk(most=3)
    for each in (desk, whole):
        for number in range(3_000):
            each.work(f"w{number}", shares=1 + number % 7, work=1 + number)
    steps = 0
    for _ in desk.series.steps(desk.now + 15, WALL + desk.now + 15):
        steps += 1
        desk.work("late")  # books go on while others have their turn
    assert steps >= 3_000 / 500
    desk.scrape()
    whole.work("late", shares=steps)
    whole.scrape()
    whole.scrape()
    assert desk.named() == whole.named()
    for name in (*desk.named(), OTHER_WORKERS):
        assert desk.accepted(name) == whole.accepted(name)
