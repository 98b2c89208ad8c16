"""What sources raise."""

import pytest

from headframe.runtime.errors import EXIT_UNAVAILABLE, HeadframeError
from headframe.upstream.base import (
    BadUpstreamError,
    RefusedError,
    UnreachableError,
    UpstreamError,
)


@pytest.mark.parametrize("kind", [UnreachableError, RefusedError, BadUpstreamError])
def test_all_are_told_in_one_line_and_have_an_exit_code(kind: type[UpstreamError]) -> None:
    error = kind("the pool is gone: check the cable")
    assert isinstance(error, UpstreamError)
    assert isinstance(error, HeadframeError)
    assert str(error) == "the pool is gone: check the cable"
    assert error.exit_code == EXIT_UNAVAILABLE == 69
