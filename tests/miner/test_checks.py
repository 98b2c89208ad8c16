import pytest

from miner.checks import Check, check_all, check_share_hash
from native import KernelError, kernels, share_hash
from tests.fakes.device import LyingKernel


def test_everything_here_passes() -> None:
    checks = list(check_all(kernels()))
    assert [check.name for check in checks] == [*(k.name for k in kernels()), "share_hash"]
    assert not any(check.fault for check in checks)


def test_a_kernel_that_lies_is_told_and_the_others_are_tested_all_the_same() -> None:
    liar, good, share = check_all([LyingKernel("liar"), kernels()[-1]])
    assert "kernel liar fails its self-test" in liar.fault
    assert liar.as_row() == {"name": "liar", "ok": False, "fault": liar.fault}
    assert good == Check(name=kernels()[-1].name)
    assert share.as_row() == {"name": "share_hash", "ok": True, "fault": ""}


def test_a_share_hash_that_is_wrong_for_some_size_is_found() -> None:
    def wrong(context: bytes, extranonce: bytes, version: int, ntime: int, nonce: int) -> bytes:
        good = share_hash(context, extranonce, version, ntime, nonce)
        return bytes(32) if len(context) == 48 + 120 + 70 + 32 * 12 else good

    with pytest.raises(KernelError, match=r"coinbase of 120 .* path of 12 hashes"):
        check_share_hash(wrong)
    (check,) = check_all([], wrong)
    assert check.fault.startswith("share_hash is wrong")
