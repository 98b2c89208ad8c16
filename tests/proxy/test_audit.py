"""The audit on logs that the real hub wrote, sound ones and such that were tampered with."""

import asyncio
import copy
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headframe.chain.share import Reason, Verdict
from headframe.chain.target import MAX_TARGET, Target
from proxy.audit import Findings
from tests.fakes.sharelogging import LoggedHub, audit_of, lines_of

Lines = list[dict[str, Any]]

OLD = Path(__file__).parents[1] / "vectors" / "sharelog_format1.jsonl"


async def lively(path: Path) -> None:
    """A run in which shares of every kind come, and go up, and are answered."""
    here = LoggedHub(path)
    entry = here.job()
    for nonce in range(60):
        here.share(entry, "ab"[nonce % 2], nonce=nonce)
    here.answer(Verdict(reason=Reason.ACCEPTED))
    here.share(entry, nonce=3)  # its twin counted, or was too easy
    here.share(entry, version=entry.job.version | 1)
    here.share(entry, ntime=entry.job.ntime_max + 1)
    here.share(entry, extranonce=b"\x00")
    here.share(entry, job_id=77)
    here.share(entry, target=None)
    here.share(entry, refused=Reason.UNAUTHORIZED)
    here.hub.refuse_unweighed(here.hub.ledger.worker("a"), "192.0.2.1", Reason.MALFORMED)
    here.totals()
    block = here.job(block_target=MAX_TARGET, coinbase=b"other")
    here.share(block, "a")
    here.share(block, "a", target=Target(1))
    here.answer_last(Verdict(reason=Reason.ACCEPTED, block=True))
    here.maker.new_block()
    newer = here.job()
    here.share(newer)
    here.share(entry)
    for nonce in range(30):
        here.share(newer, nonce=1000 + nonce)
    here.answer(Verdict(reason=Reason.STALE, detail="too late"))
    for nonce in range(30):
        here.share(newer, nonce=2000 + nonce)
    here.answer()
    here.hub.ledger.verify()
    here.end()


@pytest.fixture
async def log(tmp_path: Path) -> Lines:
    await lively(tmp_path / "shares.jsonl")
    return lines_of(tmp_path / "shares.jsonl")


def nothing_but_notes(found: Findings) -> None:
    assert found.shown == []
    assert found.differences == 0


def test_a_log_of_an_earlier_version_is_read():
    """Of a pool, a proxy before it and a miner, when the books still had a queue."""
    found = audit_of(*lines_of(OLD))
    nothing_but_notes(found)
    assert (found.lines["share"], found.lines["sent"], found.lines["verdict"]) == (55, 44, 44)
    assert "queued" not in OLD.read_text()


async def test_a_sound_log_has_no_differences(log):
    found = audit_of(*log)
    nothing_but_notes(found)
    assert found.lines["share"] > 120
    assert found.lines["job"] == 3
    assert found.not_covered == 0
    assert {"accepted", "low_difficulty", "bad_version", "bad_ntime", "bad_extranonce"} < set(
        found.verdicts
    )
    assert {"unknown_job", "unauthorized", "malformed", "stale"} < set(found.verdicts)
    assert found.notes == []
    assert 0 < found.on_trust < 8


CHANGES: list[tuple[str, str, Any]] = [
    ("share", "nonce", 5),
    ("share", "ntime", 1_700_000_001),
    ("share", "extranonce", "00" * 8),
    ("share", "hash", "00" * 32),
    ("share", "target", "f" * 64),
    ("share", "target", "no number"),
    ("share", "work", "123"),
    ("share", "work", "many"),
    ("share", "worker", "thief"),
    ("share", "block", True),
    ("share", "verdict", "duplicate"),
    ("share", "job", 99),
    ("share", "route", "south"),
    ("sent", "nonce", 5),
    ("sent", "work", "1"),
    ("sent", "worker", "thief"),
    ("sent", "rescued", True),
    ("verdict", "verdict", "lost"),
    ("verdict", "nonce", 5),
    ("verdict", "worker", "thief"),
    ("job", "prefix", "00"),
    ("job", "target", "f" * 64),
    ("job", "nbits", 1),
    ("job", "version", 1),
    ("job", "ntime_max", 0),
    ("job", "path", []),
    ("totals", "blocks_found", 77),
    ("run", "format", 2),
    ("share", "kind", "sneeze"),
]


@pytest.mark.parametrize(("kind", "field", "value"), CHANGES)
async def test_a_changed_line_is_found(log, kind, field, value):
    spoilt = copy.deepcopy(log)
    wanted = [
        line
        for line in spoilt
        if line["kind"] == kind and line.get("verdict", "accepted") == "accepted"
    ]
    line = wanted[{"totals": -1, "share": len(wanted) // 2}.get(kind, 0)]
    assert field not in line or line[field] != value
    line[field] = value
    found = audit_of(*spoilt)
    assert found.differences >= 1
    assert found.shown


@pytest.mark.parametrize("kind", ["share", "sent", "verdict", "job"])
async def test_a_line_taken_out_or_put_in_twice_is_found(log, kind):
    place = next(at for at, line in enumerate(log) if line["kind"] == kind)
    assert audit_of(*log[:place], *log[place + 1 :]).differences >= 1
    if kind != "job":
        assert audit_of(*log[: place + 1], *log[place:]).differences >= 1


@pytest.mark.parametrize("account", ["offered", "accepted", "kept", "pool.forwarded"])
async def test_a_changed_sum_is_found(log, account):
    for kind in ("totals", "worker"):
        spoilt = copy.deepcopy(log)
        line = [each for each in spoilt if each["kind"] == kind][-1]
        shares, work = line["books"][account]
        line["books"][account] = [shares + 1, work]
        assert audit_of(*spoilt).differences >= 1


@pytest.mark.parametrize("line", [b"no json", b"{}", b"\xff\xfe", b'{"kind":"share"}'])
async def test_what_is_no_line_is_a_difference(log, line):
    assert audit_of(*log[:40], line, *log[40:]).differences == 1
    assert audit_of(*log, line).differences == 1


async def test_a_run_that_was_cut_short_is_none(log):
    again = [dict(log[0]), *log[1:]]
    found = audit_of(*log[:50], b'{"kind":"share","time_m', *again)
    nothing_but_notes(found)
    assert any("was cut short here" in note for note in found.notes)
    assert any("without a goodbye" in note for note in found.notes)
    assert found.not_covered > 40


async def test_half_a_log_is_audited_as_far_as_it_goes(log):
    middle = next(at for at, line in enumerate(log) if line["kind"] == "worker")
    jobs = [line for line in log[:middle] if line["kind"] == "job"]
    found = audit_of(*jobs, *log[middle:])
    nothing_but_notes(found)
    spoilt = copy.deepcopy(log[middle:])
    shares = [line for line in spoilt if line["kind"] == "share" and line["worker"] == "w"]
    shares[-1]["worker"] = "thief"
    assert audit_of(*jobs, *spoilt).differences >= 1


async def test_lines_that_were_left_out_are_told_and_no_difference(tmp_path: Path):
    here = LoggedHub(tmp_path / "shares.jsonl", most_waiting=20)
    entry = here.job()
    for nonce in range(400):
        here.share(entry, nonce=nonce)
    here.answer(Verdict(reason=Reason.ACCEPTED))
    while here.log.waiting:
        await asyncio.sleep(0.001)
    for nonce in range(15):
        here.share(entry, nonce=1000 + nonce)
    here.answer(Verdict(reason=Reason.ACCEPTED))
    assert here.log.stats.share_log_left_out["share"] > 0
    here.end()
    found = audit_of(*lines_of(tmp_path / "shares.jsonl"))
    nothing_but_notes(found)
    assert any("no room" in note for note in found.notes)
    spoilt = lines_of(tmp_path / "shares.jsonl")
    shares = [line for line in spoilt if line["kind"] == "share"]
    assert audit_of(*(line for line in spoilt if line is not shares[3])).differences >= 1


async def test_a_share_of_a_job_that_the_proxy_has_forgotten_is_no_difference(tmp_path: Path):
    here = LoggedHub(tmp_path / "shares.jsonl")
    entry = here.job()
    here.share(entry)
    for _ in range(9):  # tips that no share is for: they are in no line
        here.maker.new_block()
        here.job()
    assert here.share(entry) is Reason.UNKNOWN_JOB
    here.end()
    found = audit_of(*lines_of(tmp_path / "shares.jsonl"))
    nothing_but_notes(found)
    assert (found.lines["job"], found.on_trust) == (1, 1)


async def test_a_share_of_a_dead_job_may_not_count(log):
    spoilt = copy.deepcopy(log)
    stale = next(line for line in spoilt if line.get("verdict") == "stale" and line["hash"])
    stale["verdict"] = "accepted"
    assert any("the job was dead" in each for each in audit_of(*spoilt).shown)


steps = st.lists(
    st.tuples(
        st.sampled_from(["share", "share", "share", "job", "block", "up", "lose", "totals"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 30),
        st.sampled_from([1, MAX_TARGET // 16, MAX_TARGET // 4, MAX_TARGET]),
    ),
    max_size=60,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps)
async def test_whatever_happens_the_log_is_sound(tmp_path_factory, taken):
    path = tmp_path_factory.mktemp("log") / "shares.jsonl"
    here = LoggedHub(path)
    rng = random.Random(len(taken))
    entries = [here.job()]
    for step, worker, number, target in taken:
        match step:
            case "share":
                entry = rng.choice(entries)
                here.share(entry, worker, number % 4, nonce=number, target=Target(target))
            case "job":
                block = MAX_TARGET if number == 0 else 0
                entries.append(here.job(coinbase=bytes([number]), block_target=block))
            case "block":
                here.maker.new_block()
                entries.append(here.job())
            case "up":
                here.answer(Verdict(reason=Reason.ACCEPTED))
            case "lose":
                here.answer(Verdict(reason=Reason.LOST))
            case "totals":
                here.totals()
    here.hub.ledger.verify()
    here.end()
    nothing_but_notes(audit_of(*lines_of(path)))
