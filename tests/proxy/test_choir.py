import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headframe.chain.target import Target
from headframe.runtime.wirelog import WireLog
from headframe.stratum.sv1.server import ServerConnection
from headframe.stratum.sv1.skim import SkimmedConnection
from headframe.upstream.payees import PayTo
from proxy.choir import Choir
from proxy.hub import HubSettings
from proxy.jobbook import Entry
from proxy.places import Place
from tests.fakes.mining import JobMaker
from tests.fakes.proxying import HARD, rig_settings
from tests.fakes.wireless import WirelessRig
from tests.proxy.test_rig import make_entry

CONFIGURE = (
    b'{"id":9,"method":"mining.configure","params":[["version-rolling"],'
    b'{"version-rolling.mask":"1fffe000"}]}\n'
)


def notifies(sent: bytes) -> list[tuple[str, bool]]:
    """Return id and `clean` of each job in what was sent."""
    lines = [json.loads(line) for line in sent.splitlines()]
    jobs = [line["params"] for line in lines if line.get("method") == "mining.notify"]
    return [(job[0], job[-1]) for job in jobs]


def cleans(choir: Choir, entry: Entry) -> bool:
    [(_, clean)] = notifies(choir.begin(entry, b""))
    return clean


def joined(core: Any = None, **changes: Any) -> WirelessRig:
    rig = WirelessRig(core or SkimmedConnection(), **changes)
    rig.publish()
    rig.join("rig")
    rig.take_sent()
    return rig


def test_work_is_dropped_at_another_epoch_alone():
    choir, maker = Choir(), JobMaker()
    seen = []
    for block in (True, False, False, True):
        if block:
            maker.new_block()
        seen.append(cleans(choir, make_entry(maker)))
        choir.finish()
    assert seen == [True, False, False, True]


def test_work_is_dropped_again_after_a_job_that_did_not_go_to_all():
    choir, maker = Choir(), JobMaker()
    assert cleans(choir, make_entry(maker))
    assert cleans(choir, make_entry(maker))  # the one before was cut short
    choir.finish()
    assert not cleans(choir, make_entry(maker))


@pytest.mark.parametrize(
    "changes",
    [{"target": 5}, {"mask": 0x00FFE000}, {}],
    ids=["target", "mask", "source"],
)
def test_jobs_that_need_a_word_beside_them_are_not_taken(changes: dict[str, Any]):
    choir, maker = Choir(), JobMaker()
    usual = {"target": 1, "mask": 0x1FFFE000}
    assert choir.takes(make_entry(maker, **usual))
    choir.begin(make_entry(maker, **usual), b"")
    assert choir.takes(make_entry(maker, **usual))
    assert not choir.takes(make_entry(maker if changes else JobMaker("other"), **usual | changes))


def test_a_rig_joins_with_its_first_job_and_is_sent_each_once():
    rig = joined()
    choir = rig.hub.choir
    assert rig.session.choir is choir
    for coinbase in (b"2", b"3"):
        job = rig.publish(coinbase=coinbase)
        assert rig.rig.entry is choir.entry is rig.hub.book.current  # type: ignore[union-attr]
        assert choir.entry is not None
        assert choir.entry.upstream == job
        assert notifies(rig.take_sent()) == [(f"{choir.entry.job.id:x}", False)]
    rig.maker.new_block()
    rig.publish()
    assert [clean for _, clean in notifies(rig.take_sent())] == [True]
    assert rig.session.choir is choir


@pytest.mark.parametrize(
    "change",
    [
        lambda rig: rig.hub.hurry(rig.session),
        lambda rig: rig.hear(CONFIGURE),
        lambda rig: rig.session.show(rig.hub.book.refresh(1e3), 1e3) or rig.session.part(),
        lambda rig: rig.session.move(Place(rig.hub, rig_settings(mask=0)), 0.0),
        lambda rig: rig.session.reseat(0.0),
        lambda rig: rig.session.close("idle"),
    ],
    ids=["target", "configure", "alone", "settings", "place", "end"],
)
async def test_whoever_changes_leaves(change: Any):
    rig = joined()
    [seat] = rig.session.rigs
    known = [rig.session.choir]
    change(rig)
    known.append(rig.session.choir)
    assert known == [rig.hub.choir, None]
    last = seat.entry
    rig.hub.choir.begin(make_entry(rig.maker), b"")
    assert seat.entry is last


def test_a_new_choir_begins_where_rigs_must_be_told_more():
    rig = joined()
    first = rig.hub.choir
    rig.publish(target=Target(HARD // 2))
    assert rig.session.choir is rig.hub.choir is not first
    assert len(notifies(rig.take_sent())) == 1
    second = rig.hub.choir
    rig.hub.settings = HubSettings(pay_to=PayTo.LOGIN_OR_ADDRESS)
    rig.publish(target=Target(HARD // 2), coinbase=b"2")
    assert rig.session.choir is rig.hub.choir is not second
    assert len(notifies(rig.take_sent())) == 1


def test_rigs_whose_core_cannot_are_shown_jobs_by_themselves():
    rig = joined(ServerConnection())
    assert rig.session.choir is None
    rig.publish(coinbase=b"2")
    assert len(notifies(rig.take_sent())) == 1


def test_what_is_written_down_is_said_by_the_core(tmp_path: Path):
    rig = WirelessRig(SkimmedConnection())
    with closing(WireLog(tmp_path / "wire.log")) as wire_log:
        rig.session.wire.record(wire_log, "rig")
        rig.publish()
        rig.join("rig")
        assert rig.session.choir is None
        rig.publish(coinbase=b"2")
        assert len(notifies(rig.take_sent())) == 2
    said = [json.loads(line) for line in (tmp_path / "wire.log").read_text().splitlines()]
    assert sum("mining.notify" in str(line) and "method" in str(line) for line in said) == 2
