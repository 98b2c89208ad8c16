from typing import Any

import pytest

from headframe.chain.share import Reason
from proxy.audit_sums import Sums
from proxy.sharelog_lines import Books, SentLine, ShareLine, VerdictLine

NOTHING: dict[str, int] = {"share": 0, "sent": 0, "verdict": 0}
UP = {"time_ms": 0, "route": "", "worker": "", "source": "", "job": 1, "extranonce": ""}
HEAD = {"ntime": 0, "nonce": 0, "version": 0}


def share(verdict: Reason, work: int = 5) -> ShareLine:
    fields: dict[str, Any] = {"time_ms": 0, "route": "", "worker": "", "rig": "", "job": 1}
    fields |= {**HEAD, "extranonce": "", "mask": 0, "target": None, "hash": ""}
    return ShareLine(**fields, work=str(work), verdict=verdict)


def sent(**changes: Any) -> SentLine:
    fields: dict[str, Any] = {**UP, **HEAD, "name": None, "work": "100"}
    return SentLine(**(fields | changes))


def answer(verdict: Reason, **changes: Any) -> VerdictLine:
    fields: dict[str, Any] = {**UP, **HEAD, "work": "100"}
    return VerdictLine(**(fields | changes), verdict=verdict)


def differences(sums: Sums, books: Books, left_out: dict[str, int] | None = None) -> list[str]:
    return list(sums.compare(books, left_out or NOTHING, 0))


def test_sums_that_agree_say_nothing():
    sums = Sums({})
    for verdict in (Reason.ACCEPTED, Reason.ACCEPTED, Reason.STALE):
        sums.share(share(verdict))
    sums.sent(sent())
    assert sums.uncompared == 3
    books = {
        "offered": (3, "15"),
        "accepted": (2, "10"),
        "refused.stale": (1, "5"),
        "kept": (1, "0"),
        "pool.forwarded": (1, "100"),
        "pool.pending": (1, "100"),
    }
    assert differences(sums, books) == []
    assert sums.uncompared == 0
    sums.answer(answer(Reason.BAD_NTIME))
    books |= {"pool.pending": (0, "0"), "pool.refused.bad_ntime": (1, "100")}
    assert differences(sums, books) == []


def test_rescued_blocks_have_a_leg_of_their_own():
    sums = Sums({})
    sums.sent(sent(rescued=True, block=True))
    sums.answer(answer(Reason.LOST, rescued=True))
    books: Books = {"rescued.forwarded": (1, "100"), "rescued.lost": (1, "100")}
    assert list(sums.compare(books, NOTHING, 1)) == []
    assert list(sums.compare(books, NOTHING, 2)) == ["2 blocks found, the lines say 1"]


def test_without_a_beginning_the_first_books_are_it():
    sums = Sums(None)
    sums.share(share(Reason.STALE))
    books: Books = {"offered": (77, "770"), "refused.stale": (77, "770")}
    assert differences(sums, books) == []
    sums.share(share(Reason.STALE))
    assert differences(sums, books) != []
    sums.begin_at(None)
    assert differences(sums, books) == []


@pytest.mark.parametrize(
    ("books", "words"),
    [
        ({"offered": (1, "5")}, "offered is not accepted + refused"),
        (
            {"offered": (1, "5"), "accepted": (1, "5")},
            "accepted is not kept + forwarded",
        ),
        (
            {"pool.forwarded": (1, "5")},
            "pool: forwarded is not pending + acknowledged + refused + lost",
        ),
    ],
)
def test_books_that_do_not_balance_in_themselves_are_found(books, words):
    assert words in differences(Sums(None), books)


def test_lines_that_were_left_out_must_be_as_many_as_are_missing():
    for missing, wrong in ((2, 0), (1, 1)):
        sums = Sums(None)
        differences(sums, {})
        sums.share(share(Reason.STALE))
        books: Books = {"offered": (3, "15"), "refused.stale": (3, "15")}
        assert len(differences(sums, books, NOTHING | {"share": missing})) == wrong
