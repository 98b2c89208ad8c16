"""Errors of the node."""

from headframe.node.errors import Code, KernelError, NoKernelError, RpcError, TxRefusedError
from headframe.runtime.errors import EXIT_FAILED, EXIT_USAGE, HeadframeError


def test_people_are_told_in_one_line_and_with_the_right_exit_code() -> None:
    assert issubclass(KernelError, HeadframeError)
    assert KernelError.exit_code == EXIT_FAILED
    assert NoKernelError.exit_code == EXIT_USAGE


def test_an_rpc_error_has_bitcoinds_number_and_words() -> None:
    error = RpcError(Code.DESERIALIZATION, "Block decode failed")
    assert (int(error.code), error.message) == (-22, "Block decode failed")
    assert str(error) == "-22: Block decode failed"


def test_a_refused_transaction_says_whether_an_input_is_missing() -> None:
    assert TxRefusedError("bad-txns-inputs-missingorspent", missing=True).missing
    assert not TxRefusedError("non-final").missing
