"""Sessions against rigs on loopback; what is checked is what stands on the wire."""

import json
from typing import Any

import pytest

from headframe.chain.share import Reason, Share
from headframe.chain.target import difficulty_from_target, target_from_difficulty
from headframe.stratum.events import NewJob, Ready
from proxy.hub import HubSettings
from tests.fakes.mining import NTIME, ManualSource
from tests.fakes.proxying import EASY, HARD, Proxy, proxying, rig_settings
from tests.fakes.rig import RawRig, Rig, connected


async def test_a_good_share_is_answered_and_goes_up():
    async with proxying() as proxy, connected(proxy.port, "alice") as [rig]:
        upstream = proxy.publish()
        job = await rig.job()
        assert (await rig.say(rig.find(job, at_most=HARD))).reason is Reason.ACCEPTED
        await proxy.source.wait_for(1)
        [(share, worker, _)] = proxy.source.sent
        assert share.job_id == upstream.id
        assert worker is None
        assert proxy.source.proofs()[0] <= HARD
        assert proxy.hub.ledger.workers["alice"].pool.acknowledged.shares == 1


async def test_a_share_easier_than_the_pools_target_is_kept():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        job = await rig.job()
        assert (await rig.say(rig.find(job, above=HARD))).reason is Reason.ACCEPTED
        assert proxy.hub.ledger.total.kept == 1
        assert proxy.source.sent == []


async def test_the_rig_is_told_its_own_target_and_never_a_harder_one_than_the_jobs():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish(target=2**256 - 1, block_target=0)
        job = await rig.job()
        assert job.target == 2**256 - 1
        proxy.publish(coinbase=b"2")
        assert EASY <= (await rig.job(job)).target < EASY + EASY // 100_000


async def test_two_rigs_never_search_the_same_space():
    async with proxying() as proxy, connected(proxy.port, "a", "b") as rigs:
        proxy.publish()
        jobs = [await rig.job() for rig in rigs]
        prefixes = [rig.core.extranonce1 for rig in rigs]
        assert len(set(prefixes)) == 2
        assert [job.extranonce_size for job in jobs] == [4, 4]


async def test_a_share_sent_twice_is_a_duplicate():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        share = rig.find(await rig.job())
        assert (await rig.say(share)).reason is Reason.ACCEPTED
        assert (await rig.say(share)).reason is Reason.DUPLICATE


async def test_a_share_is_a_duplicate_in_any_writing_and_after_a_reconnect():
    """Letter case, missing zeros and an absent sixth item make no other share."""
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        job = await rig.job()
        share = rig.find(job)
        assert (await rig.say(share)).reason is Reason.ACCEPTED
        [ready] = [event for event in rig.events if isinstance(event, Ready)]
        rig.wire.close()
        await rig.closed()
        async with RawRig.to(proxy.port) as raw:
            raw.send(1, "mining.subscribe", "raw", ready.session)
            raw.send(2, "mining.authorize", "rig", "x")
            [job_id, *_] = await raw.until("mining.notify")
            nonce = f"{share.nonce:08x}"
            fields = (share.extranonce.hex(), f"{share.ntime:08x}")
            for number, written in enumerate(
                (
                    (*fields, nonce),
                    (*map(str.upper, fields), nonce.upper()),
                    (*fields, nonce.lstrip("0") or "0"),
                    (*fields, nonce, "00000000"),
                    (*fields, nonce, "0"),
                ),
                start=3,
            ):
                raw.send(number, "mining.submit", "rig", job_id, *written)
                answer = await raw.answer(number)
                assert answer["error"][0] == 22, written


async def test_shares_under_way_count_when_a_rig_comes_back_with_its_session():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        job = await rig.job()
        counted, late, later = rig.find(job), rig.find(job), rig.find(job)
        assert (await rig.say(counted)).reason is Reason.ACCEPTED
        book = proxy.hub.book
        assert book is not None
        first = book.current
        assert first is not None
        shown = f"{first.job.id:x}"
        [ready] = [event for event in rig.events if isinstance(event, Ready)]
        rig.wire.close()
        await rig.closed()
        proxy.publish()
        await proxy.until(lambda: book.current is not first)

        def fields(share: Share) -> tuple[str, ...]:
            return (shown, share.extranonce.hex(), f"{share.ntime:08x}", f"{share.nonce:08x}")

        for session, answers in ((None, (21, 21)), (ready.session, (None, 22)), (None, (21, 21))):
            async with RawRig.to(proxy.port) as raw:
                raw.send(1, "mining.subscribe", "raw", session)
                raw.send(2, "mining.authorize", "rig", "x")
                await raw.until("mining.notify")
                for number, (share, code) in enumerate(zip((late, counted), answers, strict=True)):
                    raw.send(3 + number, "mining.submit", "rig", *fields(share))
                    answer = await raw.answer(3 + number)
                    assert (answer["error"] and answer["error"][0]) == code, session
                if session is not None:
                    raw.send(9, "mining.submit", "rig", *fields(later))
                    assert (await raw.answer(9))["result"] is True
        assert proxy.hub.ledger.total.accepted.shares == 3


async def test_a_share_of_a_dead_job_is_stale_and_a_block_of_it_still_goes_up():
    """Law 13, through the whole proxy."""
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish(block_target=HARD)
        job = await rig.job()
        plain, block = rig.find(job, above=HARD), rig.find(job, at_most=HARD)
        proxy.maker.new_block()
        proxy.publish(block_target=HARD)
        await rig.job(job)
        with_core = [rig.core.submit(share, None) for share in (plain, block)]
        rig.wire.flush()
        reasons = [(await rig.verdict(ticket)).reason for ticket in with_core]
        assert all(reason in {Reason.STALE, Reason.UNKNOWN_JOB} for reason in reasons)
        await proxy.source.wait_for(1)
        assert proxy.source.proofs()[0] <= HARD
        assert proxy.hub.ledger.total.rescued.acknowledged.shares == 1
        assert proxy.hub.ledger.total.accepted.shares == 0


async def submit_raw(rig: RawRig, shown: list[Any], request_id: int, /, **changes: str) -> Any:
    fields = {
        "worker": "raw",
        "job": shown[0],
        "extranonce": "00000000",
        "ntime": shown[7],
        "nonce": "00000000",
    } | changes
    rig.send(request_id, "mining.submit", *fields.values())
    return await rig.answer(request_id)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"extranonce": "0000"}, 20),
        ({"extranonce": "zz000000"}, 20),
        ({"ntime": f"{NTIME - 1:08x}"}, 20),
        ({"bits": "00002000"}, 20),
        ({"job": "ffffff"}, 21),
        ({"worker": "stranger"}, 24),
    ],
)
async def test_each_refusal_has_its_code_on_the_wire(changes: dict[str, str], code: int):
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        job = await rig.join()
        answer = await submit_raw(rig, job, 9, **changes)
        assert answer["result"] is None
        assert answer["error"][0] == code
        assert proxy.hub.ledger.total.refused_total.shares == 1


async def test_low_duplicate_and_stale_have_their_codes_on_the_wire():
    settings = rig_settings(start=target_from_difficulty(1e-3))
    async with proxying(rigs=settings) as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish(target=1)
        job = await rig.join()
        assert (await submit_raw(rig, job, 9))["error"][0] == 23
        proxy.publish(target=2**256 - 1, coinbase=b"2")
        job = await rig.until("mining.notify")
        assert (await submit_raw(rig, job, 10))["result"] is True
        assert (await submit_raw(rig, job, 11))["error"][0] == 22
        proxy.maker.new_block()
        proxy.publish()
        await rig.until("mining.notify")
        assert (await submit_raw(rig, job, 12, nonce="00000001"))["error"][0] == 21


async def test_a_share_before_subscribe_and_authorize_is_refused():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        rig.send(1, "mining.submit", "raw", "1", "00000000", "00000000", "00000000")
        assert (await rig.answer(1))["error"][0] == 24
        rig.send(2, "mining.authorize", "raw", "x")
        await rig.answer(2)
        rig.send(3, "mining.submit", "raw", "1", "00000000", "00000000", "00000000")
        assert (await rig.answer(3))["error"][0] == 25


async def test_every_share_gets_one_answer_in_order():
    """Law 5: many submits with one id, as cpuminer sends them."""
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish(target=2**256 - 1)
        job = await rig.join()
        nonces = [f"{n % 40:08x}" for n in range(60)]
        for nonce in nonces:
            rig.send(4, "mining.submit", "raw", job[0], "00000000", job[7], nonce)
        rig.send(5, "mining.ping")
        answers = []
        while (line := await rig.line())["id"] != 5:
            if "method" not in line:
                answers.append(line["error"] and line["error"][0])
        assert answers == [None] * 40 + [22] * 20


async def test_authorize_before_subscribe_is_taken():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        rig.send(1, "mining.authorize", "raw", "x")
        assert (await rig.answer(1))["result"] is True
        rig.send(2, "mining.subscribe")
        assert (await rig.line())["id"] == 2
        await rig.until("mining.notify")


async def test_the_first_lines_are_answer_answer_difficulty_job():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        rig.send(1, "mining.subscribe")
        rig.send(2, "mining.authorize", "raw")
        lines = [await rig.line() for _ in range(4)]
        assert [line.get("method") or line["id"] for line in lines] == [
            1,
            2,
            "mining.set_difficulty",
            "mining.notify",
        ]
        assert lines[3]["params"][8] is True


async def test_a_rig_that_comes_before_the_first_job_waits_for_it():
    async with proxying() as proxy, connected(proxy.port, "early") as [rig]:
        await proxy.pass_time(5)
        proxy.publish()
        job = await rig.job()
        assert (await rig.say(rig.find(job))).reason is Reason.ACCEPTED


async def test_clean_only_when_the_epoch_rises():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        assert (await rig.join())[8] is True
        proxy.publish(coinbase=b"2")
        assert (await rig.until("mining.notify"))[8] is False
        proxy.maker.new_block()
        proxy.publish()
        assert (await rig.until("mining.notify"))[8] is True


async def test_a_quiet_upstream_is_covered_by_refreshes():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        first = await rig.join()
        await proxy.pass_time(30)
        second = await rig.until("mining.notify")
        assert second[0] != first[0]
        assert int(second[7], 16) == int(first[7], 16) + 30
        assert second[1:7] == first[1:7]
        assert second[8] is False


async def test_a_password_may_wish_a_difficulty():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish(target=1)
        rig.send(1, "mining.subscribe")
        rig.send(2, "mining.authorize", "raw", "x,d=0.5")
        assert await rig.until("mining.set_difficulty") == [0.5]


@pytest.mark.parametrize("late", [False, True])
async def test_a_minimum_difficulty_is_kept_whatever_the_rate(late: bool):
    least = float(difficulty_from_target(EASY // 16))
    asked = [["minimum-difficulty"], {"minimum-difficulty.value": least}]
    async with proxying() as proxy, RawRig.to(proxy.port) as raw:
        proxy.publish(target=1)
        if not late:
            raw.send(9, "mining.configure", *asked)
        await raw.join()
        if late:
            raw.send(9, "mining.configure", *asked)
            assert (await raw.answer(9))["result"] == {"minimum-difficulty": True}
            await proxy.pass_time(1)
        [(_, session)] = proxy.routing.sessions()
        for _ in range(5):  # long silence would make it easier
            await proxy.pass_time(600)
            session.tick(proxy.time.now)
        assert session.figures(0.0)[0]["difficulty"] == pytest.approx(least, rel=1e-4)


async def test_a_suggested_difficulty_counts_from_the_next_job():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish(target=1)
        await rig.join()
        rig.send(3, "mining.suggest_difficulty", 4)
        assert (await rig.answer(3))["result"] is True
        await proxy.pass_time(1)
        assert await rig.until("mining.set_difficulty") == [4]
        await rig.until("mining.notify")


async def test_a_fast_rig_gets_a_harder_target_within_a_second():
    async with proxying() as proxy, connected(proxy.port, "fast") as [rig]:
        proxy.publish(target=1)
        job = await rig.job()
        for _ in range(12):
            await rig.say(rig.find(job))
        await proxy.pass_time(1)
        assert (await rig.job(job)).target < job.target // 4
        late = rig.find(job)
        assert (await rig.say(late)).reason is Reason.ACCEPTED


async def test_a_wrong_password_is_refused_where_one_is_set():
    settings = rig_settings(password="secret")
    async with proxying(rigs=settings) as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        rig.send(1, "mining.subscribe")
        rig.send(2, "mining.authorize", "raw", "guess")
        assert (await rig.answer(2))["error"][0] == 24
        rig.send(3, "mining.authorize", "raw", "secret,d=2")
        assert (await rig.answer(3))["result"] is True
        await rig.until("mining.notify")


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\n",
        b"{" * 10,
        b"x" * 70_000,
        b"\xff\xfe\x00",
    ],
    ids=["tls", "http", "no json", "too long", "binary"],
)
async def test_rubbish_ends_the_connection_and_nothing_else(rubbish: bytes):
    async with proxying() as proxy, connected(proxy.port, "good") as [good]:
        proxy.publish()
        job = await good.job()
        async with RawRig.to(proxy.port) as bad:
            bad.raw(rubbish)
            assert await bad.line() == {}
        assert (await good.say(good.find(job))).reason is Reason.ACCEPTED
        assert proxy.hub.stats.faults == {"answered": 0, "fatal": 1}
        assert proxy.hub.stats.connections_closed["protocol_fault"] == 1


async def test_a_rig_whose_every_line_is_wrong_is_dropped():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        await rig.join()
        for n in range(300):
            rig.send(n, "mining.submit", "stranger", "1", "00000000", "00000000", "00000000")
        while await rig.line():
            pass
        assert proxy.hub.stats.connections_closed["too_costly"] == 1


async def test_a_rig_that_is_often_late_but_works_is_kept():
    """On a fast chain most shares come too late, and nobody is to blame."""
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        job = None
        for number in range(30):
            proxy.maker.new_block()
            proxy.publish(target=2**256 - 1)
            fresh = await rig.job(job)
            tickets = [rig.submit(rig.find(fresh))]
            if job is not None and number < 3:
                tickets += [rig.submit(rig.find(job)) for _ in range(300)]
            reasons = [(await rig.verdict(ticket)).reason for ticket in tickets]
            assert reasons[0] is Reason.ACCEPTED
            job = fresh
        assert proxy.hub.ledger.total.refused[Reason.STALE].shares == 600
        assert not rig.lost


async def test_a_rig_that_never_subscribes_is_let_go():
    async with proxying() as proxy, RawRig.to(proxy.port) as rig:
        proxy.publish()
        rig.send(1, "mining.ping")
        await rig.answer(1)
        for _ in range(5):
            await proxy.pass_time(5)
        assert await rig.line() == {}
        assert proxy.hub.stats.connections_closed["handshake_late"] == 1


async def test_a_rig_without_shares_for_hours_is_let_go():
    async with proxying(rigs=rig_settings(idle_seconds=100)) as proxy:
        async with connected(proxy.port, "idle") as [rig]:
            proxy.publish(ntime_max=NTIME + 7000)
            await rig.job()
            for _ in range(5):
                await proxy.pass_time(25)
            await rig.closed()
        assert proxy.hub.stats.connections_closed["idle"] == 1


async def test_rigs_are_let_go_after_the_grace_without_upstream():
    async with proxying(hub=HubSettings(grace_seconds=60)) as proxy:
        async with connected(proxy.port, "rig") as [rig]:
            proxy.publish()
            await rig.job()
            proxy.source.publish(None)
            await proxy.until(lambda: proxy.hub.idle)
            await proxy.pass_time(30)
            assert not rig.lost
            await proxy.pass_time(31)
            await rig.closed()
        assert proxy.hub.stats.connections_closed["no_upstream"] == 1


def taken(proxy: Proxy) -> int | None:
    """The upstream's id of the newest job that the hub took."""
    book = proxy.hub.book
    return None if book is None or book.current is None else book.current.upstream.id


async def test_version_bits_are_rolled_within_the_mask():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish(target=2**256 - 1)
        job = await rig.job()
        assert job.version_mask == 0x1FFFE000
        share = rig.find(job)
        rolled = type(share)(
            job_id=share.job_id,
            extranonce=share.extranonce,
            ntime=share.ntime,
            nonce=share.nonce,
            version=share.version | 1 << 20,
        )
        assert (await rig.say(rolled)).reason is Reason.ACCEPTED
        await proxy.source.wait_for(1)
        assert proxy.source.sent[0][0].version == share.version | 1 << 20


async def test_a_pools_narrower_mask_reaches_the_rigs():
    async with proxying() as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish()
        job = await rig.job()
        proxy.publish(mask=0x00006000)
        masks = []
        async for _ in rig.jobs:
            masks = [e.job.version_mask for e in rig.events if isinstance(e, NewJob)]
            if masks[-1] == 0x00006000:
                break
        assert masks[0] == job.version_mask == 0x1FFFE000


async def test_a_rig_that_reads_nothing_is_cut_off_and_no_other_notices():
    async with proxying() as proxy, connected(proxy.port, "good") as [good]:
        job = proxy.publish(target=2**256 - 1)
        shown_job = await good.job()
        async with RawRig.to(proxy.port) as slow:
            await slow.join("slow")
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
            number = 0
            while proxy.hub.stats.connections_closed["slow_reader"] == 0:
                number += 1
                proxy.publish(coinbase=number.to_bytes(2, "big") + bytes(20_000))
                await good.job(good.jobs.get())
                assert number < 2000
        assert job is not None
        assert shown_job is not good.jobs.get()
        assert not good.lost


async def test_names_go_up_as_configured():
    settings = HubSettings(worker_sent=lambda sender: f"farm.{sender.worker}")
    async with proxying(hub=settings) as proxy, connected(proxy.port, "rig7") as [rig]:
        proxy.publish(target=2**256 - 1)
        await rig.say(rig.find(await rig.job()))
        await proxy.source.wait_for(1)
        assert proxy.source.sent[0][1] == "farm.rig7"


async def test_a_lost_share_is_counted_as_lost():
    source = ManualSource()
    source.verdict = None
    async with proxying(source) as proxy, connected(proxy.port, "rig") as [rig]:
        proxy.publish(target=2**256 - 1)
        await rig.say(rig.find(await rig.job()))
        await proxy.source.wait_for(1)
        assert proxy.hub.ledger.total.pool.pending.shares == 1


async def test_200_rigs_share_one_source():
    users = [f"rig{n}" for n in range(200)]
    async with proxying() as proxy, connected(proxy.port, *users) as rigs:
        proxy.publish(target=2**256 - 1)
        jobs = [await rig.job() for rig in rigs]
        tickets = [
            rig.submit(rig.find(job)) for rig, job in zip(rigs, jobs, strict=True) for _ in range(3)
        ]
        verdicts = [
            await rig.verdict(ticket)
            for rig, ticket in zip([r for r in rigs for _ in range(3)], tickets, strict=True)
        ]
        assert {verdict.reason for verdict in verdicts} == {Reason.ACCEPTED}
        await proxy.source.wait_for(600)
        assert len(set(proxy.source.proofs())) == 600
        assert len({rig.core.extranonce1 for rig in rigs}) == 200
        assert proxy.hub.stats.rigs == 200
        assert len(proxy.hub.ledger.workers) == 200


async def test_the_page_sees_the_rig():
    async with proxying() as proxy, connected(proxy.port, "alice", agent="test/1") as [rig]:
        proxy.publish()
        job = await rig.job()
        proxy.time.now += 10
        await rig.say(rig.find(job))
        [guest] = proxy.hub.guests
        [figures] = guest.figures(proxy.time.now)  # type: ignore[attr-defined] # a session
        assert json.loads(json.dumps(figures)) == figures
        assert figures["name"] == figures["user"] == "alice"
        assert figures["agent"] == "test/1"
        assert str(figures["address"]).startswith("127.0.0.1:")
        assert (figures["accepted"], figures["rejected"]) == (1, 0)
        assert figures["state"] == "hashing"
        assert figures["last_share_seconds"] == 0
        assert isinstance(rig, Rig)
