"""Choose a kernel: the self-test that each must pass, and a short race among those that do."""

import time
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Final

from native.compiled import compiled_kernels
from native.kernel import HEAD_BYTES, NONCES, TAIL_BYTES, Kernel, KernelError, StopFlag
from native.reference import ReferenceKernel

__all__ = ["KNOWN_BLOCKS", "choose", "kernels", "measure", "pick", "self_test"]

KNOWN_BLOCKS: Final = (
    # Blocks 0, 1, 170 (the first payment) and 125552 of the main chain, as any node has them.
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b2"
    "7ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744"
    "bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
    "0100000055bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000ff104ccb05421ab9"
    "3e63f8c3ce5c2c2e9dbb37de2764b3a3175c8166562cac7d51b96a49ffff001d283e9e70",
    "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d75"
    "0423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695",
)
"""Headers whose nonce a kernel must find: 80 bytes each, as hex."""

_MARGIN: Final = 1000
"""Nonces searched before and after a known one."""
_RANDOM_HEADERS: Final = 8
_RANDOM_NONCES: Final = 100
_CALIBRATION_SECONDS: Final = 0.05
_FIRST_COUNT: Final = 1 << 10


def kernels() -> tuple[Kernel, ...]:
    """List the kernels this machine can run, most preferred first, the Python one last."""
    return (*compiled_kernels(), ReferenceKernel())


def pick(
    name: str | None = None, *, versions: int = 1, exclude: Collection[str] = frozenset()
) -> Kernel:
    """Choose the kernel to hash with.

    Args:
        name: take this one; `None` for the fastest.
        versions: how many headers at once there will be work for, at least 1.
        exclude: names of kernels that are not to be taken, such as one that was caught
            with a wrong hash.

    Raises:
        KernelError: there is none of that name, or none computes right hashes.
    """
    return choose(kernels(), name, versions=versions, exclude=exclude)


def choose(
    candidates: Sequence[Kernel],
    name: str | None = None,
    *,
    versions: int = 1,
    exclude: Collection[str] = frozenset(),
    clock: Callable[[], float] = time.thread_time,
) -> Kernel:
    """Choose among given kernels, most preferred first and the slow reference last.

    Args:
        candidates: the kernels there are.
        name: see `pick`.
        versions: see `pick`.
        exclude: see `pick`.
        clock: seconds of CPU time.

    Raises:
        KernelError: see `pick`.
    """
    left = [kernel for kernel in candidates if kernel.name not in exclude]
    if name is not None:
        for kernel in left:
            if kernel.name == name:
                self_test(kernel)
                return kernel
        there = ", ".join(kernel.name for kernel in left) or "none"
        raise KernelError(f"no kernel {name!r} for this machine; there are: {there}")
    fitting = [kernel for kernel in left if kernel.versions <= versions]
    sound, faults = _sound(fitting)
    if not sound:
        raise KernelError("no kernel can be used: " + ("; ".join(faults) or "none is left"))
    return _fastest(sound, versions, clock)


def self_test(kernel: Kernel) -> None:
    """Let a kernel find known blocks, and compare it with the reference on made-up headers.

    Raises:
        KernelError: it missed a nonce, or claims one that is wrong.
    """
    for block in KNOWN_BLOCKS:
        _test_known(kernel, bytes.fromhex(block))
    for number in range(_RANDOM_HEADERS):
        _test_random(kernel, number)


def measure(
    kernel: Kernel,
    versions: int = 1,
    *,
    seconds: float = _CALIBRATION_SECONDS,
    clock: Callable[[], float] = time.thread_time,
) -> float:
    """Measure a kernel: hashes per second of CPU time in one thread.

    Args:
        kernel: which one.
        versions: headers at once.
        seconds: how long it shall run, at least.
        clock: seconds of CPU time.
    """
    heads = [_noise(f"head {i}", HEAD_BYTES) for i in range(versions)]
    tail, nothing, stop = _noise("tail", TAIL_BYTES), bytes(32), StopFlag()
    first = done = 0
    count = _FIRST_COUNT
    started = clock()
    while (spent := clock() - started) < seconds or done == 0:
        kernel.scan(heads, tail, nothing, first, count, stop)
        done += count
        first = (first + count) % (NONCES // 2)
        count = min(2 * count, 1 << 18)
    return done * versions / spent


def _test_known(kernel: Kernel, header: bytes) -> None:
    head, tail = header[:HEAD_BYTES], header[HEAD_BYTES : HEAD_BYTES + TAIL_BYTES]
    nonce = int.from_bytes(header[-4:], "little")
    hash_ = sha256(sha256(header).digest()).digest()
    others = [_noise(f"other {i}", HEAD_BYTES) for i in range(kernel.versions - 1)]
    for place in range(kernel.versions):
        heads = [*others[:place], head, *others[place:]]
        result = kernel.scan(heads, tail, hash_, nonce - _MARGIN, 2 * _MARGIN, StopFlag())
        if result.hits != ((place, nonce),) or result.next != nonce + _MARGIN:
            raise KernelError(
                f"kernel {kernel.name} fails its self-test: nonce {nonce:08x} of a known block "
                f"was looked for, {result.hits} was found"
            )


def _test_random(kernel: Kernel, number: int) -> None:
    heads = [_noise(f"{number}, head {i}", HEAD_BYTES) for i in range(kernel.versions)]
    tail = _noise(f"{number}, tail", TAIL_BYTES)
    target = ((1 << 256 - number) - 1).to_bytes(32, "little")
    first = int.from_bytes(_noise(f"{number}, first", 4), "little") % (NONCES // 2)
    request = (heads, tail, target, first, _RANDOM_NONCES, StopFlag())
    wanted, found = ReferenceKernel().scan(*request), kernel.scan(*request)
    # Where a result is full, kernels may end at different nonces: compare what both did.
    end = min(wanted.next, found.next)
    if end == first or [hit for hit in wanted.hits if hit[1] < end] != [
        hit for hit in found.hits if hit[1] < end
    ]:
        raise KernelError(
            f"kernel {kernel.name} fails its self-test: it differs from the reference "
            f"at nonces {first} to {end}"
        )


def _sound(candidates: Sequence[Kernel]) -> tuple[list[Kernel], list[str]]:
    sound, faults = [], []
    for kernel in candidates:
        try:
            self_test(kernel)
        except KernelError as error:
            faults.append(str(error))
        else:
            sound.append(kernel)
    return sound, faults


def _fastest(sound: Sequence[Kernel], versions: int, clock: Callable[[], float]) -> Kernel:
    """Race them; the reference, if there, is the last and never faster than one in C."""
    racers = [kernel for kernel in sound if not isinstance(kernel, ReferenceKernel)] or sound
    if len(racers) == 1:
        return racers[0]
    return max(racers, key=lambda kernel: measure(kernel, versions, clock=clock))


def _noise(name: str, size: int) -> bytes:
    """Make bytes that look random and are always the same."""
    blocks = (sha256(f"{name}, {i}".encode()).digest() for i in range(-(-size // 32)))
    return b"".join(blocks)[:size]
