import itertools
import re
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headframe.chain.job import Job
from headframe.chain.share import Checked, Reason
from headframe.chain.target import MAX_TARGET, Target, target_from_difficulty, work_of
from headframe.stratum.core import Seat, ServerCore
from headframe.stratum.events import Ticket
from headframe.stratum.sv1.server import ServerConnection
from proxy.jobbook import Entry, JobBook
from proxy.quirks import traits_of
from proxy.rig import Rig, RigState, difficulty_in_password
from proxy.slices import Lease, fit
from tests.fakes.mining import JobMaker, PythonHasher
from tests.fakes.proxying import EASY, rig_settings

SEAT = Seat(channel=0, lane=b"", slice=b"\x00\x01", size=4, mask=0)


class Shown(ServerConnection):
    """A core that keeps what it was to offer."""

    def __init__(self) -> None:
        super().__init__()
        self.offers: list[tuple[Job, Target, bool]] = []

    def offer(self, channel: int, job: Job, target: Target, *, clean: bool) -> Target:
        del channel
        self.offers.append((job, target, clean))
        return Target(target + 1)


def make_entry(maker: JobMaker, **changes: object) -> Entry:
    return JobBook(fit(8), itertools.count(1), PythonHasher()).add(maker.make(**changes), 0.0)  # type: ignore[arg-type] # numbers all


def make_rig(start: Target = EASY) -> Rig:
    return Rig(SEAT, Lease(b"\x00\x01"), rig_settings(), start, 0.0)


def good(proof: int = 1) -> Checked:
    return Checked(reason=Reason.ACCEPTED, proof=proof, block=False)


BAD = Checked(reason=Reason.STALE, proof=1, block=False)


@pytest.mark.parametrize(
    ("password", "rest", "difficulty"),
    [
        ("x", "x", None),
        ("", "", None),
        ("d=0.5", "", 0.5),
        ("x,d=1024", "x", 1024),
        ("diff=3,x", "x", 3),
        ("secret;d=1e-9;more", "secret;more", 1e-9),
        ("d=0", "d=0", None),
        ("d=-4", "d=-4", None),
        ("d=1e999", "d=1e999", None),
        ("d=..", "d=..", None),
        ("word=5", "word=5", None),
    ],
)
def test_a_wish_in_the_password_is_found(password: str, rest: str, difficulty: float | None):
    target = None if difficulty is None else target_from_difficulty(difficulty)
    found_rest, found = difficulty_in_password(password)
    assert found == target
    assert found_rest == rest


def test_a_job_is_shown_at_the_rigs_target_or_the_jobs_if_easier():
    core, rig = Shown(), make_rig()
    entry = make_entry(JobMaker(), target=1)
    rig.show(core, entry)
    assert core.offers == [(entry.job, EASY, True)]
    assert rig.told == EASY + 1
    rig.show(core, make_entry(JobMaker(), target=MAX_TARGET))
    assert core.offers[-1][1] == MAX_TARGET


def test_only_a_new_epoch_is_clean():
    core, rig, maker = Shown(), make_rig(), JobMaker()
    rig.show(core, make_entry(maker))
    rig.show(core, make_entry(maker))
    maker.lineage.switch()
    rig.show(core, make_entry(maker))
    assert [clean for _, _, clean in core.offers] == [True, False, True]


def test_a_rig_has_its_core_as_the_interface_says():
    core: ServerCore = Shown()
    assert core.data_to_send() == b""


def test_its_state_follows_its_shares():
    rig = make_rig()
    assert rig.state(1.0) is RigState.CONNECTING
    rig.count(good(), 4, 2.0)
    assert rig.state(3.0) is RigState.HASHING
    assert rig.state(27.0) is RigState.SILENT  # one share each 3 s was wanted
    for _ in range(10):
        rig.count(BAD, 4, 28.0)
    assert rig.state(28.0) is RigState.INVALID_ONLY
    rig.count(good(), 4, 29.0)
    assert rig.state(29.0) is RigState.HASHING
    assert (rig.accepted, rig.rejected) == (2, 10)


def test_its_figures_are_plain():
    rig = make_rig()
    before = rig.figures(5.0)
    assert before["last_share_seconds"] is None
    rig.count(good(), 3000, 10.0)
    figures = rig.figures(12.5)
    assert figures["last_share_seconds"] == 2
    assert figures["accepted"] == 1
    assert isinstance(figures["hashrate_hps"], float)
    assert figures["hashrate_hps"] > 0
    assert figures["difficulty"] == pytest.approx(65535 * 2**208 * 4 / 2**256)


def of_agent(agent: str, **settings: object) -> Rig:
    seat = msgspec.structs.replace(SEAT, agent=agent, numbers=traits_of(agent).numbers)
    return Rig(seat, Lease(b"\x00\x01"), rig_settings(**settings), EASY, 0.0)


def test_a_changed_difficulty_comes_clean_to_firmware_that_needs_it():
    for agent, cleans in (("bitaxe/BM1370", [True, False, True]), ("x", [True, False, False])):
        core, rig, maker = Shown(), of_agent(agent), JobMaker()
        rig.show(core, make_entry(maker, target=1))
        rig.show(core, make_entry(maker, target=1))
        rig.vardiff.wish(Target(EASY // 2), 1.0)
        rig.show(core, make_entry(maker, target=1))
        assert [clean for _, _, clean in core.offers] == cleans


def test_firmware_that_works_on_large_difficulties_gets_no_smaller():
    rented = of_agent("NiceHash/1.0.0")
    assert rented.vardiff.target == target_from_difficulty(524_288)
    rented.adopt(rig_settings(), 1.0)
    rented.vardiff.wish(MAX_TARGET, 2.0)
    assert rented.vardiff.target == target_from_difficulty(524_288)
    core = Shown()
    rented.show(core, make_entry(JobMaker(), target=EASY))
    assert core.offers[-1][1] == EASY, "the upstream's target comes first"


def test_a_rigs_own_minimum_counts_within_the_limits_of_all():
    rig = make_rig()
    least = Target(EASY // 8)
    rig.want(least, rig_settings(), 1.0)
    assert rig.vardiff.target == least
    rig.vardiff.wish(EASY, 2.0)
    assert rig.vardiff.target == least
    rig.want(Target(1), rig_settings(), 3.0)
    assert rig.vardiff.target == target_from_difficulty(1e9), "the largest of all comes first"
    rig.want(MAX_TARGET, rig_settings(), 4.0)
    rig.vardiff.wish(EASY, 5.0)
    assert rig.vardiff.target == EASY
    rented = of_agent("NiceHash/1.0.0")
    rented.want(MAX_TARGET, rig_settings(), 1.0)
    assert rented.vardiff.target == target_from_difficulty(524_288)


@settings(max_examples=100, deadline=None)
@given(
    agent=st.sampled_from(["x", "bfgminer/5.5.0", "whatsminer/v1", "cgminer/4.9.2", "NiceHash/1"]),
    upstream=st.integers(2**180, 2**256 - 1),
    wish=st.integers(2**180, 2**256 - 1),
)
def test_no_rounding_makes_it_harder_than_its_own_target_or_the_upstreams(
    agent: str, upstream: int, wish: int
):
    """And its shares are judged by the very target that it computes from what was sent."""
    core, rig = ServerConnection(), of_agent(agent)
    core.receive_data(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    core.seat(Ticket(0), rig.seat)
    rig.vardiff.wish(Target(wish), 1.0)
    rig.show(core, make_entry(JobMaker(), target=upstream, size=6))
    asked = max(rig.vardiff.target, upstream)
    [number] = re.findall(rb'set_difficulty","params":\[([0-9.]+)\]', core.data_to_send())
    read = target_from_difficulty(Fraction(number.decode()))
    if agent.startswith("bfgminer") and b"." not in number:
        read = Target(((1 << 224) - 1) // int(number))
    assert rig.told >= asked
    assert rig.told == pytest.approx(read, rel=1e-12)


def test_what_is_known_of_its_firmware_is_told():
    rig = of_agent("NerdMinerV2")
    assert rig.figures(1.0, "me")["quirks"] == ["nerdminer"]
    assert rig.figures(1.0, "me")["problems"] == []
    rig.show(Shown(), make_entry(JobMaker(), target=1, coinbase=b"1" * 300))
    [told] = rig.problems("me")
    assert told == "the coinbase has 320 bytes, such rigs hash 255 at most"
    assert of_agent("unheard of").figures(1.0)["quirks"] == []


def test_one_that_rolled_the_version_and_does_no_more_is_noticed() -> None:
    rig, other = make_rig(), make_rig()
    entry = make_entry(JobMaker())
    for each in (rig, other):
        each.note_version(entry.job.version)  # of a job that is gone
        each.show(Shown(), entry)
    rig.note_version(entry.job.version ^ 1 << 20)
    seen = []
    for _ in range(49):
        seen.append(rig.stopped_rolling)
        rig.note_version(entry.job.version)
    assert not any(seen)
    assert rig.stopped_rolling
    for _ in range(100):
        other.note_version(entry.job.version)
    assert not other.stopped_rolling, "it never rolled"


def test_one_that_rolls_again_has_not_stopped() -> None:
    rig, entry = make_rig(), make_entry(JobMaker())
    rig.show(Shown(), entry)
    for version in (entry.job.version ^ 1 << 20, *[entry.job.version] * 60):
        rig.note_version(version)
    rig.note_version(entry.job.version ^ 1 << 14)
    assert not rig.stopped_rolling


def test_it_is_not_retargeted_before_it_has_a_job():
    rig = make_rig()
    assert rig.retarget(1000.0) is False
    rig.show(Shown(), make_entry(JobMaker(), target=1))
    for _ in range(20):
        rig.count(good(), work_of(EASY), 1000.0)
    assert rig.retarget(1000.0) is True  # 20 in 1,000 s are a fifteenth of the aim
    assert rig.vardiff.target > EASY
    assert rig.entry is not None
