"""What every server core must do: one suite, run over each version of the protocol.

A test module subclasses `ServerCoreContract` as `Test...` and provides the fixture
`make_pair`, which makes a fresh pair of opposite cores that has shaken hands.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headframe.chain.job import BIP320_MASK, Slice, SplitCoinbase
from headframe.chain.share import Reason, Verdict, proof_of
from headframe.chain.target import DIFFICULTY_1, MAX_TARGET, Target
from headframe.stratum.errors import LocalProtocolError
from headframe.stratum.events import PeerFault, Ticket
from tests.contracts.client_core import CorePair, answer_to, moderate
from tests.fakes.stratum_v1 import job_of, seat_of

__all__ = ["ServerCoreContract"]

LANE_AND_SLICE = seat_of().lane + seat_of().slice
masks = st.integers(min_value=0, max_value=2**32 - 1).map(lambda mask: mask & BIP320_MASK)
hashes = st.binary(min_size=32, max_size=32)


class ServerCoreContract:
    """Subclass it, and give it a `make_pair` fixture, its seat that of `seat_of()`."""

    @moderate
    @given(
        number=st.integers(min_value=1, max_value=2**62),
        prev_hash=hashes,
        path=st.lists(hashes, max_size=12).map(tuple),
        mask_and_extranonce=st.tuples(masks, st.binary(min_size=4, max_size=4)),
        target=st.integers(min_value=2**128, max_value=MAX_TARGET),
    )
    def test_a_job_shown_is_the_same_job(
        self, make_pair, number, prev_hash, path, mask_and_extranonce, target
    ) -> None:
        """Law 4: shown by our server core, read by our client core, it is the same job."""
        pair: CorePair = make_pair()
        mask, extranonce = mask_and_extranonce
        job = job_of(number, prev_hash=prev_hash, path=path, version_mask=mask)
        sent = pair.server.offer(0, job, Target(target), clean=True)
        pair.run()
        read = pair.jobs[-1]
        assert isinstance(job.commitment, SplitCoinbase)
        for name in ("version", "version_mask", "prev_hash", "nbits", "ntime"):
            assert getattr(read, name) == getattr(job, name), name
        assert read.extranonce_size == 4
        whole = LANE_AND_SLICE + extranonce
        assert read.commitment.root(extranonce) == job.commitment.root(whole)
        assert read.target == sent
        assert target <= sent <= min(MAX_TARGET, target + target // 10_000)

    @moderate
    @given(
        extranonce=st.binary(min_size=4, max_size=4),
        nonce=st.integers(min_value=0, max_value=2**32 - 1),
        bits=st.integers(min_value=0, max_value=2**32 - 1),
    )
    def test_a_share_means_the_same_on_both_sides(self, make_pair, extranonce, nonce, bits) -> None:
        """Law 1 over the wire: what the rig hashed is what the proxy hashes."""
        pair: CorePair = make_pair()
        job = job_of()
        pair.server.offer(0, job, DIFFICULTY_1, clean=True)
        pair.run()
        seen = pair.jobs[-1]
        share = replace(
            answer_to(seen, nonce), extranonce=extranonce, version=seen.version | bits & BIP320_MASK
        )
        pair.client.submit(share, "account.rig")
        pair.run()
        heard = pair.shares[-1]
        assert (heard.worker, heard.job_id) == ("account.rig", job.id)
        wide = replace(share, job_id=heard.job_id, version=heard.version).widen(
            Slice(prefix=LANE_AND_SLICE), job_id=job.id
        )
        assert proof_of(seen, share) == proof_of(job, wide)
        assert (heard.extranonce, heard.nonce, heard.ntime) == (extranonce, nonce, share.ntime)

    def test_a_reply_is_given_once(self, make_pair: Callable[[], CorePair]) -> None:
        pair = make_pair()
        pair.server.offer(0, job_of(), DIFFICULTY_1, clean=True)
        pair.run()
        pair.client.submit(answer_to(pair.jobs[-1]), None)
        pair.run()
        ticket = pair.shares[-1].ticket
        pair.server.reply(ticket, Verdict(reason=Reason.ACCEPTED))
        with pytest.raises(LocalProtocolError):
            pair.server.reply(ticket, Verdict(reason=Reason.ACCEPTED))

    def test_an_answer_that_waits_for_an_earlier_one_is_not_out(
        self, make_pair: Callable[[], CorePair]
    ) -> None:
        pair = make_pair()
        pair.server.offer(0, job_of(), DIFFICULTY_1, clean=True)
        pair.run()
        for nonce in (1, 2):
            pair.client.submit(answer_to(pair.jobs[-1], nonce), None)
        pair.run()
        first, second = (share.ticket for share in pair.shares[-2:])
        pair.server.reply(second, Verdict(reason=Reason.ACCEPTED))
        assert pair.server.unanswered == 2
        pair.server.reply(first, Verdict(reason=Reason.ACCEPTED))
        assert pair.server.unanswered == 0

    def test_tickets_are_answered_with_their_own_command(
        self, make_pair: Callable[[], CorePair]
    ) -> None:
        pair = make_pair()
        unknown = Ticket(10**9)
        with pytest.raises(LocalProtocolError):
            pair.server.reply(unknown, Verdict(reason=Reason.ACCEPTED))
        with pytest.raises(LocalProtocolError):
            pair.server.authorize(unknown, ok=True)
        with pytest.raises(LocalProtocolError):
            pair.server.seat(unknown, seat_of())

    def test_a_share_carries_the_target_of_its_job(self, make_pair: Callable[[], CorePair]) -> None:
        pair = make_pair()
        first = pair.server.offer(0, job_of(1), Target(DIFFICULTY_1 * 7), clean=True)
        second = pair.server.offer(0, job_of(2), Target(DIFFICULTY_1 // 9), clean=False)
        pair.run()
        for job in pair.jobs:
            pair.client.submit(answer_to(job), None)
        pair.run()
        assert [share.target for share in pair.shares] == [first, second]

    @moderate
    @given(junk=st.binary(max_size=300))
    def test_no_bytes_make_it_raise(self, make_pair: Callable[[], CorePair], junk: bytes) -> None:
        pair = make_pair()
        pair.server.receive_data(junk)
        pair.server.receive_data(b"\n")
        pair.server.receive_eof()

    def test_commands_still_work_after_a_fatal_fault(
        self, make_pair: Callable[[], CorePair]
    ) -> None:
        pair = make_pair()
        pair.server.offer(0, job_of(), DIFFICULTY_1, clean=True)
        pair.run()
        pair.client.submit(answer_to(pair.jobs[-1]), None)
        pair.run()
        events = pair.server.receive_data(bytes(1 << 20))
        assert [e.fatal for e in events if isinstance(e, PeerFault)] == [True]
        assert list(pair.server.receive_data(b"{}\n")) == []
        pair.server.reply(pair.shares[-1].ticket, Verdict(reason=Reason.ACCEPTED))
        assert pair.server.data_to_send() != b""
