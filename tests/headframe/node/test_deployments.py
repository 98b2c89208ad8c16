"""The vote on version bit 28. Against a real node: tests/system/test_embedded_node.py."""

import pytest

from headframe.chain.header import Header
from headframe.node.deployments import DeploymentState, TestDummy
from headframe.node.kernel import Entry

VOTE = 0x30000000
PLAIN = 0x20000000


class Chain:
    """Headers with the versions that the test wants."""

    def __init__(self, versions: list[int]) -> None:
        self.versions = versions
        self.asked = 0

    def entry_at(self, height: int) -> Entry | None:
        self.asked += 1
        if height >= len(self.versions):
            return None
        header = Header(
            version=self.versions[height],
            prev_hash=bytes(32),
            root=height.to_bytes(32, "big"),
            ntime=0,
            nbits=0x207FFFFF,
            nonce=0,
        )
        return Entry(hash=header.hash(), height=height, header=header)


def state(versions: list[int]) -> DeploymentState:
    chain = Chain(versions)
    return TestDummy(chain.entry_at).state(len(versions) - 1)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([PLAIN], DeploymentState.DEFINED),
        ([PLAIN] * 143, DeploymentState.DEFINED),
        ([PLAIN] * 144, DeploymentState.STARTED),
        ([VOTE] * 287, DeploymentState.STARTED),
        ([PLAIN] * 144 + [VOTE] * 108 + [PLAIN] * 36, DeploymentState.LOCKED_IN),
        ([PLAIN] * 144 + [VOTE] * 107 + [PLAIN] * 37, DeploymentState.STARTED),
        ([PLAIN] * 144 + [0x10000000] * 144, DeploymentState.STARTED),
        ([VOTE] * 431, DeploymentState.LOCKED_IN),
        ([VOTE] * 432, DeploymentState.ACTIVE),
        ([VOTE] * 288 + [PLAIN] * 500, DeploymentState.ACTIVE),
        ([PLAIN] * 288 + [VOTE] * 144, DeploymentState.LOCKED_IN),
    ],
)
def test_periods_of_144_blocks_decide(versions: list[int], expected: DeploymentState) -> None:
    assert state(versions) is expected


def test_what_was_counted_is_not_counted_again() -> None:
    chain = Chain([VOTE] * 300)
    dummy = TestDummy(chain.entry_at)
    dummy.state(299)
    asked = chain.asked
    assert dummy.state(299) is DeploymentState.LOCKED_IN
    assert chain.asked - asked <= 2


def test_the_bit_is_carried_while_it_is_voted_on() -> None:
    assert {each for each in DeploymentState if each.is_signalled} == {
        DeploymentState.STARTED,
        DeploymentState.LOCKED_IN,
    }
