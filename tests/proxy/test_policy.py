import pytest

from headframe.chain.target import Target
from proxy.policy import Stale, takes_late
from tests.fakes.mining import JobMaker


@pytest.mark.parametrize(
    ("policy", "proof", "counts"),
    [
        (Stale.REFUSE, 1, False),
        (Stale.FORWARD, 1000, True),
        (Stale.FORWARD, 1001, False),
        (Stale.BLOCK, 10, True),
        (Stale.BLOCK, 11, False),
    ],
)
def test_a_late_share_counts_as_the_policy_says(policy: Stale, proof: int, counts: bool):
    job = JobMaker().make(target=Target(1000), block_target=Target(10))
    assert takes_late(policy, job, proof) is counts
