"""What every client core must do: one suite, run over each version of the protocol.

A test module subclasses `ClientCoreContract` as `Test...` and provides the fixture
`make_pair`, which makes a fresh pair of opposite cores that has shaken hands.
"""

from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headframe.chain.job import Job, JobId
from headframe.chain.share import Reason, Share, Verdict
from headframe.chain.target import DIFFICULTY_1, Target
from headframe.stratum.core import ClientCore, ServerCore
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import PeerFault, ShareAnswered, ShareSubmitted
from tests.fakes.stratum_v1 import job_of

__all__ = ["ClientCoreContract", "CorePair", "answer_to", "moderate"]

moderate = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class CorePair(Protocol):
    """Two opposite cores, and what they told."""

    @property
    def client(self) -> ClientCore: ...
    @property
    def server(self) -> ServerCore: ...
    @property
    def jobs(self) -> list[Job]: ...
    @property
    def answers(self) -> list[ShareAnswered]: ...
    @property
    def shares(self) -> list[ShareSubmitted]: ...
    def run(self) -> None: ...


def answer_to(job: Job, nonce: int = 0, version: int | None = None) -> Share:
    """Make a share for a job."""
    return Share(
        job_id=job.id,
        extranonce=bytes(job.extranonce_size),
        ntime=job.ntime,
        nonce=nonce,
        version=job.version if version is None else version,
    )


def offered(pair: CorePair, number: int = 17, **changes: int) -> Job:
    """Let the server show a job; return it as the client sees it."""
    pair.server.offer(0, job_of(number, **changes), Target(DIFFICULTY_1), clean=False)  # type: ignore[arg-type]
    pair.run()
    return pair.jobs[-1]


class ClientCoreContract:
    """Subclass it, and give it a `make_pair` fixture."""

    @moderate
    @given(order=st.permutations(range(6)))
    def test_every_share_gets_exactly_one_answer(
        self, make_pair: Callable[[], CorePair], order: list[int]
    ) -> None:
        pair = make_pair()
        job = offered(pair)
        tickets = [pair.client.submit(answer_to(job, nonce), None) for nonce in range(6)]
        pair.run()
        reasons = [r for r in Reason if r not in {Reason.ACCEPTED, Reason.OTHER}][:6]
        for nonce in order:
            ticket = next(share.ticket for share in pair.shares if share.nonce == nonce)
            pair.server.reply(ticket, Verdict(reason=reasons[nonce]))
        pair.run()
        assert {a.ticket: a.verdict.reason for a in pair.answers} == dict(
            zip(tickets, reasons, strict=True)
        )
        assert len(pair.answers) == 6

    def test_shares_without_an_answer_are_lost_with_the_connection(
        self, make_pair: Callable[[], CorePair]
    ) -> None:
        pair = make_pair()
        job = offered(pair)
        tickets = [pair.client.submit(answer_to(job, nonce), None) for nonce in range(3)]
        events = pair.client.receive_eof()
        assert [e.ticket for e in events if isinstance(e, ShareAnswered)] == tickets
        assert {e.verdict.reason for e in events if isinstance(e, ShareAnswered)} == {Reason.LOST}
        assert list(pair.client.receive_eof()) == []

    def test_a_share_for_another_connections_job_is_our_mistake(
        self, make_pair: Callable[[], CorePair]
    ) -> None:
        pair = make_pair()
        job = offered(pair)
        stranger = Share(
            job_id=JobId(job.id + 1_000_000),
            extranonce=bytes(job.extranonce_size),
            ntime=job.ntime,
            nonce=0,
            version=job.version,
        )
        with pytest.raises(LocalProtocolError, match="none of this connection"):
            pair.client.submit(stranger, None)

    def test_ids_are_new_and_counters_never_fall(self, make_pair: Callable[[], CorePair]) -> None:
        pair = make_pair()
        for number in range(20, 30):
            tip = bytes([number // 3]) * 32
            pair.server.offer(
                0, job_of(number, prev_hash=tip), Target(DIFFICULTY_1), clean=number % 4 == 0
            )
            pair.run()
        ids = [job.id for job in pair.jobs]
        assert len(ids) == 10
        assert len(set(ids)) == len(ids)
        epochs = [job.epoch for job in pair.jobs]
        generations = [job.generation for job in pair.jobs]
        assert epochs == sorted(epochs)
        assert generations == sorted(generations)

    @moderate
    @given(junk=st.binary(max_size=300))
    def test_no_bytes_make_it_raise(self, make_pair: Callable[[], CorePair], junk: bytes) -> None:
        pair = make_pair()
        pair.client.receive_data(junk)
        pair.client.receive_data(b"\n")
        pair.client.receive_eof()

    def test_nothing_is_heard_after_a_fatal_fault(self, make_pair: Callable[[], CorePair]) -> None:
        pair = make_pair()
        events = [*pair.client.receive_data(bytes(2 << 20))]
        assert [e.fatal for e in events if isinstance(e, PeerFault)][-1:] == [True]
        assert list(pair.client.receive_data(b"{}\n")) == []

    def test_what_is_to_be_sent_is_given_once(self, make_pair: Callable[[], CorePair]) -> None:
        pair = make_pair()
        pair.client.submit(answer_to(offered(pair)), None)
        assert pair.client.data_to_send() != b""
        assert pair.client.data_to_send() == b""
