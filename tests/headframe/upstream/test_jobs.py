"""Jobs of one template for several payees. Scripts and blocks are checked with our parser alone
where the vectors' own templates say what must be in them; `test_gbt` has a real node."""

import itertools
from dataclasses import replace

import pytest

from headframe.chain.coinbase import parse
from headframe.chain.errors import AddressError, CoinbaseError
from headframe.chain.job import Job, JobId, Lineage, SourceId, SplitCoinbase
from headframe.chain.network import Network
from headframe.chain.payout import Payout
from headframe.chain.template import Template, parse_template
from headframe.upstream.base import REMEMBERED_TIPS
from headframe.upstream.gbt_options import GbtOptions
from headframe.upstream.jobs import TemplateJobs
from headframe.upstream.payees import Payee, Payees, payee_of
from tests.fakes.vectors import load

ANSWER = next(v for v in load("gbt_blocks")["vectors"] if v["id"] == "h113-11tx-rolled")["template"]
MAIN = payee_of("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
RIG = payee_of("bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6.rig")
OPERATOR = b"\x00\x14" + bytes(20)
PAYEES = Payees(main=MAIN.script, shares=(Payout(script=OPERATOR, basis_points=150),))


@pytest.fixture
def lineage() -> Lineage:
    return Lineage(SourceId("node"), itertools.count(1), epoch=3, generation=2)


@pytest.fixture
def jobs(lineage: Lineage) -> TemplateJobs:
    return TemplateJobs(GbtOptions(address="not asked here"), lineage)


def kept(jobs: TemplateJobs, template: Template) -> Job:
    """Take a template as its source does."""
    if not jobs.is_newest(template.prev_hash):
        jobs.follow(template.prev_hash)
    job = jobs.make(template, PAYEES, None)
    jobs.keep(job, template, PAYEES, Network.REGTEST)
    return job


def paid_by(job: Job) -> list[tuple[int, bytes]]:
    assert isinstance(job.commitment, SplitCoinbase)
    coinbase = parse(job.commitment.coinbase(bytes(job.extranonce_size)))
    return [(output.value, output.script) for output in coinbase.outputs]


def test_a_payee_gets_what_the_shares_leave_and_nothing_else_differs(jobs: TemplateJobs) -> None:
    template = parse_template(ANSWER)
    job = kept(jobs, template)
    shown = replace(job, epoch=40)  # a group counts its own epochs
    other = jobs.paying(shown, RIG)
    assert other is not None
    share = template.value * 150 // 10_000
    assert paid_by(other) == [
        (template.value - share, RIG.script),
        (share, OPERATOR),
        (0, template.commitment),
    ]
    assert other.id != job.id
    assert replace(other, id=job.id, commitment=job.commitment) == shown
    assert jobs.find(other.id) == (template, other)
    assert jobs.find(job.id) == (template, job)


def test_a_job_is_made_of_the_template_in_its_checked_form(jobs: TemplateJobs) -> None:
    template, other = parse_template(ANSWER), parse_template(ANSWER)
    job, another = kept(jobs, template), kept(jobs, other)
    its = jobs.paying(job, RIG)
    assert its is not None
    checked = replace(template)
    jobs.settle(template, checked)
    for each, made_of in ((job, checked), (its, checked), (another, other)):
        found = jobs.find(each.id)
        assert found is not None
        assert found[0] is made_of


def test_who_is_paid_already_gets_the_job_that_there_is(jobs: TemplateJobs) -> None:
    job = kept(jobs, parse_template(ANSWER))
    assert jobs.paying(job, MAIN) is job


def test_an_address_of_another_network_is_refused(jobs: TemplateJobs) -> None:
    job = kept(jobs, parse_template(ANSWER))
    there = payee_of("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx")
    with pytest.raises(AddressError, match="this is regtest"):
        jobs.paying(job, there)


def test_a_block_without_room_for_a_payee_is_refused_to_that_payee(jobs: TemplateJobs) -> None:
    template = parse_template(ANSWER)
    weighs = 4_000_000
    slack = _weight_left(jobs, template, weighs)
    full = replace(template, weight_limit=weighs - slack)
    job = kept(jobs, full)
    long = Payee(address="long", script=bytes(42), networks=frozenset(Network))
    with pytest.raises(CoinbaseError, match="would weigh"):
        jobs.paying(job, long)
    short = Payee(address="short", script=bytes(22), networks=frozenset(Network))
    assert jobs.paying(job, short) is not None  # as long as the configured one


def _weight_left(jobs: TemplateJobs, template: Template, limit: int) -> int:
    """Find by trial how far a template's limit may fall."""
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        try:
            jobs.make(replace(template, weight_limit=limit - middle), PAYEES, None)
        except CoinbaseError:
            high = middle
        else:
            low = middle
    return low


def test_jobs_of_the_last_tips_are_found_and_no_others(jobs: TemplateJobs) -> None:
    template = parse_template(ANSWER)
    assert not jobs.has_tip
    known: list[tuple[Job, Job]] = []
    for number in range(2 * REMEMBERED_TIPS + 1):
        job = kept(jobs, replace(template, prev_hash=bytes([number]) * 32))
        other = jobs.paying(job, RIG)
        assert other is not None
        known.append((job, other))
    assert jobs.is_newest(bytes([2 * REMEMBERED_TIPS]) * 32)
    (first, its), *others = known
    assert jobs.find(first.id) is jobs.find(its.id) is None
    assert jobs.paying(first, RIG) is None
    for job, other in others:
        assert jobs.find(job.id) is not None
        assert jobs.find(other.id) is not None
    jobs.clear()
    assert not jobs.has_tip
    assert jobs.find(others[-1][0].id) is None


def test_a_job_that_was_never_kept_is_unknown(jobs: TemplateJobs) -> None:
    job = jobs.make(parse_template(ANSWER), PAYEES, None)
    assert jobs.find(job.id) is None
    assert jobs.find(JobId(-1)) is None
    assert jobs.paying(job, RIG) is None
