"""The self-test as people ask for it: every kernel, and the hash of a share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

from native import Kernel, KernelError, pack_context, self_test, share_hash
from native.share import hash_in_python

__all__ = ["Check", "check_all", "check_opened", "check_share_hash"]

_SIZES: Final = (0, 1, 31, 55, 56, 63, 64, 65, 119, 120, 200)
"""Of a coinbase's parts: around the ends of SHA-256's blocks and of its padding."""
_NUMBERS: Final = ((0, 0, 0), (0x20000000, 1_700_000_000, 0x12345678), (0xFFFFFFFF,) * 3)

ShareHash = Callable[[bytes, bytes, int, int, int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a test found.

    Attributes:
        name: of the kernel, or "share_hash".
        fault: what is wrong, as one line; "" when all is well.
    """

    name: str
    fault: str = ""

    def as_row(self) -> dict[str, object]:
        """Return it as plain data."""
        return {"name": self.name, "ok": not self.fault, "fault": self.fault}


def check_all(kernels: Sequence[Kernel], hasher: ShareHash = share_hash) -> Iterator[Check]:
    """Test kernels, and then `share_hash`; yields each result as it comes."""
    for kernel in kernels:
        yield Check(name=kernel.name, fault=_fault_of(partial(self_test, kernel)))
    yield Check(name="share_hash", fault=_fault_of(partial(check_share_hash, hasher)))


def check_opened(
    device: str, open_: Callable[[], Sequence[Kernel]], wanted: Sequence[str] = ()
) -> Iterator[Check]:
    """Build and test the kernels of a device that is not the CPU, as mining would.

    Args:
        device: its name.
        open_: makes its kernels; raises `KernelError` where that fails.
        wanted: names of kernels; all without any.
    """
    try:
        opened = open_()
    except KernelError as error:
        yield Check(name=device, fault=str(error))
        return
    for kernel in opened:
        if not wanted or kernel.name in wanted:
            fault = _fault_of(partial(self_test, kernel))
            yield Check(name=f"{device} {kernel.name}", fault=fault)
    for name in wanted:
        if name not in {kernel.name for kernel in opened}:
            there = ", ".join(kernel.name for kernel in opened)
            yield Check(name=f"{device} {name}", fault=f"it does not use this kernel, but {there}")


def check_share_hash(hasher: ShareHash) -> None:
    """Compare it with hashlib on coinbases of many sizes.

    Raises:
        KernelError: a hash differs.
    """
    for prefix, extra, depth in product(_SIZES, (0, 4, 12), (0, 1, 12)):
        path = [bytes([i + 1]) * 32 for i in range(depth)]
        context = pack_context(b"\x5a" * prefix, b"\xa5" * 70, path, b"\x07" * 32, 0x1D00FFFF)
        for numbers in _NUMBERS:
            request = (context, b"\x3c" * extra, *numbers)
            if hasher(*request) != hash_in_python(*request):
                raise KernelError(
                    f"share_hash is wrong for a coinbase of {prefix} + {extra} + 70 bytes "
                    f"and a path of {depth} hashes"
                )


def _fault_of(test: Callable[[], None]) -> str:
    try:
        test()
    except KernelError as error:
        return str(error)
    return ""
