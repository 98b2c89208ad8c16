"""`PoolConnection`: what the pool's core tells, one event at a time, without a socket."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from headframe.chain.job import JobId, Lineage, SourceId
from headframe.chain.share import Reason, Share, Verdict
from headframe.stratum.events import ClientEvent, NewJob, Ready, Redirected
from headframe.stratum.sv1.client import MAX_PENDING, ClientConnection, ClientOptions
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    UnreachableError,
    UpstreamError,
)
from headframe.upstream.connection import PoolConnection
from headframe.upstream.redirect import Reconnect, why_not_followed
from headframe.upstream.watch import Limits
from tests.contracts.source import Answers

# As ckpool answers configure, subscribe and authorize, and shows a job (shape; own numbers).
LET_IN = (
    b'{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}\n'
    b'{"id":2,"result":[[["mining.notify","s1"]],"aabbccdd",4],"error":null}\n'
    b'{"id":3,"result":true,"error":null}\n'
    b'{"id":null,"method":"mining.notify","params":["j1","' + b"00" * 32 + b'","01","02",[],'
    b'"20000000","207fffff","65000000",true]}\n'
)


class Bench:
    """A connection whose bytes come from the test."""

    def __init__(
        self,
        refuse: UpstreamError | None = None,
        limits: Limits = Limits(),  # noqa: B008 # frozen
    ) -> None:
        self.acted: list[Ready | NewJob] = []
        self.refuse = refuse
        lineage = Lineage(SourceId("pool"), itertools.count(1))
        self.core = ClientConnection(ClientOptions(user="u"), lineage=lineage)
        self.connection = PoolConnection(
            self.core, limits, name="pool", follow=self.follow, act=self.act, blame=self.blame
        )
        self.faults = 0

    def follow(self, redirect: Redirected) -> str:
        return why_not_followed(redirect, host="pool.test", policy=Reconnect.SAME_HOST)

    def act(self, event: Ready | NewJob) -> None:
        self.acted.append(event)
        if self.refuse is not None:
            raise self.refuse

    def blame(self) -> None:
        self.faults += 1

    def hear(self, data: bytes) -> Sequence[ClientEvent] | None:
        self.connection.wire.data_received(data)
        return None

    async def outcome(self) -> Redirected | UpstreamError:
        async with asyncio.timeout(20):
            try:
                return await self.connection.wait_over()
            except UpstreamError as error:
                return error

    def share(self, **changes: object) -> Share:
        (job,) = [event.job for event in self.acted if isinstance(event, NewJob)]
        fields = {
            "job_id": job.id,
            "extranonce": b"\0" * job.extranonce_size,
            "ntime": job.ntime,
            "nonce": 1,
            "version": job.version,
        }
        return Share(**{**fields, **changes})  # type: ignore[arg-type]


async def test_shares_are_answered_by_their_own_ticket() -> None:
    bench = Bench()
    early, first, second = Answers(), Answers(), Answers()
    dummy = Share(job_id=JobId(1), extranonce=b"", ntime=0, nonce=0, version=0)
    bench.connection.submit(dummy, None, early.done)
    assert [verdict.reason for verdict in early.verdicts] == [Reason.LOST]
    bench.hear(LET_IN)
    bench.core.data_to_send()
    bench.connection.submit(bench.share(), None, first.done)
    bench.connection.submit(bench.share(nonce=2), None, second.done)
    assert bench.core.data_to_send().count(b"mining.submit") == 2
    ids = [number for number in range(1, 20) if number in bench.core._pending]
    answer = b'{"id":%d,"result":true,"error":null}\n'
    bench.hear(answer % ids[1] + answer % ids[1])
    assert first.verdicts == []
    assert second.verdicts == [Verdict(reason=Reason.ACCEPTED)]
    bench.hear(b'{"id":%d,"result":null,"error":[22,"Duplicate share",null]}\n' % ids[0])
    assert [verdict.reason for verdict in first.verdicts] == [Reason.DUPLICATE]


async def test_what_the_core_will_not_send_is_stale_with_its_reason() -> None:
    bench = Bench()
    bench.hear(LET_IN)
    answers = Answers()
    bench.connection.submit(bench.share(job_id=JobId(99)), None, answers.done)
    (verdict,) = answers.verdicts
    assert verdict.reason is Reason.STALE
    assert "job 99" in verdict.detail


async def test_a_pool_that_answers_nothing_is_not_fed_for_ever() -> None:
    bench = Bench()
    bench.hear(LET_IN)
    pending, over = Answers(), Answers()
    for nonce in range(MAX_PENDING):
        bench.connection.submit(bench.share(nonce=nonce), None, pending.done)
    bench.connection.submit(bench.share(nonce=MAX_PENDING), None, over.done)
    assert pending.verdicts == []
    assert [verdict.reason for verdict in over.verdicts] == [Reason.LOST]


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (
            b'{"id":3,"result":null,"error":[24,"Unauthorized worker",null]}\n',
            RefusedError,
            "pool refused mining.authorize for 'u'",
        ),
        (
            b'{"id":2,"result":null,"error":[25,"IP banned",null]}\n',
            RefusedError,
            "pool refused mining.subscribe",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", BadUpstreamError, "pool "),
    ],
)
async def test_how_a_pool_turns_us_away(line: bytes, kind: type[UpstreamError], words: str) -> None:
    bench = Bench()
    bench.hear(line)
    outcome = await bench.outcome()
    assert type(outcome) is kind
    assert words in str(outcome)


async def test_a_lost_connection_and_why() -> None:
    bench = Bench()
    bench.connection.wire.connection_lost(ConnectionResetError("reset by peer"))
    outcome = await bench.outcome()
    assert isinstance(outcome, UnreachableError)
    assert str(outcome) == "pool closed the connection (reset by peer)"


async def test_the_first_outcome_counts() -> None:
    bench = Bench(refuse=BadUpstreamError("not this one"))
    bench.hear(LET_IN)
    bench.connection.wire.connection_lost(None)
    assert str(await bench.outcome()) == "not this one"
    assert len(bench.acted) == 1  # nothing is passed on after it
    answers = Answers()
    bench.connection.submit(
        Share(job_id=JobId(1), extranonce=b"", ntime=0, nonce=0, version=0), None, answers.done
    )
    assert [verdict.reason for verdict in answers.verdicts] == [Reason.LOST]


@pytest.mark.parametrize("params", ["[]", '["",0,5]', '["pool.test","4444",5]'])
async def test_redirects_within_the_host(params: str) -> None:
    bench = Bench()
    bench.hear(LET_IN)
    bench.hear(b'{"id":null,"method":"client.reconnect","params":%s}\n' % params.encode())
    outcome = await bench.outcome()
    assert isinstance(outcome, Redirected)
    assert outcome.port in {0, 4444}


async def test_what_is_only_worth_a_line_in_the_log() -> None:
    bench = Bench()
    with capture_logs() as logs:
        bench.hear(LET_IN)
        bench.hear(b'{"id":null,"method":"client.show_message","params":["hi\\u001b[2J"]}\n')
        bench.hear(b'{"id":null,"method":"mining.notify","params":[]}\n')
        bench.hear(b'{"id":null,"method":"client.reconnect","params":["evil.test",1,0]}\n')
    events = [log["event"] for log in logs]
    assert events == ["pool_notice", "pool_fault", "redirect_ignored"]
    assert "\x1b" not in logs[0]["text"]
    assert bench.faults == 1
    assert not bench.connection._over.is_set()


REFUSED = b'{"id":%d,"result":null,"error":[%d,"no",null]}\n'


async def test_a_pool_that_refuses_every_share_is_given_up_and_says_why_once() -> None:
    bench = Bench(limits=Limits(rejects=3, rejects_seconds=0))
    bench.hear(LET_IN)
    answers = Answers()
    for nonce in range(3):
        assert not bench.connection._over.is_set()
        bench.connection.submit(bench.share(nonce=nonce), None, answers.done)
        (pending,) = bench.core._pending
        bench.hear(REFUSED % (pending, 23))
    outcome = await bench.outcome()
    assert type(outcome) is RefusedError
    assert str(outcome).startswith("pool refused 3 shares in a row, and none was accepted")
    assert "low_difficulty" in str(outcome)
    assert len(answers.verdicts) == 3


async def test_names_that_the_pool_does_not_know_do_not_end_its_connection() -> None:
    bench = Bench(limits=Limits(rejects=2, rejects_seconds=0))
    bench.hear(LET_IN)
    answers = Answers()
    for nonce in range(5):
        bench.connection.submit(bench.share(nonce=nonce), "stranger", answers.done)
        (pending,) = bench.core._pending
        bench.hear(REFUSED % (pending, 24))
    assert {verdict.reason for verdict in answers.verdicts} == {Reason.UNAUTHORIZED}
    assert not bench.connection._over.is_set()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(answer_seconds=0.05), "has not answered a share for 0.05 s"),
        (Limits(job_seconds=0.05), "has sent no job for 0.05 s"),
    ],
)
async def test_a_mute_pool_is_given_up(limits: Limits, words: str) -> None:
    bench = Bench(limits=limits)
    bench.hear(LET_IN)
    answers = Answers()
    bench.connection.submit(bench.share(), None, answers.done)
    outcome = await bench.outcome()
    assert isinstance(outcome, UnreachableError)
    assert words in str(outcome)


async def test_a_pool_that_lets_us_in_but_gives_no_job_is_given_up() -> None:
    bench = Bench(limits=Limits(handshake_seconds=0.05))
    bench.hear(LET_IN[: LET_IN.index(b'{"id":null')])
    assert "gave no job within 0.05 s" in str(await bench.outcome())
