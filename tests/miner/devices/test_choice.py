import pytest

from miner.devices.choice import WRONG_LIMIT, KernelChoice
from native import Kernel, KernelError
from tests.fakes.device import LyingKernel

REFERENCE = LyingKernel("reference")


def trust(kernel: Kernel) -> None:
    del kernel


def test_the_favourite_is_used_where_the_job_has_the_room_for_it() -> None:
    choice = KernelChoice([LyingKernel("four", versions=4), LyingKernel("one"), REFERENCE], trust)
    assert choice.best(4).name == "four"
    assert choice.best(1024).name == "four"
    assert choice.best(2).name == "one"
    assert choice.best(1).name == "one"


def test_a_kernel_that_lies_gives_way_to_the_next() -> None:
    choice = KernelChoice([LyingKernel("bad"), LyingKernel("good"), REFERENCE], trust)
    assert [choice.wrong("bad") for _ in range(WRONG_LIMIT)] == [False] * (WRONG_LIMIT - 1) + [True]
    assert choice.best(1).name == "good"
    assert not choice.wrong("bad"), "scans of a retired kernel may still be on their way"


def test_a_successor_that_fails_its_test_is_passed_over() -> None:
    def test(kernel: Kernel) -> None:
        if kernel.name == "worse":
            raise KernelError("worse")

    choice = KernelChoice([LyingKernel("bad"), LyingKernel("worse"), REFERENCE], test)
    for _ in range(WRONG_LIMIT):
        choice.wrong("bad")
    assert choice.best(1) is REFERENCE


def test_the_last_kernel_stays() -> None:
    choice = KernelChoice([REFERENCE], trust)
    assert not any(choice.wrong("reference") for _ in range(WRONG_LIMIT * 2))
    assert choice.best(1) is REFERENCE


@pytest.mark.parametrize("ranked", [[], [REFERENCE, LyingKernel("four", versions=4)]])
def test_the_last_kernel_must_serve_every_job(ranked: list[Kernel]) -> None:
    with pytest.raises(ValueError, match="single versions"):
        KernelChoice(ranked, trust)
