import pytest

from headframe.chain.job import JobId
from headframe.chain.share import Reason
from headframe.chain.target import DIFFICULTY_1
from headframe.stratum.errors import LocalProtocolError, RemoteProtocolError
from headframe.stratum.events import ShareSubmitted, Ticket
from headframe.stratum.sv1.workers import MAX_USER, MAX_WORKERS, Workers


def share_of(worker: str) -> ShareSubmitted:
    return ShareSubmitted(
        channel=0,
        ticket=Ticket(1),
        worker=worker,
        job_id=JobId(1),
        extranonce=bytes(4),
        ntime=0,
        nonce=0,
        version=0,
        target=DIFFICULTY_1,
    )


def test_a_name_is_known_once_it_is_let_in() -> None:
    workers = Workers()
    for number, ok in enumerate((True, False, True)):
        workers.ask(Ticket(number), f"w{number}")
        workers.settle(Ticket(number), ok=ok)
    workers.ask(Ticket(9), "w0")
    workers.settle(Ticket(9), ok=True)
    assert list(workers.known) == ["w0", "w2"]


def test_many_names_are_known() -> None:
    workers = Workers()
    for number in range(100):
        workers.ask(Ticket(number), f"w{number}")
        workers.settle(Ticket(number), ok=True)
    assert set(workers.known) == {f"w{number}" for number in range(100)}


def test_names_that_ask_count_as_names() -> None:
    workers = Workers()
    for number in range(MAX_WORKERS):
        workers.ensure_room("name")
        workers.ask(Ticket(number), f"w{number}")
    with pytest.raises(RemoteProtocolError, match="more than 1024 workers"):
        workers.ensure_room("name")


def test_a_name_has_an_end() -> None:
    Workers().ensure_room("w" * MAX_USER)
    with pytest.raises(RemoteProtocolError, match="more than 256 characters"):
        Workers().ensure_room("w" * (MAX_USER + 1))


@pytest.mark.parametrize("asked", [(), (Ticket(1),)])
def test_an_answer_to_nobody_is_our_mistake(asked: tuple[Ticket, ...]) -> None:
    workers = Workers()
    for ticket in asked:
        workers.ask(ticket, "name")
    with pytest.raises(LocalProtocolError, match="ticket 7"):
        workers.settle(Ticket(7), ok=True)


def test_a_share_that_came_early_waits_for_its_own_name() -> None:
    workers = Workers()
    workers.ask(Ticket(1), "a")
    workers.ask(Ticket(2), "b")
    early = [share_of(name) for name in ("a", "b", "a", "stranger")]
    for share in early:
        workers.hold(share)
    assert all(share.refused is Reason.UNAUTHORIZED for share in early)
    workers.settle(Ticket(1), ok=True)
    assert [share.refused for share in early[:3]] == [None, Reason.UNAUTHORIZED, None]
    assert [share.target for share in early[:3]] == [DIFFICULTY_1, None, DIFFICULTY_1]
    workers.settle(Ticket(2), ok=False)
    assert [share.refused for share in early[1::2]] == [Reason.UNAUTHORIZED] * 2


def test_what_came_early_for_a_name_that_was_refused_stays_refused() -> None:
    workers = Workers()
    workers.ask(Ticket(1), "a")
    share = share_of("a")
    workers.hold(share)
    workers.settle(Ticket(1), ok=False)
    workers.ask(Ticket(2), "a")
    workers.settle(Ticket(2), ok=True)
    assert share.refused is Reason.UNAUTHORIZED
