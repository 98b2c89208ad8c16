"""What sources raise."""

import pytest

from headframe.chain.job import SourceId
from headframe.runtime.errors import EXIT_UNAVAILABLE, HeadframeError
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    SourceState,
    SourceStatus,
    UnreachableError,
    UpstreamError,
    members_of,
)


@pytest.mark.parametrize("kind", [UnreachableError, RefusedError, BadUpstreamError])
def test_all_are_told_in_one_line_and_have_an_exit_code(kind: type[UpstreamError]) -> None:
    error = kind("the pool is gone: check the cable")
    assert isinstance(error, UpstreamError)
    assert isinstance(error, HeadframeError)
    assert str(error) == "the pool is gone: check the cable"
    assert error.exit_code == EXIT_UNAVAILABLE == 69


def test_a_lone_source_is_its_own_only_member() -> None:
    alone = SourceStatus(source=SourceId("a"), url="stratum+tcp://a:1", state=SourceState.ACTIVE)
    other = SourceStatus(source=SourceId("b"), url="stratum+tcp://b:1", state=SourceState.IDLE)
    both = SourceStatus(
        source=SourceId("a"), url=alone.url, state=alone.state, members=(alone, other)
    )
    assert members_of(alone) == (alone,)
    assert members_of(both) == (alone, other)
