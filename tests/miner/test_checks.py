import pytest

from miner.checks import Check, check_all, check_opened, check_share_hash
from native import Kernel, KernelError, kernels, share_hash
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


def test_the_kernels_that_a_device_opens_are_tested() -> None:
    good = kernels()[-1]
    checks = list(check_opened("gpu:0", lambda: [LyingKernel("liar"), good]))
    assert [check.name for check in checks] == ["gpu:0 liar", f"gpu:0 {good.name}"]
    assert "self-test" in checks[0].fault
    assert not checks[1].fault
    assert list(check_opened("gpu:0", lambda: [LyingKernel("liar"), good], [good.name])) == [
        Check(name=f"gpu:0 {good.name}")
    ]


def test_a_kernel_that_a_device_does_not_use_is_told() -> None:
    (check,) = check_opened("gpu:0", lambda: [kernels()[-1]], ["shiny"])
    assert check == Check(
        name="gpu:0 shiny", fault=f"it does not use this kernel, but {kernels()[-1].name}"
    )


def test_a_device_that_cannot_be_opened_is_told() -> None:
    def fail() -> list[Kernel]:
        raise KernelError("the kernel cannot be built")

    assert list(check_opened("gpu:0", fail)) == [
        Check(name="gpu:0", fault="the kernel cannot be built")
    ]
