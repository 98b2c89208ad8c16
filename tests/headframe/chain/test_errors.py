import pytest

from headframe.chain import errors
from headframe.chain.errors import ChainError


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "ChainError"])
def test_each_error_is_a_chain_error_and_in_the_tree(name):
    assert issubclass(getattr(errors, name), ChainError)
    assert name in (errors.__doc__ or "")


def test_a_chain_error_is_a_value_error():
    assert issubclass(ChainError, ValueError)
