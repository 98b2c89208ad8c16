from headframe.chain.share import Reason, Verdict
from proxy.ledger import Ledger, Row
from proxy.sharelog_lines import books_of, job_line
from tests.fakes.sharelogging import LoggedHub


def test_books_are_written_as_accounts_and_empty_ones_are_not():
    ledger = Ledger()
    row = ledger.worker("a")
    assert books_of(row) == {}
    ledger.refuse(row, Reason.STALE, 2**70)
    ledger.keep(row, 3)
    ledger.send(row, 3, 9)
    ledger.answer(row, Verdict(reason=Reason.LOST), 9, rescued=False)
    ledger.rescue(row, 9)
    assert books_of(row) == {
        "offered": (3, str(2**70 + 6)),
        "accepted": (2, "6"),
        "refused.stale": (1, str(2**70)),
        "kept": (1, "0"),
        "pool.forwarded": (1, "9"),
        "pool.lost": (1, "9"),
        "rescued.forwarded": (1, "9"),
        "rescued.pending": (1, "9"),
    }
    assert books_of(Row("b")) == {}


async def test_a_job_is_written_as_the_rigs_see_it(tmp_path):
    here = LoggedHub(tmp_path / "shares.jsonl")
    entry = here.job(size=8)
    here.log.close()
    line = job_line(5, "north", entry)
    assert line is not None
    assert (line.job, line.upstream, line.source) == (entry.job.id, entry.upstream.id, "pool")
    layout = here.hub.layout
    assert layout is not None
    assert line.extranonce_size == layout.width
    assert line.prefix == (b"coinbase\x01" + bytes(8 - layout.width)).hex()
    assert line.suffix == b"rest".hex()
    assert line.path == ("02" * 32, "03" * 32)
    assert line.prev_hash == "00" * 32
    assert len(line.target) == len(line.block_target) == 64
