from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import SourceId
from headframe.chain.share import Reason, Verdict
from proxy.ledger import Ledger
from proxy.stats import Stats
from proxy.switches import SwitchMeter

ONE, TWO = SourceId("one"), SourceId("two")
WALL = 1_700_000_000


class Scene:
    """A meter whose rigs find a share of 1,000 hashes each second."""

    def __init__(self) -> None:
        self.ledger, self.stats = Ledger(), Stats()
        self.meter = SwitchMeter(self.ledger, self.stats, lambda: WALL)
        self.now = 0.0

    def mine(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.ledger.keep(self.ledger.worker("rig"), 1000)
            self.meter.tick(self.now)

    def lose_a_share(self) -> None:
        row = self.ledger.worker("rig")
        self.ledger.send(row, 1000, 1000)
        self.ledger.answer(row, Verdict(reason=Reason.LOST), 1000, rescued=False)

    def stale_share(self) -> None:
        self.ledger.refuse(self.ledger.worker("rig"), Reason.STALE, 1000)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.meter.tick(0.0)
    scene.meter.gain(ONE, 0.0)
    scene.mine(100)
    yield scene
    scene.ledger.verify()


def test_the_first_work_and_new_jobs_of_the_same_upstream_are_no_switch(scene: Scene):
    scene.meter.gain(ONE, scene.now)
    assert not scene.meter.recent


def test_a_planned_switch_costs_no_hashes(scene: Scene):
    scene.meter.gain(TWO, scene.now)
    [switch] = scene.meter.recent
    assert (switch.kind, switch.before, switch.after) == ("planned", ONE, TWO)
    assert (switch.time, switch.idle_seconds, switch.hashes_lost) == (WALL, 0.0, 0)
    assert scene.stats.switches["planned"] == 1


def test_a_loss_costs_rate_times_time_and_states_its_error(scene: Scene):
    scene.meter.lose(scene.now)
    scene.meter.lose(scene.now + 1)  # heard twice
    scene.meter.gain(TWO, scene.now + 4)
    [switch] = scene.meter.recent
    assert (switch.kind, switch.idle_seconds) == ("lost", 4.0)
    # 100 shares of 1,000 hashes in 100 s, 4 s lost; 100 shares are known to a tenth
    assert switch.hashes_lost == 4000
    assert switch.hashes_lost_at_most == pytest.approx(4000 * 1.3, abs=1)
    assert scene.stats.lost_hashes == 4000
    assert scene.stats.lost_at_most == switch.hashes_lost_at_most
    assert scene.stats.rigs_idle == 4.0


def test_shares_that_found_no_taker_are_counted_until_rigs_have_the_new_job(scene: Scene):
    scene.stale_share()  # of before
    scene.meter.tick(scene.now)
    scene.lose_a_share()  # by the connection's end, a moment before it is known
    scene.meter.lose(scene.now)
    scene.stale_share()
    scene.meter.gain(TWO, scene.now + 0.1)
    scene.stale_share()
    with capture_logs() as logs:
        scene.meter.tick(scene.now + 1.0)
        assert logs == []
        scene.meter.tick(scene.now + 2.1)
    [line] = logs
    assert (line["event"], line["log_level"], line["shares_untaken"]) == (
        "upstream_switched",
        "warning",
        3,
    )
    assert (line["kind"], line["before"], line["after"]) == ("lost", ONE, TWO)
    assert scene.stats.shares_untaken == 3
    scene.stale_share()
    scene.meter.tick(scene.now + 10)
    assert scene.stats.shares_untaken == 3


def test_a_return_to_the_same_upstream_after_a_gap_is_told_too(scene: Scene):
    scene.meter.lose(scene.now)
    scene.meter.gain(ONE, scene.now + 2)
    [switch] = scene.meter.recent
    assert (switch.kind, switch.idle_seconds) == ("resumed", 2.0)


def test_a_loss_soon_after_a_switch_ends_the_count_of_that(scene: Scene):
    scene.meter.gain(TWO, scene.now)
    scene.stale_share()
    scene.meter.lose(scene.now + 0.5)
    scene.stale_share()
    scene.meter.gain(ONE, scene.now + 1)
    scene.meter.tick(scene.now + 4)
    assert [each.shares_untaken for each in scene.meter.recent] == [1, 1]


def test_without_shares_nothing_is_known_of_hashes():
    scene = Scene()
    scene.meter.lose(0.0)  # there was never any work
    scene.meter.gain(ONE, 1.0)
    assert not scene.meter.recent
    scene.meter.lose(2.0)
    scene.meter.gain(TWO, 3.0)
    scene.meter.tick(10.0)
    scene.meter.tick(300.0)  # and old figures are forgotten
    scene.meter.lose(301.0)
    scene.meter.gain(ONE, 302.0)
    assert [each.hashes_lost for each in scene.meter.recent] == [0, 0]
